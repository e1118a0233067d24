// What TypeScript makes, held to the vectors that the Rust tests make and python-cwt reads (tests/vectors/README.md).
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { decode as base45Decode, encode as base45 } from './base45';
import { decode as base64urlDecode, encode as base64url } from './base64url';
import { concat, utf8 } from './bytes';
import { STILL, form, statement } from './capture';
import { type Cbor, encode } from './cbor';
import { PREFIX, q1, q1Payload, showing } from './codes';
import { toBeSigned } from './cose';
import { grouped, readNumeric, readPaper } from './digits';
import { prove, signingInput, tokenHash } from './dpop';
import { type PublicJwk, generate, publicBytes, publicJwk, verify } from './es256';

interface Case {
  name: string;
  expect: string;
  text: string;
  proof: string;
  method: string;
  url: string;
  access_token?: string;
  now: string;
}

const folder = new URL('../../../../tests/vectors/', import.meta.url);
const cases = (file: string): Case[] => JSON.parse(readFileSync(new URL(file, folder), 'utf8')).cases;
const named = (file: string, name: string): Case => {
  const found = cases(file).find((one) => one.name === name);
  if (!found) throw new Error(`no case ${name} in ${file}`);
  return found;
};
const good = named('codes.json', 'good');
const goodProof = named('dpop.json', 'good');
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** The key that signed the vectors: it stands in each DPoP proof, and is the device key of the codes too. */
async function vectorKey(): Promise<{ jwk: PublicJwk; key: CryptoKey }> {
  const header = JSON.parse(Buffer.from(goodProof.proof.split('.')[0]!, 'base64url').toString());
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  return { jwk: header.jwk, key: await crypto.subtle.importKey('jwk', header.jwk, algorithm, true, ['verify']) };
}

/** The parts of a Q1 whose form is known: tag 18, [h'A10126', {}, payload, signature]. */
function opened(text: string): { payload: Uint8Array; signature: Uint8Array } {
  const bytes = base45Decode(text.slice(PREFIX.length));
  expect(hex(bytes.subarray(0, 8))).toBe('d28443a10126a058');
  const length = bytes[8]!;
  const payload = bytes.subarray(9, 9 + length);
  expect(hex(bytes.subarray(9 + length, 11 + length))).toBe('5840');
  return { payload, signature: bytes.subarray(11 + length) };
}

describe('a QR', () => {
  it('is byte for byte what the service makes, but for the signature', async () => {
    const { payload, signature } = opened(good.text);
    // [handle (16), iat (5), exp (5), jti (8), share]
    expect(hex(payload.subarray(0, 2))).toBe('8550');
    const handle = payload.subarray(2, 18);
    const jti = payload.subarray(payload.length - 9, payload.length - 1);
    const share = (['over_18', 'name', 'full'] as const)[payload.at(-1)! - 1]!;
    const made = q1Payload(handle, showing(share, Date.parse(good.now), jti));
    expect(hex(encode(made))).toBe(hex(payload));
    const whole = concat(Uint8Array.of(0xd2, 0x84), encode(Uint8Array.of(0xa1, 1, 0x26)), Uint8Array.of(0xa0));
    const text = PREFIX + base45(concat(whole, encode(payload), encode(signature)));
    expect(text).toBe(good.text);
  });

  it('is signed over what the vector was signed over', async () => {
    const { payload, signature } = opened(good.text);
    const { key } = await vectorKey();
    expect(await verify(key, toBeSigned(payload, 'ecert-q1'), signature)).toBe(true);
    expect(await verify(key, toBeSigned(payload, 'ecert-q2'), signature)).toBe(false);
  });

  it('made here has the same length and verifies by its key', async () => {
    const pair = await generate();
    const text = await q1(new Uint8Array(16).fill(7), showing('name', Date.parse(good.now)), pair.privateKey);
    expect(text.length).toBe(good.text.length);
    const { payload, signature } = opened(text);
    expect(await verify(pair.publicKey, toBeSigned(payload, 'ecert-q1'), signature)).toBe(true);
  });
});

describe('Base45', () => {
  it('reads every vector that is one, and writes it again', () => {
    const texts = cases('codes.json').filter(({ text, expect }) => text.startsWith(PREFIX) && expect === 'accepted');
    expect(texts.length).toBeGreaterThan(3);
    for (const { text } of texts) {
      expect(PREFIX + base45(base45Decode(text.slice(PREFIX.length)))).toBe(text);
    }
  });

  it('knows the examples of RFC 9285 and no other spelling', () => {
    expect(base45(utf8('AB'))).toBe('BB8');
    expect(base45(utf8('Hello!!'))).toBe('%69 VD92EX0');
    expect(base45(utf8('base-45'))).toBe('UJCLQE7W581');
    for (const wrong of ['GGW', ':::', 'A', 'bb8', 'ZZ']) expect(() => base45Decode(wrong), wrong).toThrow(RangeError);
  });
});

