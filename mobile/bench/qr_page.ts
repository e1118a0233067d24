// Runs in the browser: draws hard pictures, and has each read by ours and by jsQR, in turn.
import jsQR from 'jsqr';
import wasm from 'zxing-wasm/reader/zxing_reader.wasm?url';

import { type Kind, draw } from '../src/lib/qr/pictures';
import { type Pixels, prepare, read } from '../src/lib/qr/read';

export interface Reading {
  ms: number;
  /** It said exactly what was drawn; another text is a fault. */
  said: 'right' | 'nothing' | 'wrong';
}

export interface Line {
  kind: Kind;
  seed: number;
  ours: Reading;
  theirs: Reading;
}

const ready = prepare({ url: wasm });
const jsqr = async ({ data, width, height }: Pixels) =>
  jsQR(data as Uint8ClampedArray<ArrayBuffer>, width, height)?.data || undefined;

async function reading(reader: (pixels: Pixels) => Promise<string | undefined>, pixels: Pixels, text: string): Promise<Reading> {
  const begun = performance.now();
  const said = await reader(pixels);
  const ms = performance.now() - begun;
  return { ms, said: said === text ? 'right' : said === undefined ? 'nothing' : 'wrong' };
}

/** Reads the pictures of these seeds; who is first alternates. */
async function run(text: string, kind: Kind, seeds: number[]): Promise<Line[]> {
  await ready;
  const lines: Line[] = [];
  for (const seed of seeds) {
    const pixels = draw(text, kind, seed);
    const first = seed % 2 === 0 ? await reading(read, pixels, text) : undefined;
    const theirs = await reading(jsqr, pixels, text);
    lines.push({ kind, seed, ours: first ?? (await reading(read, pixels, text)), theirs });
  }
  return lines;
}

export interface Bench {
  run: typeof run;
}
Object.assign(globalThis, { run } satisfies Bench);
