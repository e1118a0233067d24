const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:';

/** Base45 (RFC 9285), what a QR holds densest in its alphanumeric mode. */
export function encode(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 2) {
    const [first = 0, second] = bytes.subarray(at, at + 2);
    const isPair = second !== undefined;
    let value = isPair ? first * 256 + second : first;
    for (let letters = isPair ? 3 : 2; letters > 0; letters -= 1) {
      text += ALPHABET[value % 45];
      value = Math.floor(value / 45);
    }
  }
  return text;
}

/** Throws a `RangeError` for anything that {@link encode} would not have made. */
export function decode(text: string): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  for (let at = 0; at < text.length; at += 3) {
    const values = [...text.slice(at, at + 3)].map((letter) => ALPHABET.indexOf(letter));
    const [a = -1, b = -1, c = 0] = values;
    const isPair = values.length === 3;
    const value = a + 45 * b + 2025 * c;
    if (values.includes(-1) || values.length === 1 || value > (isPair ? 0xffff : 0xff)) {
      throw new RangeError('not Base45');
    }
    bytes.push(...(isPair ? [value >> 8, value & 255] : [value]));
  }
  return new Uint8Array(bytes);
}
