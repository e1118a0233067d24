// QR codes as bad cameras see them, drawn from a seed: for the tests and the benchmark.
import { encode } from 'uqr';

import { type Pixels, SIDE } from './read';

/** What makes a picture hard. */
export const KINDS = ['plain', 'rotated', 'perspective', 'blurred', 'faint', 'all'] as const;
export type Kind = (typeof KINDS)[number];

/** Numbers from 0 to 1, the same ones for the same seed (mulberry32). */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface View {
  /** Radians. */
  turn: number;
  /** How much nearer one edge is than the other, on both axes. */
  tilt: [number, number];
  /** Side of the code by the side of the picture. */
  size: number;
  /** Standard deviation, pixels. */
  blur: number;
  /** Grey of what is dark and what is light, 0 to 255. */
  dark: number;
  light: number;
  /** How much the light falls off over the picture, 0 to 1. */
  shade: number;
  /** Standard deviation of the sensor's noise. */
  noise: number;
}

function view(kind: Kind, roll: () => number): View {
  const between = (from: number, to: number) => from + roll() * (to - from);
  const hard = (one: Kind) => kind === one || kind === 'all';
  // Where everything comes together, nothing is at its worst.
  const worst = kind === 'all' ? 0.6 : 1;
  const size = between(0.5, 0.72);
  return {
    turn: hard('rotated') ? between(-Math.PI, Math.PI) : between(-0.05, 0.05),
    tilt: hard('perspective') ? [between(-0.35, 0.35) * worst, between(-0.35, 0.35) * worst] : [0, 0],
    size,
    // By the module: the same blur that is nothing to a near code hides a far one.
    blur: (hard('blurred') ? between(0.25, 0.5) * worst : 0.1) * ((size * SIDE) / 53),
    dark: hard('faint') ? between(70, 110) : between(10, 40),
    light: hard('faint') ? between(130, 160) : between(200, 250),
    shade: hard('faint') ? between(0.1, 0.35) * worst : 0.05,
    noise: between(1, 4),
  };
}

/** A picture of `text` as a QR of {@link SIDE}, hard in this way. The same seed draws the same picture. */
export function draw(text: string, kind: Kind, seed: number): Pixels {
  const roll = dice(seed);
  const seen = view(kind, roll);
  const sharp = project(text, seen);
  const grey = blurred(blurred(sharp, seen.blur, 1), seen.blur, SIDE);
  return photographed(grey, seen, roll);
}

/** How light a phone's frame around the white edge is. */
const FRAME = 0.35;

/** 1 where it is light, 0 where dark, with four looks a pixel. */
function project(text: string, { turn, tilt, size }: View): Float32Array {
  const { data, size: modules } = encode(text, { ecc: 'M', border: 4 });
  const grey = new Float32Array(SIDE * SIDE);
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  for (let at = 0; at < grey.length; at += 1) {
    let sum = 0;
    for (let look = 0; look < 4; look += 1) {
      const x = ((at % SIDE) + 0.25 + (look & 1) / 2) / SIDE - 0.5;
      const y = (Math.floor(at / SIDE) + 0.25 + (look >> 1) / 2) / SIDE - 0.5;
      const depth = size * (1 + tilt[0] * 2 * x + tilt[1] * 2 * y);
      const u = Math.floor(((cos * x + sin * y) / depth + 0.5) * modules);
      const v = Math.floor(((cos * y - sin * x) / depth + 0.5) * modules);
      const dark = data[v]?.[u];
      sum += dark === undefined ? FRAME : dark ? 0 : 1;
    }
    grey[at] = sum / 4;
  }
  return grey;
}

/** Blurred along one axis: `step` is 1 for rows, {@link SIDE} for columns. */
function blurred(grey: Float32Array, sigma: number, step: number): Float32Array {
  const reach = Math.ceil(sigma * 3);
  const weights = Float32Array.from({ length: 2 * reach + 1 }, (_, at) => Math.exp(-((at - reach) ** 2) / (2 * sigma ** 2)));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const made = new Float32Array(grey.length);
  for (let at = 0; at < grey.length; at += 1) {
    const along = step === 1 ? at % SIDE : Math.floor(at / SIDE);
    let sum = 0;
    for (let by = -reach; by <= reach; by += 1) {
      const near = Math.min(Math.max(along + by, 0), SIDE - 1) - along;
      sum += grey[at + near * step]! * weights[by + reach]!;
    }
    made[at] = sum / total;
  }
  return made;
}

function photographed(grey: Float32Array, { dark, light, shade, noise }: View, roll: () => number): Pixels {
  const data = new Uint8ClampedArray(SIDE * SIDE * 4);
  for (let at = 0; at < grey.length; at += 1) {
    const lit = 1 - shade * ((at % SIDE) / SIDE);
    // Four dice are near enough to a normal distribution.
    const speck = (roll() + roll() + roll() + roll() - 2) * Math.sqrt(3) * noise;
    const value = (dark + (light - dark) * grey[at]!) * lit + speck;
    data[at * 4] = data[at * 4 + 1] = data[at * 4 + 2] = value;
    data[at * 4 + 3] = 255;
  }
  return { data, width: SIDE, height: SIDE };
}
