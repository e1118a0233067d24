import { random, utf8 } from './bytes';

/** Bytes under a key: AES-256-GCM (NIST SP 800-38D), the tag at the end. */
export interface Sealed {
  /** 96 random bits. */
  iv: Uint8Array<ArrayBuffer>;
  sealed: Uint8Array<ArrayBuffer>;
}

/** What a sealing key is derived for (RFC 5869 `info`): another use of the same secret would get another key. */
const INFO = 'ecert wallet store v1';

/** A key that can be used here and not be taken out, from 32 secret bytes: HKDF with SHA-256 (RFC 5869). */
export async function sealingKey(secret: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  if (secret.length !== 32) throw new RangeError('a secret of 32 bytes is wanted');
  const base = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveKey']);
  const hkdf = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: utf8(INFO) };
  return crypto.subtle.deriveKey(hkdf, base, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
}

/** Seals bytes for one place: they open there alone. */
export async function seal(key: CryptoKey, place: string, bytes: Uint8Array<ArrayBuffer>): Promise<Sealed> {
  const iv = random(12);
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData: utf8(place) }, key, bytes);
  return { iv, sealed: new Uint8Array(sealed) };
}

/** Throws for another key, another place, or changed bytes. */
export async function unseal(key: CryptoKey, place: string, { iv, sealed }: Sealed): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.decrypt({ name: 'AES-GCM', iv, additionalData: utf8(place) }, key, sealed));
}
