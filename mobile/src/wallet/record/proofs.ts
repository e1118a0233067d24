import { keyOfLog } from '../../lib/api/record';
import { get, put } from '../../lib/device/store';
import { type Act, type Evidence, type LogKey, logKey, proven } from '../../lib/wire/log';
import type { Wallet } from '../wallet.svelte';

/** An act with what this phone found of its proof; nothing of it is believed where it does not hold. */
export interface Checked {
  /** As it was claimed. */
  act: Act;
  holds: boolean;
}

/** This browser knows no Ed25519. */
export class CantCheck extends Error {}

/**
 * The log's key as this phone saw it first: a service that shows another one later shows another log.
 *
 * Throws {@link CantCheck} where the browser can't use it.
 */
async function pinned({ store }: Wallet): Promise<LogKey> {
  const shown = await keyOfLog();
  const first = (await get(store, 'log')) ?? shown;
  if (first === shown) await put(store, 'log', first);
  return logKey(first).catch((error: unknown) => {
    throw error instanceof DOMException ? new CantCheck() : error;
  });
}

/** Checks each, on this phone. */
export async function check(wallet: Wallet, log: Evidence[]): Promise<Checked[]> {
  const key = await pinned(wallet);
  return Promise.all(
    log.map(async (evidence) => ({ act: JSON.parse(evidence.act) as Act, holds: (await proven(evidence, key)) !== undefined })),
  );
}
