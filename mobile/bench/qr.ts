import { readFileSync } from 'node:fs';

import { createServer } from 'vite';

import { KINDS, type Kind } from '../src/lib/qr/pictures';
import { browser } from './browser';
import { type Figures, quantile, say } from './figures';
import type { Bench, Line } from './qr_page';

const ROOT = new URL('..', import.meta.url);
/** As long as a wallet's QR, and of its alphabet. */
const CODES = new URL('../tests/vectors/codes.json', ROOT);
/** Looked at before anything is counted. */
const WARM_UP = 10;
const EACH = { whole: 60, quick: 6 };

/** How fast and how well codes are read in Chromium, beside jsQR: each picture by both, in turn. */
export async function qr(figures: Figures, isQuick: boolean): Promise<void> {
  const server = await createServer({
    configFile: false, root: ROOT.pathname, logLevel: 'error', server: { port: 0 }, cacheDir: 'node_modules/.vite-bench',
    optimizeDeps: { include: ['jsqr', 'uqr'], exclude: ['zxing-wasm'] },
  });
  await server.listen();
  const chromium = await browser();
  try {
    const page = await chromium.newPage();
    await page.goto(`${server.resolvedUrls!.local[0]}bench/page.html`);
    const text: string = JSON.parse(readFileSync(CODES, 'utf8')).cases[0].text;
    const read = (kind: Kind, seeds: number[]): Promise<Line[]> =>
      page.evaluate((given) => (globalThis as unknown as Bench).run(...given), [text, kind, seeds] as Parameters<Bench['run']>);
    await read('all', Array.from({ length: WARM_UP }, (_, at) => 10_000 + at));
    const lines: Line[] = [];
    for (const kind of KINDS) {
      const seeds = Array.from({ length: isQuick ? EACH.quick : EACH.whole }, (_, at) => 1000 + at);
      const more = await read(kind, seeds);
      lines.push(...more);
      say(`  ${kind}: ${right(more, 'ours')} of ${more.length} read, jsQR ${right(more, 'theirs')}`);
    }
    tell(figures, lines);
  } finally {
    await chromium.close();
    await server.close();
  }
}

const right = (lines: Line[], who: 'ours' | 'theirs') => lines.filter((line) => line[who].said === 'right').length;
const share = (lines: Line[], who: 'ours' | 'theirs') => right(lines, who) / lines.length;
const ms = (lines: Line[], who: 'ours' | 'theirs', part: number) => quantile(lines.map((line) => line[who].ms), part);

function tell(figures: Figures, lines: Line[]): void {
  const plain = lines.filter(({ kind }) => kind === 'plain');
  const hard = lines.filter(({ kind }) => kind !== 'plain');
  figures.atMost(10, 'QR, plain, 480², decode p50', ms(plain, 'ours', 0.5), 'ms');
  figures.note('QR, plain, jsQR p50', ms(plain, 'theirs', 0.5), 'ms');
  figures.atMost(10, `QR, ${hard.length} hard pictures, decode p50`, ms(hard, 'ours', 0.5), 'ms');
  figures.note('QR, hard pictures, decode p90', ms(hard, 'ours', 0.9), 'ms');
  figures.note('QR, hard pictures, jsQR p50', ms(hard, 'theirs', 0.5), 'ms');
  figures.note('QR, hard pictures, our p50 by jsQR’s', ms(hard, 'ours', 0.5) / ms(hard, 'theirs', 0.5), '');
  figures.atLeast(0.95, 'QR, hard pictures, read', share(hard, 'ours'), '');
  figures.note('QR, hard pictures, jsQR read', share(hard, 'theirs'), '');
  for (const kind of KINDS.filter((name) => name !== 'plain')) {
    const some = hard.filter((line) => line.kind === kind);
    figures.note(`QR, ${kind}, read`, share(some, 'ours'), '');
    figures.note(`QR, ${kind}, jsQR read`, share(some, 'theirs'), '');
  }
  figures.atMost(0, 'QR, texts read that were not drawn', lines.filter(({ ours }) => ours.said === 'wrong').length, '');
}
