import type { Glance } from './camera';
import { light } from './light';

/** Variance of the Laplacian from which a card's print counts as sharp. A drawn card has 500 and more, a blurred one under 100, a wall 10. */
const SHARP = 250;
/** Mean change from glance to glance, of 255, up to which the hand counts as still. */
const STILL = 6;
/** Glances in a row that must be sharp and still: at {@link EVERY_MS} about 0.8 s. */
const NEEDED = 5;
/** Milliseconds between glances. */
export const EVERY_MS = 160;

/** How sharp a picture is: the variance of its Laplacian, the usual measure of focus. */
export function sharpness({ width, height, grey }: Glance): number {
  let [sum, squares, count] = [0, 0, 0];
  for (let y = 1; y < height - 1; y += 1) {
    for (let x = 1; x < width - 1; x += 1) {
      const at = y * width + x;
      const around = grey[at - 1]! + grey[at + 1]! + grey[at - width]! + grey[at + width]!;
      const edge = around - 4 * grey[at]!;
      sum += edge;
      squares += edge * edge;
      count += 1;
    }
  }
  const mean = count > 0 ? sum / count : 0;
  return count > 0 ? squares / count - mean * mean : 0;
}

/** Decides when the picture is taken by itself. */
export class Shutter {
  #before: Glance | undefined;
  #good = 0;

  /** Takes a look; how far it is from 0 to 1, at which the picture is taken. */
  look(now: Glance): number {
    const isGood = sharpness(now) >= SHARP && this.#changed(now) <= STILL;
    this.#before = now;
    this.#good = isGood ? this.#good + 1 : 0;
    return Math.min(this.#good / NEEDED, 1);
  }

  #changed({ grey }: Glance): number {
    const before = this.#before?.grey;
    if (before?.length !== grey.length) return Infinity;
    let sum = 0;
    for (let at = 0; at < grey.length; at += 1) sum += Math.abs(grey[at]! - before[at]!);
    return sum / grey.length;
  }
}

/** Within the frame in which the card lies, and its middle, where a lamp is reflected. */
const CARD = { x: 0.1, y: 0.15, width: 0.8, height: 0.7 };
/** Mean grey under which print is lost in noise, and the part of white pixels from which it is under a reflection. Cards are light, not white. */
const DARK = 45;
const WHITE = 0.2;

/** What is wrong with the light on a card. */
export function glare(look: Glance): 'moreLight' | 'glare' | undefined {
  const { mean, white } = light(look, CARD);
  if (mean < DARK) return 'moreLight';
  return white > WHITE ? 'glare' : undefined;
}
