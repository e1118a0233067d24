import { type DBSchema, type IDBPDatabase, openDB } from 'idb';

import type { Holder, HolderMessage } from '../lib/api/types';
import type { Frame } from '../lib/wire/capture';
import type { On, Opened, Own } from './api';

/** How a visit ended. */
export interface Ended {
  kind: 'passed' | 'failed' | 'refused' | 'cancelled' | 'expired';
  /** Reasons of a judgement, or the code of a refusal. */
  why: string[];
  message?: HolderMessage;
}

/** A receipt as it came, and whether its signature holds and it is of this visit. */
export interface Kept {
  token: string;
  genuine: boolean;
}

/**
 * One person who shows a code. All that a second try needs is here before the first: so it is the same request after a reload, and is
 * charged once. What says who the person is, code and pictures, goes as soon as it is of no more use; nothing that they shared is kept.
 */
export interface Visit {
  /** Ours; also the Idempotency-Key of the opening. */
  id: string;
  /** When it began, milliseconds since 1970. */
  at: number;
  purpose: string;
  on: On;
  /** Until it is opened. */
  code?: string;
  redemption?: Opened | Pick<Opened, 'id'>;
  /** What was taken, with the key under which it is sent, until it is judged. */
  capture?: { key: string; nonce: string; frames: Frame[] };
  /** Why the capture before could not be judged. */
  unusable?: HolderMessage | undefined;
  ended?: Ended;
  receipts?: Kept[];
}

/** What is chosen once and stays. */
export interface Settings {
  purpose?: string;
  on?: On;
  subject?: 'face' | 'visitor';
  camera?: string;
}

interface Single {
  token: Holder;
  own: Own;
  settings: Settings;
}

interface Schema extends DBSchema {
  /** `pending`: of a terminal that is about to be activated. */
  keys: { key: 'terminal' | 'pending'; value: CryptoKeyPair };
  kept: { key: keyof Single; value: Single[keyof Single] };
  visits: { key: string; value: Visit; indexes: { at: number } };
}

export type Store = IDBPDatabase<Schema>;

/** Visits that are remembered. */
const MOST = 500;

export async function openStore(name = 'ecert-scanner'): Promise<Store> {
  return openDB<Schema>(name, 1, {
    upgrade(store) {
      store.createObjectStore('keys');
      store.createObjectStore('kept');
      store.createObjectStore('visits', { keyPath: 'id' }).createIndex('at', 'at');
    },
  });
}

export async function get<K extends keyof Single>(store: Store, what: K): Promise<Single[K] | undefined> {
  return (await store.get('kept', what)) as Single[K] | undefined;
}

export async function put<K extends keyof Single>(store: Store, what: K, value: Single[K]): Promise<void> {
  await store.put('kept', value, what);
}

/** Changes a visit as it stands now; nothing when it is not there, or over already. */
export async function change(store: Store, id: string, how: (visit: Visit) => Visit): Promise<Visit | undefined> {
  const transaction = store.transaction('visits', 'readwrite');
  const before = await transaction.store.get(id);
  const after = before && !before.ended ? how(before) : undefined;
  if (after) await transaction.store.put(after);
  await transaction.done;
  return after;
}

/** What is kept of a visit that is over. */
export function over({ id, at, purpose, on, redemption }: Visit, ended: Ended, receipts?: Kept[]): Visit {
  const of = redemption ? { redemption: { id: redemption.id } } : {};
  return { id, at, purpose, on, ...of, ended, ...(receipts ? { receipts } : {}) };
}

/** The last visits, newest first. */
export async function visits(store: Store): Promise<Visit[]> {
  return (await store.getAllFromIndex('visits', 'at')).reverse();
}

/** Forgets the oldest visits beyond so many as are remembered, if they are over. */
export async function trim(store: Store): Promise<void> {
  const old = (await visits(store)).slice(MOST).filter(({ ended }) => ended);
  const transaction = store.transaction('visits', 'readwrite');
  await Promise.all([...old.map(({ id }) => transaction.store.delete(id)), transaction.done]);
}

/** Forgets everything, the key too. */
export async function erase(store: Store): Promise<void> {
  const transaction = store.transaction(['keys', 'kept', 'visits'], 'readwrite');
  const stores = (['keys', 'kept', 'visits'] as const).map((name) => transaction.objectStore(name).clear());
  await Promise.all([...stores, transaction.done]);
}
