import { decode } from './base64url';
import { utf8 } from './bytes';
import { verify } from './es256';

/** A key that the service shows at `/.well-known/ecert`: a JWK with its certificate, by which tokens name it. */
export interface ServiceKey {
  x5c: string[];
  kty: string;
  crv?: string;
  x?: string;
  y?: string;
}

/**
 * What a compact JWS says (RFC 7515 §7.1), if it is of one of these types and ES256 by one of these keys; nothing else is looked at. Nothing when it is not.
 *
 * The keys are believed because they came from the service's own address; that its chain leads to a root is for who keeps the root.
 */
export async function verified<C>(token: string, types: string[], keys: ServiceKey[]): Promise<C | undefined> {
  try {
    const [header = '', payload = '', signature = '', ...rest] = token.split('.');
    const read = (part: string): unknown => JSON.parse(new TextDecoder().decode(decode(part)));
    const { alg, typ, x5c, crit } = read(header) as { alg?: string; typ?: string; x5c?: string[]; crit?: unknown };
    const jwk = keys.find((key) => key.x5c[0] !== undefined && key.x5c[0] === x5c?.[0]);
    if (rest.length > 0 || crit !== undefined || alg !== 'ES256' || !typ || !types.includes(typ) || !jwk) return undefined;
    const { kty, crv, x, y } = jwk;
    const wanted = { kty, ...(crv ? { crv } : {}), ...(x ? { x } : {}), ...(y ? { y } : {}) };
    const key = await crypto.subtle.importKey('jwk', wanted, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['verify']);
    const isGenuine = await verify(key, utf8(`${header}.${payload}`), decode(signature));
    return isGenuine ? (read(payload) as C) : undefined;
  } catch {
    return undefined;
  }
}
