import { concat, utf8 } from './bytes';
import { type Cbor, encode, tag } from './cbor';
import { sign } from './es256';

const COSE_SIGN1 = 18;
/** `{1: -7}`, that is `{alg: ES256}`: all that our protected header says. */
const PROTECTED = Uint8Array.of(0xa1, 0x01, 0x26);
const NO_HEADERS = Uint8Array.of(0xa0);

/** What is signed of a COSE_Sign1 (RFC 9052 §4.4). `context` keeps signatures for different ends apart. */
export function toBeSigned(payload: Uint8Array, context: string): Uint8Array<ArrayBuffer> {
  return encode(['Signature1', PROTECTED, utf8(context), payload]);
}

/** A tagged COSE_Sign1 around `payload`. */
export async function sign1(payload: Cbor, context: string, key: CryptoKey): Promise<Uint8Array<ArrayBuffer>> {
  const content = encode(payload);
  const signature = await sign(key, toBeSigned(content, context));
  // An array of four, of which the second is an empty map.
  const parts = concat(Uint8Array.of(0x84), encode(PROTECTED), NO_HEADERS, encode(content), encode(signature));
  return tag(COSE_SIGN1, parts);
}
