import { generate, publicBytes } from '../wire/es256';
import { readId, writtenIds } from './lock';
import { type Handle, type NewKey, type Store, get, put } from './store';

/** As wallet-core/src/code/handles.rs has them. */
export const BATCH = 64;
export const REFILL_BELOW = Math.floor(BATCH / 3);
const KEPT = BATCH + BATCH / 2;

/**
 * Keys for a batch: those that were sent before, if no answer came, since the service gives the same keys the same handles. With others it
 * would hold a batch that nobody can use, and retire one that is in use.
 */
export async function keysToSend(store: Store): Promise<NewKey[]> {
  const before = await get(store, 'batch');
  if (before) return before;
  const pairs = await Promise.all(Array.from({ length: BATCH }, generate));
  const made = pairs.map(async ({ privateKey, publicKey }) => ({ key: privateKey, sec1: await publicBytes(publicKey) }));
  const keys = await Promise.all(made);
  await put(store, 'batch', keys);
  return keys;
}

/** Takes in the handles of the keys that were sent, in their order. */
export async function add(store: Store, ids: Uint8Array<ArrayBuffer>[], keys: NewKey[]): Promise<void> {
  if (ids.length !== keys.length) throw new Error('the service gave another number of handles than it has keys');
  const kept = await writtenIds(store, ids);
  const transaction = store.transaction(['handles', 'kept'], 'readwrite');
  const handles = transaction.objectStore('handles');
  const added = keys.map(({ key }, at) => handles.add({ id: kept[at] ?? new Uint8Array(), key, usedAt: 0 }));
  await Promise.all([...added, transaction.objectStore('kept').delete('batch'), transaction.done]);
}

/** Those that were used at some time. */
const used = () => IDBKeyRange.lowerBound(0, true);

/**
 * The handle for the next code: the oldest that was never used. Only when none is left, because the phone was without a network for
 * long, the one whose use is longest ago, and the codes of both uses can be linked.
 */
export async function take(store: Store, now: number): Promise<Handle | undefined> {
  const transaction = store.transaction('handles', 'readwrite');
  // In the order of use, then of coming: what was never used stands at 0.
  const byUse = transaction.store.index('usedAt');
  const next = await byUse.openCursor();
  const handle = next?.value;
  if (next && handle) await next.update({ ...handle, usedAt: now });
  // What the service has retired is of no use.
  let over = (await byUse.count(used())) - (KEPT - BATCH);
  for (let old = await byUse.openCursor(used()); old && over > 0; over -= 1) {
    await old.delete();
    old = await old.continue();
  }
  await transaction.done;
  return handle && { ...handle, id: await readId(store, handle.id) };
}

/** How many were never used. */
export async function unused(store: Store): Promise<number> {
  return store.countFromIndex('handles', 'usedAt', 0);
}
