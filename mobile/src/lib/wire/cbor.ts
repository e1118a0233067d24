import { concat } from './bytes';

/** As much of deterministic CBOR (RFC 8949 §4.2) as a wallet makes: no maps, for nothing of it has one with members. */
export type Cbor = number | string | null | Uint8Array | Cbor[];

/** Integers from 0 to 2⁵³ − 1, text, bytes, `null` and arrays, each in its shortest form. */
export function encode(value: Cbor): Uint8Array<ArrayBuffer> {
  if (value === null) return Uint8Array.of(0xf6);
  if (typeof value === 'number') return head(0, value);
  if (typeof value === 'string') {
    const text = new TextEncoder().encode(value);
    return concat(head(3, text.length), text);
  }
  if (value instanceof Uint8Array) return concat(head(2, value.length), value);
  return concat(head(4, value.length), ...value.map(encode));
}

/** A tagged item; `content` is encoded already. */
export function tag(number: number, content: Uint8Array): Uint8Array<ArrayBuffer> {
  return concat(head(6, number), content);
}

function head(major: number, argument: number): Uint8Array<ArrayBuffer> {
  if (!Number.isSafeInteger(argument) || argument < 0) throw new RangeError('not an integer from 0 on');
  const first = major << 5;
  if (argument < 24) return Uint8Array.of(first | argument);
  const length = argument < 2 ** 8 ? 1 : argument < 2 ** 16 ? 2 : argument < 2 ** 32 ? 4 : 8;
  const bytes = new Uint8Array(1 + length);
  bytes[0] = first | (24 + Math.log2(length));
  let rest = argument;
  for (let place = length; place > 0; place -= 1) {
    bytes[place] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return bytes;
}
