import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { type ServiceKey, verified } from './jws';

const vectors = (file: string) => JSON.parse(readFileSync(new URL(`../../../../tests/vectors/${file}`, import.meta.url), 'utf8'));
const receipts: { name: string; token: string }[] = vectors('receipts.json').cases;
const { chain } = vectors('trust.json') as { chain: string[] };

/** The signer as `/.well-known/ecert` shows it. */
function signer(): ServiceKey {
  const certificate = new X509Certificate(Buffer.from(chain[0]!, 'base64'));
  return { ...(certificate.publicKey.export({ format: 'jwk' }) as { kty: string }), x5c: chain };
}

const says = (name: string, types = ['ecert-receipt+jwt'], keys = [signer()]) =>
  verified<{ outcome: string }>(receipts.find((one) => one.name === name)!.token, types, keys);

it('reads a receipt that the signer signed', async () => {
  expect(await says('good')).toMatchObject({ outcome: expect.any(String), redemption: expect.stringMatching(/^red_/) });
  expect(await says('good', ['ecert-result+jwt'])).toBeUndefined();
  expect(await says('good', ['ecert-receipt+jwt'], [])).toBeUndefined();
});

it.each([
  'changed since', 'alg none', 'alg HS256', 'another kind of token', 'of a sandbox', 'a critical header', 'no chain',
  'its key instead of the chain', 'an empty chain', 'signed by a device', 'signed by the issuing CA',
])('reads none that is %s', async (name) => {
  expect(await says(name)).toBeUndefined();
});
