import type { Challenge, Step } from '../api/types';
import { STILL } from '../wire/capture';
import { type Rest, extent, rest } from './extent';
import { type Look, hint } from './hints';
import type { Face } from './measure';

/** A place for one frame: when it is looked for, what is worth how much there, and what is enough. Milliseconds since the capture began. */
interface Slot {
  label: string;
  step?: Step;
  opens: (before: number) => number;
  closes: (opened: number) => number;
  worth: (look: Look, at: Rest) => number;
  /** The first that is worth so much is taken; else the best that was seen until the slot closes. */
  enough: number;
  /** What is taken when nothing was seen until it closes: what comes next, nothing, or the slot has a time of its own and was missed. */
  without: 'next' | 'nothing' | 'missed';
}

interface Candidate<Picture> {
  picture: Picture;
  worth: number;
  atMs: number;
  face: Face | undefined;
}

/** Frames of the silent mode, and how far they are apart at least. */
const SILENT = { frames: 6, everyMs: 350, lastsMs: 1500 };
/** A face at rest: two frames. */
const AT_REST = { everyMs: 300, lastsMs: 2500 };
/** An action: when it can begin, how long it is waited for, and for how long a larger one is waited for then. All three end within 30 s. */
const ACTION = { afterMs: 350, lastsMs: 6500, largerMs: 450 };
/** After its beginning and end: when a spoken digit is surely in the picture, and when the mouth is surely closed again. */
const DIGIT = { settlesMs: 200, restsMs: 250, lastMs: 700 };

const after = (ms: number, lasts: number) => ({
  opens: (before: number) => before + ms,
  closes: (opened: number) => opened + lasts,
});
const between = (from: number, until: number) => ({ opens: () => from, closes: () => until, enough: Infinity, without: 'missed' as const });

const calm = (look: Look) => (hint(look) === undefined ? 1 : look.face ? 0.3 : 0);
const closed = ({ face }: Look) => (face ? 1 - face.mouthOpen : 0);
const open = ({ face }: Look) => face?.mouthOpen ?? 0;

/** The frames that a challenge asks for, each when it is seen; `flash` has none: there the screen sets the pace. */
function slots({ mode, frames: [least, most], steps = [] }: Challenge): Slot[] {
  const still = (ms: number, lasts: number): Slot => ({ label: STILL, ...after(ms, lasts), worth: calm, enough: 1, without: 'next' });
  switch (mode) {
    case 'silent':
      return Array.from({ length: Math.min(Math.max(SILENT.frames, least), most) }, () => still(SILENT.everyMs, SILENT.lastsMs));
    case 'actions':
      return [...[0, 1].map(() => still(AT_REST.everyMs, AT_REST.lastsMs)), ...steps.flatMap(action)];
    case 'digits':
      return spoken(steps);
    case 'flash':
      return [];
  }
}

function action(step: Step): Slot[] {
  const shows = ({ face }: Look, at: Rest) => (face ? Math.max(extent(step.step, face, at), 0) : 0);
  const slot = { label: step.step, step, worth: shows };
  return [
    { ...slot, ...after(ACTION.afterMs, ACTION.lastsMs), enough: 1, without: 'next' },
    { ...slot, ...after(0, ACTION.largerMs), enough: Infinity, without: 'nothing' },
  ];
}

/** Of each window the frame with the mouth widest open, of each pause the one with the mouth shut. */
function spoken(steps: Step[]): Slot[] {
  const rest = (from: number, until: number): Slot => ({ label: STILL, ...between(from, until), worth: closed });
  const first = steps[0]?.from_ms ?? 0;
  const digits = steps.flatMap((step, place): Slot[] => {
    const [from, until] = [step.from_ms ?? 0, step.until_ms ?? 0];
    const next = steps[place + 1]?.from_ms ?? until + DIGIT.lastMs;
    return [
      { label: step.step, step, ...between(from + DIGIT.settlesMs, until), worth: open },
      rest(until + DIGIT.restsMs, next),
    ];
  });
  return [rest(0, first / 2), rest(first / 2, first), ...digits];
}

/** Takes a capture as the camera sees it: each frame when what is asked for is seen, or the best by the end of its time. */
export class Session<Picture> {
  readonly #slots: Slot[];
  readonly #taken: (Candidate<Picture> & { step: string })[] = [];
  #place = 0;
  #best: Candidate<Picture> | undefined;
  /** When the slot before was closed. */
  #before = 0;
  #seen = 0;

  constructor(challenge: Challenge) {
    this.#slots = slots(challenge);
  }

  /** What is asked for now; nothing while nothing is. */
  get step(): Step | undefined {
    return this.#slots[this.#place]?.step;
  }

  /** How many steps were seen to be done. */
  get seen(): number {
    return this.#seen;
  }

  get isOver(): boolean {
    return this.#place === this.#slots.length;
  }

  get frames(): { picture: Picture; step: string; atMs: number }[] {
    return this.#taken.map(({ picture, step, atMs }) => ({ picture, step, atMs }));
  }

  /** How much a look is worth, if its picture is wanted: better than what is there for the slot that is open. */
  worth(look: Look, atMs: number): number | undefined {
    const slot = this.#slots[this.#place];
    if (!slot || atMs < slot.opens(this.#before)) return undefined;
    const isLate = atMs > this.#closes(slot) && (this.#best || slot.without !== 'next');
    if (isLate) return undefined;
    const worth = slot.worth(look, rest(this.#rest()));
    return !this.#best || worth > this.#best.worth ? worth : undefined;
  }

  /** Offers the picture of a look. */
  offer(picture: Picture, look: Look, worth: number, atMs: number): void {
    this.#best = { picture, worth, atMs, face: look.face };
    const slot = this.#slots[this.#place];
    if (!slot || worth < slot.enough) return;
    if (slot.step) this.#seen += 1;
    this.#close(slot, atMs);
  }

  /** Time goes by: what nobody shows is ended with the best there was. Throws when a slot with a time of its own was missed. */
  pass(nowMs: number): void {
    const slot = this.#slots[this.#place];
    if (!slot || nowMs <= this.#closes(slot) || (!this.#best && slot.without === 'next')) return;
    if (!this.#best && slot.without === 'missed') throw new Error('the camera was looked at too rarely');
    this.#close(slot, nowMs);
  }

  #closes(slot: Slot): number {
    return slot.closes(slot.opens(this.#before));
  }

  #close(slot: Slot, nowMs: number): void {
    if (this.#best) this.#taken.push({ ...this.#best, step: slot.label });
    [this.#best, this.#before, this.#place] = [undefined, nowMs, this.#place + 1];
  }

  /** Before the first step. */
  #rest(): Face[] {
    const first = this.#taken.findIndex(({ step }) => step !== STILL);
    const at = first < 0 ? this.#taken : this.#taken.slice(0, first);
    return at.flatMap(({ face }) => (face ? [face] : []));
  }
}
