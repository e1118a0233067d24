import { describe, expect, it } from 'vitest';

import type { Glance } from './camera';
import { Shutter, glare, sharpness } from './shutter';

const [WIDTH, HEIGHT] = [320, 213];

/** A card's print, so light and so blurred, `moved` pixels to the right. */
function print({ light = 230, blur = 0, moved = 0 } = {}): Glance {
  const ink = (x: number, y: number) => ((x * 7) % 13 < 4 && y % 9 < 5 ? light * 0.25 : light);
  const grey = Float32Array.from({ length: WIDTH * HEIGHT }, (_, at) => {
    const [x, y] = [(at % WIDTH) - moved, Math.floor(at / WIDTH)];
    let [sum, count] = [0, 0];
    for (let place = 0; place < (2 * blur + 1) ** 2; place += 1) {
      const [dx, dy] = [(place % (2 * blur + 1)) - blur, Math.floor(place / (2 * blur + 1)) - blur];
      [sum, count] = [sum + ink(Math.abs(x + dx), Math.abs(y + dy)), count + 1];
    }
    return sum / count;
  });
  return { width: WIDTH, height: HEIGHT, grey };
}

describe('the shutter', () => {
  it('opens when the print is sharp and held still', () => {
    const shutter = new Shutter();
    const parts = Array.from({ length: 6 }, () => shutter.look(print()));
    expect(parts).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
  });

  it('does not while it is blurred, nor of a wall', () => {
    const shutter = new Shutter();
    const looks = [print({ blur: 6 }), { width: WIDTH, height: HEIGHT, grey: new Float32Array(WIDTH * HEIGHT).fill(120) }];
    expect(looks.flatMap((look) => [look, look, look]).map((look) => shutter.look(look))).toEqual(Array(6).fill(0));
    expect(sharpness(print())).toBeGreaterThan(5 * sharpness(print({ blur: 6 })));
  });

  it('waits anew when the card moves', () => {
    const shutter = new Shutter();
    const still = () => Array.from({ length: 3 }, () => shutter.look(print())).at(-1);
    expect(still()).toBeCloseTo(0.4);
    expect(shutter.look(print({ moved: 3 }))).toBe(0);
    expect(still()).toBeCloseTo(0.4);
  });
});

it('of the light on a card it is said what is wrong with it', () => {
  expect(glare(print())).toBeUndefined();
  expect(glare(print({ light: 40 }))).toBe('moreLight');
  const lamp = print();
  lamp.grey.fill(255, WIDTH * 60, WIDTH * 140);
  expect(glare(lamp)).toBe('glare');
});
