import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { activationOf, isStanding, seen } from './codes';

const codes: { text: string; expect: string }[] = JSON.parse(
  readFileSync(new URL('../../../tests/vectors/codes.json', import.meta.url), 'utf8'),
).cases;
const secret = `ta_${'x'.repeat(43)}`;

it('takes every code that the service takes', () => {
  const good = codes.filter((one) => one.expect === 'accepted').map(({ text }) => text);
  expect(good.length).toBeGreaterThan(5);
  for (const text of good) expect(seen(text), text).toHaveProperty('code');
});

it('takes no address, no text and no digits with a slip for a code', () => {
  for (const text of ['', 'https://example.com/', 'javascript:alert(1)', 'EC:', '1289895564262956', '12898955642629']) {
    expect(seen(text), text).toBe('other');
  }
});

it('knows an activation link by its secret alone, wherever it leads', () => {
  for (const text of [secret, `https://shop.example/scanner/#${secret}`, ` ${secret}\n`]) {
    expect(seen(text), text).toEqual({ activation: secret });
  }
  expect(activationOf(`${secret}x`)).toBeUndefined();
  expect(activationOf(`https://shop.example/?${secret}`)).toBeUndefined();
});

it('tells a standing number, which is for its holder’s own phone', () => {
  const all = Array.from({ length: 100 }, (_, check) => `20000000000000${String(check).padStart(2, '0')}`);
  const good = all.filter((digits) => seen(digits) !== 'other');
  expect(good.length).toBeGreaterThan(0);
  expect(good.every(isStanding)).toBe(true);
  expect(codes.filter(({ text }) => text.startsWith('EC1:')).some(({ text }) => isStanding(text))).toBe(false);
});
