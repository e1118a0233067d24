import { encode as base45 } from './base45';
import { random } from './bytes';
import type { Cbor } from './cbor';
import { sign1 } from './cose';

/** What every QR of ours begins with. */
export const PREFIX = 'EC1:';
/** Seconds for which one code may be shown; it is redeemed until 30 s later, clocks being what they are. */
export const LIFETIME_S = 60;

/** What a code may share at most; the number is what stands in it (wallet-core/src/attributes.rs). */
export const SHARES = { over_18: 1, name: 2, full: 3 } as const;
export type Share = keyof typeof SHARES;

/** When a code was made, until when, once, and what it may share. */
export interface Showing {
  /** Seconds since 1970. */
  issuedAt: number;
  expiresAt: number;
  /** 8 bytes, which make it one-time. */
  jti: Uint8Array;
  share: Share;
}

/** From `now` (milliseconds since 1970) on, for {@link LIFETIME_S}. */
export function showing(share: Share, now: number, jti: Uint8Array = random(8)): Showing {
  const issuedAt = Math.floor(now / 1000);
  return { issuedAt, expiresAt: issuedAt + LIFETIME_S, jti, share };
}

/** What a Q1 says: `[handle, iat, exp, jti, share]` (CDDL in wallet-core/src/code/qr/mod.rs). */
export function q1Payload(handle: Uint8Array, { issuedAt, expiresAt, jti, share }: Showing): Cbor {
  return [handle, issuedAt, expiresAt, jti, SHARES[share]];
}

/** The text of a QR, made without a network and signed by the key of the handle. */
export async function q1(handle: Uint8Array, shown: Showing, key: CryptoKey): Promise<string> {
  return PREFIX + base45(await sign1(q1Payload(handle, shown), 'ecert-q1', key));
}
