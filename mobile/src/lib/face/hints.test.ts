import { describe, expect, it } from 'vitest';

import { light } from '../device/light';
import { Settled } from '../device/settled';
import { type Hint, type Look, hint, hintWhileMoving } from './hints';
import type { Face } from './measure';

const FACE: Face = {
  box: { x: 0.25, y: 0.2, width: 0.5, height: 0.6 },
  yaw: 0, pitch: 0, roll: 0, eyesOpen: 0.3, mouthOpen: 0.02,
  eyes: { x: 0.5, y: 0.5, apart: 0.2 },
};
const GOOD: Look = { at: 1000, faces: 1, face: FACE, light: { mean: 120, white: 0 } };
const seen = (face: Partial<Face>, look: Partial<Look> = {}): Look => ({ ...GOOD, face: { ...FACE, ...face }, ...look });
const nobody = (mean: number): Look => ({ at: 0, faces: 0, light: { mean, white: 0 } });
const box = (x: number, y: number, width: number, height: number) => ({ box: { x, y, width, height } });

describe('of a picture it is said', () => {
  it('nothing when it is good', () => expect(hint(GOOD)).toBeUndefined());

  it.each<[Hint, Look]>([
    ['moreLight', nobody(12)],
    ['noFace', nobody(120)],
    ['severalFaces', { ...GOOD, faces: 2 }],
    ['moreLight', { ...GOOD, light: { mean: 30, white: 0 } }],
    ['tooBright', { ...GOOD, light: { mean: 240, white: 0.2 } }],
    ['tooBright', { ...GOOD, light: { mean: 150, white: 0.5 } }],
    ['closer', seen(box(0.4, 0.4, 0.2, 0.2))],
    ['further', seen(box(-0.05, 0.02, 1.1, 0.95))],
    ['toTheMiddle', seen(box(0.5, 0.2, 0.5, 0.6))],
    ['toTheMiddle', seen(box(0.25, 0.48, 0.5, 0.55))],
    ['lookStraight', seen({ yaw: -30 })],
    ['lookStraight', seen({ pitch: 50 })],
    ['lookStraight', seen({ roll: 25 })],
  ])('%s', (expected, look) => expect(hint(look)).toBe(expected));

  it('hold still, when the face jumps from look to look', () => {
    const later = seen({ eyes: { x: 0.53, y: 0.5, apart: 0.2 } }, { at: 1066 });
    expect(hint(later, GOOD)).toBe('holdStill');
    expect(hint({ ...later, at: 1900 }, GOOD)).toBeUndefined();
  });

  it('what can be mended first, first', () => {
    expect(hint(seen({ ...box(0.4, 0.4, 0.2, 0.2), yaw: 40 }, { light: { mean: 20, white: 0 } }))).toBe('moreLight');
    expect(hint(seen({ ...box(0.6, 0.4, 0.2, 0.2), yaw: 40 }))).toBe('closer');
  });

  it('nothing of where one looks, while one is asked to move', () => {
    expect(hintWhileMoving(seen({ yaw: 45 }))).toBeUndefined();
    expect(hintWhileMoving(nobody(120))).toBeUndefined();
    expect(hintWhileMoving(nobody(5))).toBe('moreLight');
    expect(hintWhileMoving({ ...GOOD, faces: 2 })).toBe('severalFaces');
  });
});

describe('what is shown', () => {
  it('waits until a hint holds, and leaves it long enough to be read', () => {
    const settled = new Settled<Hint>();
    const said = (wanted: Hint | undefined, ...times: number[]) => times.map((at) => settled.take(wanted, at)).at(-1);
    expect(said('closer', 0, 200)).toBeUndefined();
    expect(said('closer', 400)).toBe('closer');
    expect(said(undefined, 500, 900)).toBe('closer');
    expect(said(undefined, 1301)).toBeUndefined();
  });

  it('does not flicker with a face that is found every second time', () => {
    const settled = new Settled<Hint>();
    const shown = Array.from({ length: 60 }, (_, at) => settled.take(at % 2 ? 'noFace' : undefined, at * 66));
    expect(new Set(shown)).toEqual(new Set([undefined]));
  });
});

it('light is measured on the face, not on the window behind it', () => {
  const [width, height] = [80, 100];
  const isFace = (at: number) => at % width >= 20 && at % width < 60 && at / width >= 20 && at / width < 80;
  const grey = Float32Array.from({ length: width * height }, (_, at) => (isFace(at) ? 40 : 255));
  const picture = { width, height, grey };
  expect(light(picture, FACE.box)).toEqual({ mean: 40, white: 0 });
  expect(light(picture).white).toBeCloseTo(0.7);
  expect(light(picture, { x: 2, y: 2, width: 1, height: 1 })).toEqual({ mean: 0, white: 0 });
});
