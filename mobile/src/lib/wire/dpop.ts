import { encode as base64url } from './base64url';
import { random, sha256, utf8 } from './bytes';
import { type PublicJwk, publicJwk, sign } from './es256';

/** What a proof is for. */
export interface Request {
  /** Upper case. */
  method: string;
  /** Without query and fragment (RFC 9449 §4.2). */
  url: string;
  /** Sent with the request; none while enrolling. */
  accessToken?: string | undefined;
}

/** `ath`: base64url of SHA-256 of the access token (RFC 9449 §4.2). */
export async function tokenHash(token: string): Promise<string> {
  return base64url(await sha256(utf8(token)));
}

/** The two parts of a proof that are signed. Members stand in the order of their names, as the service writes them. */
export async function signingInput(jwk: PublicJwk, request: Request, jti: string, now: number): Promise<string> {
  const { crv, kty, x, y } = jwk;
  const header = { alg: 'ES256', jwk: { crv, kty, x, y }, typ: 'dpop+jwt' };
  const ath = request.accessToken === undefined ? {} : { ath: await tokenHash(request.accessToken) };
  const claims = { ...ath, htm: request.method, htu: request.url, iat: Math.floor(now / 1000), jti };
  return [header, claims].map((part) => base64url(utf8(JSON.stringify(part)))).join('.');
}

/** A DPoP proof (RFC 9449): this request, now (milliseconds since 1970), by this key. */
export async function prove(key: CryptoKeyPair, request: Request, now: number): Promise<string> {
  const jwk = await publicJwk(key.publicKey);
  const input = await signingInput(jwk, request, base64url(random(16)), now);
  return `${input}.${base64url(await sign(key.privateKey, utf8(input)))}`;
}
