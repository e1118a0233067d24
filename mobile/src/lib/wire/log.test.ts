// Proofs of the log, against a log that is made here as RFC 9162 defines one (§2.1.1, §2.1.3.1).
import { createHash, createHmac, generateKeyPairSync, randomBytes, sign } from 'node:crypto';

import { beforeAll, describe, expect, it } from 'vitest';

import { type Evidence, type LogKey, includes, leafHash, logKey, proven } from './log';

const sha = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest();
const leaf = (entry: Uint8Array) => sha(Uint8Array.of(0), entry);

/** The root over these hashes of leaves. */
function root(leaves: Buffer[]): Buffer {
  if (leaves.length === 1) return leaves[0]!;
  const half = 2 ** Math.ceil(Math.log2(leaves.length) - 1);
  return sha(Uint8Array.of(1), root(leaves.slice(0, half)), root(leaves.slice(half)));
}

function path(index: number, leaves: Buffer[]): Buffer[] {
  if (leaves.length === 1) return [];
  const half = 2 ** Math.ceil(Math.log2(leaves.length) - 1);
  return index < half
    ? [...path(index, leaves.slice(0, half)), root(leaves.slice(half))]
    : [...path(index - half, leaves.slice(half)), root(leaves.slice(0, half))];
}

/** A log with keys of its own, which anybody may ask for evidence. */
class Log {
  readonly #keys = generateKeyPairSync('ed25519');
  readonly #typed = Buffer.concat([Uint8Array.of(1), this.#keys.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)]);
  readonly #id = sha(Buffer.from('example.org/log\n'), this.#typed).subarray(0, 4);
  readonly verifier = `example.org/log+${this.#id.toString('hex')}+${this.#typed.toString('base64')}`;

  evidence(acts: string[], index: number): Evidence {
    const salts = acts.map(() => randomBytes(32));
    const leaves = acts.map((act, at) => leaf(createHmac('sha256', salts[at]!).update(act).digest()));
    const text = `example.org/log\n${leaves.length}\n${root(leaves).toString('base64')}\n`;
    const signature = Buffer.concat([this.#id, sign(null, Buffer.from(text), this.#keys.privateKey)]).toString('base64');
    const witness = `— witness.example ${randomBytes(68).toString('base64')}`;
    const note = `${text}\n${witness}\n— example.org/log ${signature}\n`;
    const hashes = path(index, leaves).map((hash) => `${hash.toString('base64')}\n`);
    const proof = `c2sp.org/tlog-proof@v1\nindex ${index}\n${hashes.join('')}\n${note}`;
    return { act: acts[index]!, salt: salts[index]!.toString('base64url'), proof };
  }
}

const acts = Array.from({ length: 11 }, (_, at) => JSON.stringify({ action: 'redemption.judge', id: `aud_${at}` }));
const log = new Log();
let key: LogKey;

beforeAll(async () => {
  key = await logKey(log.verifier);
});

describe('evidence', () => {
  it('of every act in trees of every size holds', async () => {
    for (let size = 1; size <= acts.length; size += 1) {
      for (let index = 0; index < size; index += 1) {
        expect(await proven(log.evidence(acts.slice(0, size), index), key), `${index} of ${size}`).toEqual(JSON.parse(acts[index]!));
      }
    }
  });

  it.each<[string, (good: Evidence) => Evidence]>([
    ['another act', (good) => ({ ...good, act: good.act.replace('judge', 'open') })],
    ['another salt', (good) => ({ ...good, salt: randomBytes(32).toString('base64url') })],
    ['a short salt', (good) => ({ ...good, salt: good.salt.slice(0, -3) })],
    ['another place', (good) => ({ ...good, proof: good.proof.replace('index 4', 'index 5') })],
    ['a place beyond the end', (good) => ({ ...good, proof: good.proof.replace('index 4', 'index 11') })],
    ['a hash left out', (good) => ({ ...good, proof: good.proof.replace(/(index 4\n)[^\n]+\n/, '$1') })],
    ['a hash too many', (good) => ({ ...good, proof: good.proof.replace('index 4\n', `index 4\n${'A'.repeat(43)}=\n`) })],
    ['another size', (good) => ({ ...good, proof: good.proof.replace('log\n11\n', 'log\n12\n') })],
    ['another origin', (good) => ({ ...good, proof: good.proof.replace('\nexample.org/log\n', '\nexample.com/log\n') })],
    ['no signature of the log', (good) => ({ ...good, proof: good.proof.replace(/— example.org[^\n]+\n/, '') })],
    ['another header', (good) => ({ ...good, proof: good.proof.replace('@v1', '@v2') })],
    ['nothing', (good) => ({ ...good, proof: '' })],
  ])('with %s does not', async (_, change) => {
    const good = log.evidence(acts, 4);
    expect(await proven(good, key)).toBeDefined();
    expect(await proven(change(good), key)).toBeUndefined();
  });

  it('of another log that goes by the same name does not', async () => {
    expect(await proven(new Log().evidence(acts, 4), key)).toBeUndefined();
  });
});

it('takes no key whose id is not its own', async () => {
  await expect(logKey(log.verifier.replace(/\+[0-9a-f]{8}\+/, '+00000000+'))).rejects.toThrow(RangeError);
  await expect(logKey('example.org/log')).rejects.toThrow(RangeError);
});

it('hashes as certificate transparency does (the reference tree of RFC 6962’s implementation)', async () => {
  const entries = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
  const leaves = entries.map((hex) => leaf(Buffer.from(hex, 'hex')));
  const known = Buffer.from('5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328', 'hex');
  const checkpoint = { size: 8n, root: known };
  for (const [at, hex] of entries.entries()) {
    expect(await includes(await leafHash(Buffer.from(hex, 'hex')), BigInt(at), checkpoint, path(at, leaves))).toBe(true);
  }
});
