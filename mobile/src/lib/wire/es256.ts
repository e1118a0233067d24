import { encode as base64url } from './base64url';

/** ES256 (RFC 7518 §3.4) on WebCrypto: the one signature of the product. `r ‖ s`, 64 bytes. */
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const;

/** A public key as JWK (RFC 7518 §6.2), with exactly the members that a thumbprint is of. */
export interface PublicJwk {
  crv: 'P-256';
  kty: 'EC';
  x: string;
  y: string;
}

/** A key pair whose private half can be used, and never be read, not even by us. */
export async function generate(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, false, ['sign', 'verify']);
}

/** Signs a message (not its hash). */
export async function sign(key: CryptoKey, message: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.sign(SIGNING, key, message as Uint8Array<ArrayBuffer>));
}

export async function verify(key: CryptoKey, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  const [of, over] = [signature, message].map((bytes) => bytes as Uint8Array<ArrayBuffer>);
  return crypto.subtle.verify(SIGNING, key, of!, over!);
}

/** SEC 1, uncompressed, 65 bytes. */
export async function publicBytes(key: CryptoKey): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.exportKey('raw', key));
}

export async function publicJwk(key: CryptoKey): Promise<PublicJwk> {
  const point = await publicBytes(key);
  return { crv: 'P-256', kty: 'EC', x: base64url(point.subarray(1, 33)), y: base64url(point.subarray(33)) };
}
