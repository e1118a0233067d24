import { utf8 } from '../wire/bytes';
import { type Sealed, seal, sealingKey, unseal } from '../wire/seal';
import type { Passkey } from './passkey';
import type { Handle, Kept, Store } from './store';

/** What is sealed of what there is one of: who the person is, and the token that speaks for them. */
const SEALED: readonly (keyof Kept)[] = ['holder', 'card'];
const HANDLE = 'handle';

/** The keys of stores that are open, in memory alone. */
const open = new WeakMap<Store, CryptoKey>();

/** The store is locked, and what was asked for can't be read or written. */
export class Locked extends Error {
  constructor() {
    super('the wallet is locked');
    this.name = 'Locked';
  }
}

const isSealed = (value: unknown): value is Sealed => typeof value === 'object' && value !== null && 'sealed' in value && 'iv' in value;
const encoded = (value: unknown) => utf8(JSON.stringify(value));
const decoded = <T>(bytes: Uint8Array): T => JSON.parse(new TextDecoder().decode(bytes)) as T;

/** The passkey that opens the store; nothing where it is not locked at all. */
export async function lockOf(store: Store): Promise<Passkey | undefined> {
  return (await store.get('kept', 'lock')) as Passkey | undefined;
}

/** The key of the store, where there is a lock. Throws {@link Locked} when it is closed. */
async function keyOf(store: Store): Promise<CryptoKey | undefined> {
  const key = open.get(store);
  if (!(await lockOf(store))) return undefined;
  if (!key) throw new Locked();
  return key;
}

/** A value as it is written: sealed, if it is one of those and there is a lock. */
export async function written<K extends keyof Kept>(store: Store, what: K, value: Kept[K]): Promise<Kept[K] | Sealed> {
  const key = SEALED.includes(what) ? await keyOf(store) : undefined;
  return key ? seal(key, what, encoded(value)) : value;
}

/** A value as it was before it was written. */
export async function read<K extends keyof Kept>(store: Store, what: K, value: unknown): Promise<Kept[K] | undefined> {
  if (!isSealed(value)) return value as Kept[K] | undefined;
  const key = open.get(store);
  if (!key) throw new Locked();
  return decoded(await unseal(key, what, value));
}

/** Ids of handles as they are written. Without one its key makes no code. */
export async function writtenIds(store: Store, ids: Uint8Array<ArrayBuffer>[]): Promise<(Uint8Array<ArrayBuffer> | Sealed)[]> {
  const key = await keyOf(store);
  return key ? Promise.all(ids.map((id) => seal(key, HANDLE, id))) : ids;
}

export async function readId(store: Store, id: Uint8Array<ArrayBuffer> | Sealed): Promise<Uint8Array<ArrayBuffer>> {
  if (!isSealed(id)) return id;
  const key = open.get(store);
  if (!key) throw new Locked();
  return unseal(key, HANDLE, id);
}

/** Opens a locked store. Throws when the secret is not the one. */
export async function unlock(store: Store, secret: Uint8Array<ArrayBuffer>): Promise<void> {
  const key = await sealingKey(secret);
  const card: unknown = await store.get('kept', 'card');
  if (isSealed(card)) await unseal(key, 'card', card);
  open.set(store, key);
}

/** Closes it: what was sealed can't be read until it is opened again. */
export function close(store: Store): void {
  open.delete(store);
}

/** Locks the store from now on: seals what can be sealed, all of it or nothing. It stays open. */
export async function turnOn(store: Store, passkey: Passkey, secret: Uint8Array<ArrayBuffer>): Promise<void> {
  const key = await sealingKey(secret);
  await rewrite(store, passkey, {
    value: (what, value) => seal(key, what, encoded(value)),
    id: async (id) => (isSealed(id) ? id : seal(key, HANDLE, id)),
  });
  open.set(store, key);
}

/** Takes the lock off. The store must be open. */
export async function turnOff(store: Store): Promise<void> {
  await rewrite(store, undefined, { value: (what, value) => read(store, what, value), id: (id) => readId(store, id) });
  open.delete(store);
}

interface Rewriting {
  value(what: keyof Kept, value: unknown): Promise<unknown>;
  id(id: Handle['id'] | Sealed): Promise<Handle['id'] | Sealed>;
}

/** Writes all of it anew, in one transaction. Under the browser's lock that refills hold too, so that none of them adds what would be missed. */
async function rewrite(store: Store, passkey: Passkey | undefined, { value, id }: Rewriting): Promise<void> {
  await navigator.locks.request('refresh', async () => {
    const handles = await store.getAll('handles');
    const ids = await Promise.all(handles.map(async (handle) => [handle.order, await id(handle.id)] as const));
    const values = await Promise.all(
      SEALED.map(async (what) => {
        const before = await store.get('kept', what);
        return [what, before === undefined ? undefined : await value(what, before)] as const;
      }),
    );
    const transaction = store.transaction(['kept', 'handles'], 'readwrite');
    const [kept, all] = [transaction.objectStore('kept'), transaction.objectStore('handles')];
    const fresh = new Map(ids);
    await Promise.all([
      ...values.map(([what, next]) => (next === undefined ? undefined : kept.put(next as Kept[keyof Kept], what))),
      passkey ? kept.put(passkey, 'lock') : kept.delete('lock'),
    ]);
    // One that was used meanwhile keeps when; one that was dropped stays so.
    for (let at = await all.openCursor(); at; at = await at.continue()) {
      const next = fresh.get(at.value.order);
      if (next) await at.update({ ...at.value, id: next });
    }
    await transaction.done;
  });
}
