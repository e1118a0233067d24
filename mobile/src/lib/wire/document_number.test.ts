import { describe, expect, it } from 'vitest';

import { readDocumentNumber } from './document_number';

describe('a citizen number', () => {
  it.each(['990000199003070013', '9900 0019 9003 0700 13', '11010519491231002x'])('is read as it is written: %s', (text) => {
    expect(readDocumentNumber(text)).toBe(text.replaceAll(' ', '').toUpperCase());
  });

  it.each(['990000199003070031', '99000019900307001', '9900001990030700134', 'X90000199003070013', ''])('has a slip: %s', (text) => {
    expect(readDocumentNumber(text)).toBeUndefined();
  });
});

describe("a passport's number", () => {
  it.each(['UTO-L898902C3', 'uto l898902c3', ' UTO - L898902C3 '])('stands behind its state: %s', (text) => {
    expect(readDocumentNumber(text)).toBe('UTO-L898902C3');
  });

  it.each(['L898902C3', 'UTO-', 'UTOX-1', 'UTO-L898902C34', 'UTO-L8 98'])('has a slip: %s', (text) => {
    expect(readDocumentNumber(text)).toBeUndefined();
  });
});
