import { describe, expect, it } from 'vitest';

import { extent, rest } from './extent';
import faces from './faces.fixture.json';
import { hint } from './hints';
import { type Face, measure, moved } from './measure';

// What MediaPipe's face landmarker 0.10.35 finds in the pictures of `ecert-film`: number, x and y of the points that are used, and of the outermost.
type Name = keyof typeof faces;
const names = Object.keys(faces) as Name[];
/** Widths of the picture to the left of what is seen, and how much larger it is seen. */
function seen(name: Name, left = 0, larger = 1): Face {
  const { width, height, points } = faces[name];
  const [, x = 0, y = 0] = points[0]!;
  // The others lie within the face: on its nose.
  const all = Array.from({ length: 478 }, () => [x, y]);
  points.forEach(([index = 0, px = 0, py = 0]) => (all[index] = [px, py]));
  return measure(all.flatMap(([px = 0, py = 0]) => [(px - left) * larger, py * larger]), width, height);
}
const REST = rest([seen('rest')]);
const shown = (name: Name) => (step: string) => extent(step, seen(name), REST) >= 1;
const STEPS = ['turn-left', 'turn-right', 'open-mouth', 'nod', 'blink'];

describe('a face that is measured', () => {
  it('looks straight at rest, with its eyes open and its mouth shut', () => {
    const { yaw, pitch, eyesOpen, mouthOpen, box } = seen('rest');
    expect(Math.abs(yaw)).toBeLessThan(3);
    expect(Math.abs(pitch)).toBeLessThan(6);
    expect(eyesOpen).toBeGreaterThan(0.25);
    expect(mouthOpen).toBeLessThan(0.05);
    expect(box.height).toBeCloseTo(0.57, 1);
  });

  it.each<[Name, string[]]>([
    ['rest', []],
    ['turn-left', ['turn-left']],
    ['turn-right', ['turn-right']],
    ['open-mouth', ['open-mouth']],
    // The person looks down with lowered lids, and the lips part.
    ['nod', ['open-mouth', 'nod', 'blink']],
  ])('in the frame %s shows %j', (name, steps) => expect(STEPS.filter(shown(name))).toEqual(steps));

  it('shows no action whose name is not known, and none when it is turned away', () => {
    expect(extent('still', seen('turn-left'), REST)).toBe(0);
    expect(extent('turn-left', { ...seen('turn-left'), yaw: 70 }, REST)).toBe(0);
  });

  it('has the same angles and openings wherever and however large it is seen', () => {
    for (const name of names) {
      const { box: _, eyes: __, ...here } = seen(name);
      const { box, eyes: ___, ...there } = seen(name, 0.2, 1.4);
      expect(box.height).toBeGreaterThan(seen(name).box.height);
      for (const what of ['yaw', 'pitch', 'roll', 'eyesOpen', 'mouthOpen'] as const) expect(there[what]).toBeCloseTo(here[what]);
    }
  });

  it('moves in distances of its eyes', () => {
    expect(moved(seen('rest'), seen('rest'))).toBe(0);
    expect(moved(seen('rest'), seen('rest', 0.1))).toBeCloseTo(0.1 / seen('rest').eyes.apart);
  });
});

it('people who smile or look at the camera are left alone, others are told', () => {
  const told = (face: Face) => hint({ at: 0, faces: 1, face, light: { mean: 120, white: 0 } });
  expect(told(seen('rest'))).toBeUndefined();
  expect(told(seen('smiling'))).toBe('closer');
  expect(told(seen('smiling', 0.22, 2))).toBeUndefined();
  expect(told(seen('turn-left'))).toBe('lookStraight');
  expect(told(seen('rest', -0.3))).toBe('toTheMiddle');
  expect(told(seen('rest', 0.2, 1.7))).toBe('further');
});
