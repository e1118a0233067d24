import { generate, publicBytes } from '../wire/es256';
import type { Handle, Store } from './store';

/** As wallet-core/src/code/handles.rs has them. */
export const BATCH = 64;
export const REFILL_BELOW = Math.floor(BATCH / 3);
const KEPT = BATCH + BATCH / 2;

/** Keys for a batch, and their public halves as the service takes them (SEC 1). */
export async function newKeys(): Promise<{ key: CryptoKey; sec1: Uint8Array<ArrayBuffer> }[]> {
  const pairs = await Promise.all(Array.from({ length: BATCH }, generate));
  return Promise.all(
    pairs.map(async ({ privateKey, publicKey }) => ({ key: privateKey, sec1: await publicBytes(publicKey) })),
  );
}

/** Takes in a batch, in the order in which the keys were sent. */
export async function add(store: Store, batch: Pick<Handle, 'id' | 'key'>[]): Promise<void> {
  const transaction = store.transaction('handles', 'readwrite');
  await Promise.all([...batch.map((handle) => transaction.store.add({ ...handle, usedAt: 0 })), transaction.done]);
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
  return handle;
}

/** How many were never used. */
export async function unused(store: Store): Promise<number> {
  return store.countFromIndex('handles', 'usedAt', 0);
}