describe('CBOR', () => {
  it('writes the examples of RFC 8949, appendix A', () => {
    const examples: [Cbor, string][] = [
      [0, '00'], [23, '17'], [24, '1818'], [100, '1864'], [1000, '1903e8'], [1000000, '1a000f4240'],
      [1000000000000, '1b000000e8d4a51000'], [Number.MAX_SAFE_INTEGER, '1b001fffffffffffff'], [null, 'f6'],
      ['水', '63e6b0b4'], [Uint8Array.of(1, 2, 3, 4), '4401020304'], [[1, [2, 3], [4, 5]], '8301820203820405'],
    ];
    for (const [value, bytes] of examples) expect(hex(encode(value))).toBe(bytes);
    for (const wrong of [-1, 1.5, 2 ** 53]) expect(() => encode(wrong)).toThrow(RangeError);
  });
});

describe('a DPoP proof', () => {
  it('is byte for byte what the service makes, but for the signature', async () => {
    const { jwk, key } = await vectorKey();
    const request = { method: goodProof.method, url: goodProof.url, accessToken: goodProof.access_token };
    const [header, claims, signature] = goodProof.proof.split('.');
    const jti = JSON.parse(Buffer.from(claims!, 'base64url').toString()).jti;
    const input = await signingInput(jwk, request, jti, Date.parse(goodProof.now));
    expect(input).toBe(`${header}.${claims}`);
    expect(await verify(key, utf8(input), base64urlDecode(signature!))).toBe(true);
  });

  it('names its own key, request and token, and is never the same twice', async () => {
    const pair = await generate();
    const request = { method: 'GET', url: 'https://id.test/v1/me/devices', accessToken: 'et_x' };
    const proofs = await Promise.all([prove(pair, request, 0), prove(pair, request, 0)]);
    const [header, claims] = proofs[0]!.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()));
    expect(header).toEqual({ alg: 'ES256', typ: 'dpop+jwt', jwk: await publicJwk(pair.publicKey) });
    expect(claims).toMatchObject({ htm: 'GET', htu: request.url, iat: 0, ath: await tokenHash('et_x') });
    expect(proofs[0]!.split('.')[1]).not.toBe(proofs[1]!.split('.')[1]);
    expect(await prove(pair, { method: 'GET', url: request.url }, 0)).toBeTruthy();
  });
});

describe('a capture', () => {
  const frames = ['one', 'two'].map((text, place) => ({ bytes: utf8(text), step: STILL, atMs: place * 200 }));

  it('states its frames as wallet-core writes them', async () => {
    const stated = Buffer.from(await statement('AwMDAwMDAwMDAwMDAwMDAw', frames)).toString();
    const [one, two] = ['one', 'two'].map((text) => createHash('sha256').update(text).digest('base64url'));
    expect(stated).toBe(
      '{"nonce":"AwMDAwMDAwMDAwMDAwMDAw","frames":[' +
        `{"at_ms":0,"step":"still","sha256":"${one}"},{"at_ms":200,"step":"still","sha256":"${two}"}]}`,
    );
  });

  it('is signed over the bytes that are sent', async () => {
    const pair = await generate();
    const parts = await form('AwMDAwMDAwMDAwMDAwMDAw', frames, pair.privateKey);
    expect([...parts.keys()]).toEqual(['capture', 'frame', 'frame', 'signature']);
    const sent = new Uint8Array(await (parts.get('capture') as Blob).arrayBuffer());
    const signature = base64urlDecode(parts.get('signature') as string);
    expect(await verify(pair.publicKey, sent, signature)).toBe(true);
  });
});

describe('digits', () => {
  it('are judged as the vectors say', () => {
    const numeric = cases('codes.json').filter(({ text }) => !text.startsWith(PREFIX) && /^[\d -]{16,}$/.test(text));
    expect(numeric.length).toBeGreaterThan(3);
    for (const { name, text, expect: verdict } of numeric) {
      expect(readNumeric(text) !== undefined || readNumeric(text, '2') !== undefined, name).toBe(verdict === 'accepted');
    }
  });

  it('of the paper code are read however they are typed', () => {
    const payload = '0271828182845904';
    const code = payload + String(98n - (BigInt(payload + '00') % 97n)).padStart(2, '0');
    const wide = code.replaceAll(/\d/g, (digit) => String.fromCharCode(digit.charCodeAt(0) + 0xff10 - 0x30));
    for (const typed of [code, wide, grouped(code, 6).join(' '), ` ${grouped(code, 6).join('-')}\n`]) {
      expect(readPaper(typed)).toBe(code);
    }
    const swapped = code.replace('71', '17');
    for (const slip of [swapped, `1${code.slice(1)}`, code.slice(1), '']) expect(readPaper(slip)).toBeUndefined();
    expect(grouped(code, 6)).toEqual([code.slice(0, 6), code.slice(6, 12), code.slice(12)]);
  });
});

describe('base64url and keys', () => {
  it('have one spelling, and a key that cannot be taken out', async () => {
    expect(base64url(base64urlDecode('AQID-_8'))).toBe('AQID-_8');
    for (const wrong of ['AQ==', 'A', 'AR', 'A+']) expect(() => base64urlDecode(wrong), wrong).toThrow(RangeError);
    const pair = await generate();
    expect((await publicBytes(pair.publicKey)).length).toBe(65);
    await expect(crypto.subtle.exportKey('jwk', pair.privateKey)).rejects.toThrow();
  });
});
