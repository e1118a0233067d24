import { describe, expect, it } from 'vitest';

import type { Challenge, Step } from '../api/types';
import { MAX_FRAMES, STILL } from '../wire/capture';
import { plan } from './plan';

const say = { zh: '', en: '' };
const timed = (name: string, count: number, first: number, lasts: number, every: number): Step[] =>
  Array.from({ length: count }, (_, at) => ({
    step: `${name}-${at + 1}`, say, from_ms: first + at * every, until_ms: first + at * every + lasts,
  }));
const challenge = (mode: Challenge['mode'], least: number, steps: Step[]): Challenge => ({
  nonce: '', mode, frames: [least, MAX_FRAMES], steps, deadline: '',
});
const acts = ['nod', 'turn-left', 'blink'].map((step) => ({ step, say }));
// As wallet-core/src/face/challenge.rs makes them.
const asked = [
  challenge('silent', 2, []),
  challenge('actions', 5, acts),
  challenge('flash', 6, timed('flash', 5, 800, 600, 600)),
  challenge('digits', 9, timed('digit', 4, 800, 1000, 1500)),
];

describe.each(asked)('a capture of $mode', (given) => {
  const { moments, scenes, untilMs } = plan(given);
  const labels = moments.map(({ step }) => step);

  it('has as many frames as the challenge takes, one after the other', () => {
    expect(moments.length).toBeGreaterThanOrEqual(given.frames[0]);
    expect(moments.length).toBeLessThanOrEqual(given.frames[1]);
    const times = moments.map(({ atMs }) => atMs);
    expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
    expect(untilMs).toBeGreaterThan(times.at(-1)!);
    expect(untilMs).toBeLessThan(30_000);
  });

  it('begins at rest, and has every step in its order and its time', () => {
    expect(labels[0]).toBe(STILL);
    expect([...new Set(labels.filter((label) => label !== STILL))]).toEqual(given.steps?.map(({ step }) => step));
    for (const { step, from_ms, until_ms } of given.steps ?? []) {
      if (from_ms === undefined || until_ms === undefined) continue;
      const times = moments.filter((moment) => moment.step === step).map(({ atMs }) => atMs);
      expect(times.every((time) => time > from_ms && time < until_ms), step).toBe(true);
    }
  });

  it('tells the person before the frame is taken', () => {
    for (const { atMs, step } of moments.filter((moment) => moment.step !== STILL)) {
      expect(scenes.filter((scene) => scene.atMs < atMs).at(-1)?.step?.step).toBe(step);
    }
  });
});

it('reads digits between two rests each', () => {
  const labels = plan(asked[3]!).moments.map(({ step }) => step);
  expect(labels).toEqual([STILL, STILL, 'digit-1', STILL, 'digit-2', STILL, 'digit-3', STILL, 'digit-4', STILL]);
});
