import { describe, expect, it } from 'vitest';

import type { Challenge, Step } from '../api/types';
import { MAX_FRAMES, STILL } from '../wire/capture';
import type { Look } from './hints';
import type { Face } from './measure';
import { Session } from './session';

const say = { zh: '', en: '' };
const challenge = (mode: Challenge['mode'], least: number, steps: Step[] = []): Challenge => ({
  nonce: '', mode, frames: [least, MAX_FRAMES], steps, deadline: '',
});
const ACTS = challenge('actions', 5, ['turn-left', 'open-mouth', 'blink'].map((step) => ({ step, say })));
const REST: Face = {
  box: { x: 0.25, y: 0.2, width: 0.5, height: 0.6 },
  yaw: 2, pitch: 5, roll: 0, eyesOpen: 0.3, mouthOpen: 0.03, eyes: { x: 0.5, y: 0.5, apart: 0.2 },
};
const MOVES: Record<string, Partial<Face>> = {
  'turn-left': { yaw: 40 }, 'turn-right': { yaw: -40 }, 'open-mouth': { mouthOpen: 0.3 }, blink: { eyesOpen: 0.12 }, nod: { pitch: 35 },
};

/** Films a person every 66 ms until the session is over; `does` says what is seen, nothing for no face. */
function film(session: Session<string>, does: (atMs: number, step?: string) => Partial<Face> | undefined): number {
  let atMs = 0;
  for (; !session.isOver && atMs < 60_000; atMs += 66) {
    const seen = does(atMs, session.step?.step);
    const face = seen && { ...REST, ...seen };
    const look: Look = { at: atMs, faces: face ? 1 : 0, light: { mean: 120, white: 0 }, ...(face ? { face } : {}) };
    const worth = session.worth(look, atMs);
    if (worth !== undefined) session.offer(JSON.stringify(seen ?? null), look, worth, atMs);
    session.pass(atMs + 10);
  }
  return atMs;
}

const labels = (session: Session<string>) => session.frames.map(({ step }) => step);
const isRising = (session: Session<string>) => session.frames.every(({ atMs }, at, all) => at === 0 || atMs > all[at - 1]!.atMs);

describe('a capture of actions', () => {
  it('takes each when it is done, and is over soon', () => {
    const session = new Session<string>(ACTS);
    // A second to hear of it, then the movement.
    let [asked, since] = ['', 0];
    const lasted = film(session, (atMs, step = '') => {
      if (step !== asked) [asked, since] = [step, atMs];
      return step && atMs - since > 1000 ? MOVES[step]! : {};
    });
    expect(labels(session)).toEqual([STILL, STILL, ...['turn-left', 'open-mouth', 'blink'].flatMap((step) => [step, step])]);
    expect(session.frames.filter(({ step, picture }) => step !== STILL && picture === JSON.stringify(MOVES[step])).length).toBe(6);
    expect(session.seen).toBe(3);
    expect(lasted).toBeLessThan(7000);
  });

  it('waits for somebody slow, whom fixed times would have missed', () => {
    const session = new Session<string>(ACTS);
    let [asked, since] = ['', 0];
    film(session, (atMs, step = '') => {
      if (step !== asked) [asked, since] = [step, atMs];
      return step && atMs - since > 5000 ? MOVES[step]! : {};
    });
    expect(session.seen).toBe(3);
    expect(session.frames.at(-1)!.atMs - session.frames[0]!.atMs).toBeLessThan(30_000);
  });

  it('finds in a film that goes through all movements those that are asked for, in their order', () => {
    const session = new Session<string>(ACTS);
    const moves = Object.values(MOVES);
    film(session, (atMs) => (atMs % 900 < 300 ? {} : moves[Math.floor(atMs / 900) % moves.length]!));
    expect(session.seen).toBe(3);
  });

  it('of somebody who does nothing ends in time, with the best there was', () => {
    const session = new Session<string>(ACTS);
    const lasted = film(session, (atMs) => (atMs > 4000 && atMs < 4100 ? { yaw: 15 } : {}));
    expect(session.seen).toBe(0);
    expect(session.frames.some(({ step, picture }) => step === 'turn-left' && picture.includes('15'))).toBe(true);
    expect(lasted).toBeLessThan(30_000);
    expect(session.frames.length).toBeLessThanOrEqual(MAX_FRAMES);
  });

  it('leaves a quarter of a second between two actions, as the service wants it', () => {
    const session = new Session<string>(ACTS);
    film(session, (_, step) => MOVES[step ?? ''] ?? {});
    const frames = session.frames;
    const changes = frames.filter(({ step }, at) => at > 0 && step !== STILL && step !== frames[at - 1]!.step);
    const gaps = changes.map((frame) => frame.atMs - frames[frames.indexOf(frame) - 1]!.atMs);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(250);
    expect(isRising(session)).toBe(true);
  });

  it('is not thrown off by a phone that looks twice a second', () => {
    const session = new Session<string>(ACTS);
    let last = -1000;
    film(session, (atMs, step) => (atMs - last < 500 ? undefined : ((last = atMs), MOVES[step ?? ''] ?? {})));
    expect(session.isOver && session.seen === 3).toBe(true);
  });
});

describe('a silent capture', () => {
  it('passes over looks that are amiss', () => {
    const session = new Session<string>(challenge('silent', 2));
    film(session, (atMs) => (Math.floor(atMs / 500) % 2 ? {} : { yaw: 45 }));
    expect(labels(session)).toEqual(Array(6).fill(STILL));
    expect(session.frames.every(({ picture }) => picture === '{}')).toBe(true);
  });

  it('without any face ends as well, so that the service can say so', () => {
    const session = new Session<string>(challenge('silent', 2));
    expect(film(session, () => undefined)).toBeLessThan(12_000);
    expect(session.frames.length).toBe(6);
  });
});

describe('a capture of digits', () => {
  const steps = [800, 2500, 4600, 6300].map((from_ms, at) => ({ step: `digit-${at + 1}`, say, from_ms, until_ms: from_ms + 1000 }));
  const spoken = challenge('digits', 9, steps);

  it('has of each the widest mouth in its time, and of each pause the narrowest', () => {
    const session = new Session<string>(spoken);
    const isSpeaking = (atMs: number) => steps.some(({ from_ms }) => atMs > from_ms + 400 && atMs < from_ms + 900);
    film(session, (atMs) => ({ mouthOpen: isSpeaking(atMs) ? 0.1 + (atMs % 300) / 1000 : 0.02 + (atMs % 200) / 10_000 }));
    expect(labels(session)).toEqual([STILL, STILL, ...steps.flatMap(({ step }) => [step, STILL])]);
    for (const { step, atMs, picture } of session.frames) {
      const window = steps.find(({ step: name }) => name === step);
      const { mouthOpen } = JSON.parse(picture) as Face;
      expect(window ? atMs >= window.from_ms && atMs <= window.until_ms && mouthOpen > 0.25 : mouthOpen < 0.05, step).toBe(true);
    }
  });

  it('that is looked at too rarely is given up, and taken at fixed times', () => {
    const session = new Session<string>(spoken);
    session.pass(300);
    expect(() => session.pass(2000)).toThrow();
  });
});
