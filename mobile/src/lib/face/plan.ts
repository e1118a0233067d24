import type { Challenge, Step } from '../api/types';
import { STILL } from '../wire/capture';

/** A frame to be taken. */
export interface Moment {
  /** Milliseconds since the capture began. */
  atMs: number;
  /** Its label. */
  step: string;
}

/** What the person sees and is told, from then on. */
export interface Scene {
  atMs: number;
  /** The step that is asked for; nothing while nothing is. */
  step?: Step;
  /** The whole screen is black, so that the colours after it can be told from it. */
  black?: boolean;
  /** How many steps were seen to be done, where that is known. */
  seen?: number;
}

export interface Plan {
  moments: Moment[];
  scenes: Scene[];
  /** When it is over. */
  untilMs: number;
}

/** Frames of the silent mode, if the challenge takes so many, and how far apart. */
const SILENT = { frames: 6, everyMs: 400 };
/** When the first two frames at rest are taken. */
const AT_REST = [100, 600];
/** An action: when the first begins, how long each is shown, and when in it frames are taken. People need a second to begin. */
const ACTION = { fromMs: 1000, lastsMs: 3500, frames: [1500, 2200, 2900] };
/** Milliseconds after a colour or digit began at which it is surely in the picture. */
const SETTLED = { flash: 350, digit: 500, pause: 300 };

/** When which frame is taken (docs/API.md, "A challenge"). */
export function plan({ mode, frames, steps = [] }: Challenge): Plan {
  switch (mode) {
    case 'silent':
      return silent(frames);
    case 'actions':
      return actions(steps);
    case 'flash':
      return flash(steps);
    case 'digits':
      return digits(steps);
  }
}

function silent([least, most]: [number, number]): Plan {
  const count = Math.min(Math.max(SILENT.frames, least), most);
  const moments = Array.from({ length: count }, (_, at) => ({ atMs: at * SILENT.everyMs, step: STILL }));
  return { moments, scenes: [{ atMs: 0 }], untilMs: count * SILENT.everyMs };
}

const atRest = (): Moment[] => AT_REST.map((atMs) => ({ atMs, step: STILL }));

function actions(steps: Step[]): Plan {
  const begins = (at: number) => ACTION.fromMs + at * ACTION.lastsMs;
  const frames = (step: Step, at: number) => ACTION.frames.map((after) => ({ atMs: begins(at) + after, step: step.step }));
  return {
    moments: [...atRest(), ...steps.flatMap(frames)],
    scenes: [{ atMs: 0 }, ...steps.map((step, at) => ({ atMs: begins(at), step }))],
    untilMs: begins(steps.length),
  };
}

function flash(steps: Step[]): Plan {
  const first = steps[0]?.from_ms ?? 0;
  return {
    moments: [
      { atMs: Math.max(first - 200, 0), step: STILL },
      ...steps.map(({ step, from_ms = 0 }) => ({ atMs: from_ms + SETTLED.flash, step })),
    ],
    scenes: [{ atMs: 0, black: true }, ...steps.map((step) => ({ atMs: step.from_ms ?? 0, step }))],
    untilMs: steps.at(-1)?.until_ms ?? 0,
  };
}

function digits(steps: Step[]): Plan {
  const spoken = ({ step, from_ms = 0, until_ms = 0 }: Step): Moment[] => [
    { atMs: from_ms + SETTLED.digit, step },
    { atMs: until_ms + SETTLED.pause, step: STILL },
  ];
  return {
    moments: [...atRest(), ...steps.flatMap(spoken)],
    scenes: [
      { atMs: 0 },
      ...steps.flatMap((step) => [{ atMs: step.from_ms ?? 0, step }, { atMs: step.until_ms ?? 0 }]),
    ],
    untilMs: (steps.at(-1)?.until_ms ?? 0) + SETTLED.pause + 200,
  };
}
