import type { Glance } from './camera';

/** A part of a picture, as parts of its width and height. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Light {
  /** Mean of the grey values, 0 to 255. */
  mean: number;
  /** Part of the pixels that are white, 0 to 1. */
  white: number;
}

const WHITE = 250;

/** The light on a part of the picture; without one, on all of it. */
export function light({ width, height, grey }: Glance, part: Box = { x: 0, y: 0, width: 1, height: 1 }): Light {
  const within = (value: number, most: number) => Math.min(Math.max(Math.round(value), 0), most);
  const [left, right] = [within(part.x * width, width), within((part.x + part.width) * width, width)];
  const [top, bottom] = [within(part.y * height, height), within((part.y + part.height) * height, height)];
  let [sum, white, count] = [0, 0, 0];
  for (let y = top; y < bottom; y += 1) {
    for (let x = left; x < right; x += 1) {
      const value = grey[y * width + x]!;
      sum += value;
      white += value >= WHITE ? 1 : 0;
      count += 1;
    }
  }
  return count > 0 ? { mean: sum / count, white: white / count } : { mean: 0, white: 0 };
}
