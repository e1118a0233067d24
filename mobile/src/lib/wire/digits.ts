/** ISO 7064 MOD 97-10: digits that end in their check digits leave 1. */
function remainder97(digits: string): number {
  return [...digits].reduce((rest, digit) => (rest * 10 + Number(digit)) % 97, 0);
}

/** Sixteen digits without gaps of a version (`1` one-time, `2` standing, `9` of the sandbox), or nothing when there is a slip. */
export function readNumeric(text: string, version: '1' | '2' | '9' = '1'): string | undefined {
  const digits = text.replaceAll(/[ -]/g, '');
  const isWell = /^\d{16}$/.test(digits) && digits.startsWith(version) && remainder97(digits) === 1;
  return isWell ? digits : undefined;
}

/** The 18 digits of the paper code without gaps, however they are typed, or nothing when there is a slip. */
export function readPaper(text: string): string | undefined {
  const narrow = (wide: string) => String.fromCharCode(wide.charCodeAt(0) - 0xff10 + 0x30);
  const digits = text.replaceAll(/[\s.–－-]/g, '').replaceAll(/[０-９]/g, narrow);
  return /^0\d{17}$/.test(digits) && remainder97(digits) === 1 ? digits : undefined;
}

/** Digits in groups, as people read them. */
export function grouped(digits: string, size: number): string[] {
  const plain = digits.replaceAll(' ', '');
  return Array.from({ length: Math.ceil(plain.length / size) }, (_, at) => plain.slice(at * size, (at + 1) * size));
}
