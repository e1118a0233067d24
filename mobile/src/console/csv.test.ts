import { expect, test } from 'vitest';

import { csv } from './csv';

test('what has a comma, a quote or a new line is quoted', () => {
  expect(csv([['a', 'b,c', 'd"e', 'f\ng']])).toBe('a,"b,c","d""e","f\ng"\r\n');
});

test('a name that a spreadsheet would reckon with is a text', () => {
  expect(csv([['=HYPERLINK("x")', '-1', '@a', '1-2']])).toBe('"\'=HYPERLINK(""x"")",\'-1,\'@a,1-2\r\n');
});
