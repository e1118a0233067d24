import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { beforeAll, describe, expect, it } from 'vitest';

import { KINDS, draw } from './pictures';
import { SIDE, prepare, read } from './read';

/** As long as a wallet's QR, and of its alphabet (tests/vectors/codes.json). */
const TEXT: string = JSON.parse(readFileSync(new URL('../../../../tests/vectors/codes.json', import.meta.url), 'utf8')).cases[0].text;
const EACH = 20;

beforeAll(async () => {
  const wasm = readFileSync(createRequire(import.meta.url).resolve('zxing-wasm/reader/zxing_reader.wasm'));
  await prepare({ bytes: new Uint8Array(wasm).buffer });
});

/** How many of the pictures are read, each to exactly what it says. */
async function readable(kind: (typeof KINDS)[number]): Promise<number> {
  let right = 0;
  for (let seed = 0; seed < EACH; seed += 1) {
    const said = await read(draw(TEXT, kind, seed));
    expect([TEXT, undefined], `${kind} ${seed}`).toContain(said);
    right += said === TEXT ? 1 : 0;
  }
  return right;
}

describe('a QR before a camera', () => {
  it.each(KINDS)('that is %s is read in 95 of 100 pictures', async (kind) => {
    expect(await readable(kind)).toBeGreaterThanOrEqual(EACH * 0.95);
  }, 60_000);

  it('is not read where there is none', async () => {
    const data = new Uint8ClampedArray(SIDE * SIDE * 4).fill(128);
    expect(await read({ data, width: SIDE, height: SIDE })).toBeUndefined();
    for (let at = 0; at < data.length; at += 1) data[at] = (at * 2_654_435_761) % 251;
    expect(await read({ data, width: SIDE, height: SIDE })).toBeUndefined();
  });

  it('of somebody else’s is read as what it says', async () => {
    const text = 'https://example.com/电子证';
    expect(await read(draw(text, 'plain', 1))).toBe(text);
  });
});
