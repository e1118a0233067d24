import { decode } from './base64url';
import { concat, sha256, utf8 } from './bytes';

/** What proves to anybody that an act was logged (docs/API.md, "The transparency log"). */
export interface Evidence {
  /** The act's text, byte for byte as it was committed to. */
  act: string;
  /** 32 bytes, base64url. */
  salt: string;
  /** A C2SP tlog-proof. */
  proof: string;
}

/** An act of the log. It holds ids, never personal data. */
export interface Act {
  action: string;
  actor: string;
  /** Microseconds since 1970. */
  at: number;
  id: string;
  object: string;
  outcome: string;
}

/** A checkpoint whose signature holds. */
export interface Checkpoint {
  size: bigint;
  root: Uint8Array;
}

const HEADER = 'c2sp.org/tlog-proof@v1';
const ED25519 = 1;
/** No tree that fits into 64 bits has a longer path; and notes with more signatures are none of ours. */
const MOST_HASHES = 64;
const MOST_SIGNATURES = 64;

/** The public key of a log, with the log's name. */
export interface LogKey {
  name: string;
  /** The first four bytes of SHA-256(name, newline, type, key). */
  id: Uint8Array;
  key: CryptoKey;
}

/** Base64 with padding (RFC 4648 §4), in its one spelling; throws a `RangeError` for anything else. */
function base64(text: string): Uint8Array<ArrayBuffer> {
  const plain = text.replace(/={1,2}$/, '');
  if (text.length % 4 !== 0 || /[-_]/.test(plain)) throw new RangeError('not base64');
  return decode(plain.replaceAll('+', '-').replaceAll('/', '_'));
}

const same = (one: Uint8Array, other: Uint8Array) =>
  one.length === other.length && one.every((byte, at) => byte === other[at]);

/** From `name+id+key` (C2SP signed-note); throws where the id is not that of name and key, or the browser knows no Ed25519. */
export async function logKey(text: string): Promise<LogKey> {
  const [, name, hex, encoded] = /^([^\s+]+)\+([0-9a-f]{8})\+(.+)$/.exec(text) ?? [];
  if (!name || !hex || !encoded) throw new RangeError('not the key of a log');
  const typed = base64(encoded);
  const id = (await sha256(concat(utf8(`${name}\n`), typed))).subarray(0, 4);
  const written = [...id].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  if (typed[0] !== ED25519 || typed.length !== 33 || written !== hex) throw new RangeError('not the key of a log');
  const key = await crypto.subtle.importKey('raw', typed.subarray(1), 'Ed25519', true, ['verify']);
  return { name, id, key };
}

/** What a signed note says (C2SP tlog-checkpoint); nothing when the log's key did not sign it. */
export async function openCheckpoint(note: string, key: LogKey): Promise<Checkpoint | undefined> {
  const end = note.lastIndexOf('\n\n');
  if (end < 0 || !note.endsWith('\n')) return undefined;
  const text = note.slice(0, end + 1);
  const [origin, size, root] = text.split('\n');
  if (origin !== key.name || !/^(0|[1-9][0-9]*)$/.test(size ?? '') || !root) return undefined;
  const lines = note.slice(end + 2).split('\n').slice(0, MOST_SIGNATURES);
  const ours = lines.map((line) => signatureOf(line, key)).filter((signature) => signature !== undefined);
  const holds = ours.map((signature) => crypto.subtle.verify('Ed25519', key.key, signature, utf8(text)));
  if (ours.length === 0 || !(await Promise.all(holds)).every(Boolean)) return undefined;
  return { size: BigInt(size!), root: base64(root) };
}

/** The signature in a line `— name base64`, if it says that it is by this key. Those of others are passed over. */
function signatureOf(line: string, { name, id }: LogKey): Uint8Array<ArrayBuffer> | undefined {
  const prefix = `— ${name} `;
  if (!line.startsWith(prefix)) return undefined;
  const bytes = base64(line.slice(prefix.length));
  return same(bytes.subarray(0, 4), id) ? bytes.slice(4) : undefined;
}

/** The hash of a leaf, and of the node above two (RFC 9162 §2.1.1). */
export const leafHash = (entry: Uint8Array) => sha256(concat(Uint8Array.of(0), entry));
export const nodeHash = (left: Uint8Array, right: Uint8Array) => sha256(concat(Uint8Array.of(1), left, right));

/** Whether the leaf with this hash is the one at `index` of the tree (RFC 9162 §2.1.3.2). */
export async function includes(leaf: Uint8Array, index: bigint, { size, root }: Checkpoint, path: Uint8Array[]): Promise<boolean> {
  if (index >= size) return false;
  let [place, last, hash] = [index, size - 1n, leaf];
  for (const sibling of path) {
    if (last === 0n) return false;
    if (place & 1n || place === last) {
      hash = await nodeHash(sibling, hash);
      // Up from the ragged right edge, to where the node is a right child.
      while (!(place & 1n) && place !== 0n) [place, last] = [place >> 1n, last >> 1n];
    } else {
      hash = await nodeHash(hash, sibling);
    }
    [place, last] = [place >> 1n, last >> 1n];
  }
  return last === 0n && same(hash, root);
}

/** The act, if it is proven that the log of this key has it; nothing otherwise, whatever is wrong. */
export async function proven({ act, salt, proof }: Evidence, key: LogKey): Promise<Act | undefined> {
  try {
    const end = proof.indexOf('\n\n');
    const [header, ...lines] = proof.slice(0, end).split('\n');
    if (lines[0]?.startsWith('extra ')) lines.shift();
    const [, index] = /^index ([0-9]{1,20})$/.exec(lines.shift() ?? '') ?? [];
    const secret = decode(salt);
    if (end < 0 || header !== HEADER || !index || lines.length > MOST_HASHES || secret.length !== 32) return undefined;
    const checkpoint = await openCheckpoint(proof.slice(end + 2), key);
    if (!checkpoint) return undefined;
    const hmac = { name: 'HMAC', hash: 'SHA-256' };
    const salted = await crypto.subtle.importKey('raw', secret, hmac, false, ['sign']);
    const commitment = new Uint8Array(await crypto.subtle.sign('HMAC', salted, utf8(act)));
    const path = lines.map(base64);
    if (path.some((hash) => hash.length !== 32)) return undefined;
    return (await includes(await leafHash(commitment), BigInt(index), checkpoint, path)) ? (JSON.parse(act) as Act) : undefined;
  } catch {
    return undefined;
  }
}
