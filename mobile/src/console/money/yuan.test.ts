import { expect, test } from 'vitest';

import { micros } from './yuan';

test('yuan are millionths, exactly', () => {
  expect(['1', '0.182', '0.000001', '9999999999.999999'].map(micros)).toEqual([1_000_000, 182_000, 1, 9_999_999_999_999_999]);
});

test.each(['', '-1', '1e3', '1,5', '0.0000001', '1.'])('%j is no amount', (text) => {
  expect(() => micros(text)).toThrow(RangeError);
});
