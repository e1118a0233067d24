import { type DBSchema, type IDBPDatabase, openDB } from 'idb';

import type { Enrolment, Holder, Issued } from '../api/types';
import type { Sealed } from '../wire/seal';
import { read, written } from './lock';
import type { Passkey } from './passkey';

/** A handle of the certificate, with the key that signs its codes: it can be used there, and not be taken out. */
export interface Handle {
  /** Rises in the order in which the service gave them. */
  order?: number;
  /** 16 bytes. */
  id: Uint8Array<ArrayBuffer>;
  key: CryptoKey;
  /** When it was last used, milliseconds since 1970; 0 for never. */
  usedAt: number;
}

/** The same in the store, where its id may be sealed (`lock.ts`). */
export type KeptHandle = Omit<Handle, 'id'> & { id: Handle['id'] | Sealed };

/** A key that no handle is known for yet, with its public half (SEC 1). */
export interface NewKey {
  key: CryptoKey;
  sec1: Uint8Array<ArrayBuffer>;
}

/** What a wallet remembers. All of it is in IndexedDB; nothing of it is in a place that scripts read at once. */
interface Schema extends DBSchema {
  keys: { key: 'device'; value: CryptoKeyPair };
  kept: { key: keyof Kept; value: Kept[keyof Kept] | Sealed };
  handles: { key: number; value: KeptHandle; indexes: { usedAt: number } };
}

/** What there is one of. */
export interface Kept {
  holder: Holder;
  enrolment: Enrolment;
  card: Card;
  /** As the service said last. */
  standing: Standing;
  /** What opens the store, if it is locked. */
  lock: Passkey;
  /** The key of the service's log, as it was seen first. */
  log: string;
  /** Until the person has it on paper. */
  paper: Paper;
  /** Keys that were sent for handles, or are about to be. */
  batch: NewKey[];
}

/** Whether the E-cert holds; the service judges it anew at every redemption. */
export type Standing = 'active' | 'suspended' | 'revoked' | PhoneEnd;

/** Why this phone may not go on: its holder has another one now, or ended it. */
export type PhoneEnd = 'device-replaced' | 'device-revoked';

/** The E-cert as it is shown. */
export type Card = Pick<Issued, 'certificate_id' | 'certificate' | 'disclosures' | 'assurance_level' | 'expires_at'>;

/** The code that revokes without this phone. */
export type Paper = Pick<Issued, 'certificate_id' | 'revocation_code' | 'revocation_sheet'>;

export type Store = IDBPDatabase<Schema>;

export async function open(name = 'ecert-wallet'): Promise<Store> {
  return openDB<Schema>(name, 1, {
    upgrade(store) {
      store.createObjectStore('keys');
      store.createObjectStore('kept');
      const handles = store.createObjectStore('handles', { keyPath: 'order', autoIncrement: true });
      handles.createIndex('usedAt', 'usedAt');
    },
  });
}

export async function get<K extends keyof Kept>(store: Store, what: K): Promise<Kept[K] | undefined> {
  return read(store, what, await store.get('kept', what));
}

export async function put<K extends keyof Kept>(store: Store, what: K, value: Kept[K]): Promise<void> {
  await store.put('kept', await written(store, what, value), what);
}

export async function forget(store: Store, what: keyof Kept): Promise<void> {
  await store.delete('kept', what);
}

/** Keeps what was issued, all of it or nothing, and ends the enrolment. */
export async function keepIssued(store: Store, issued: Issued): Promise<void> {
  const { certificate_id, certificate, disclosures, assurance_level, expires_at } = issued;
  const { revocation_code, revocation_sheet } = issued;
  const card = await written(store, 'card', { certificate_id, certificate, disclosures, assurance_level, expires_at });
  const transaction = store.transaction(['kept', 'handles'], 'readwrite');
  const kept = transaction.objectStore('kept');
  await Promise.all([
    kept.put(card, 'card'),
    kept.put({ certificate_id, revocation_code, revocation_sheet }, 'paper'),
    kept.delete('enrolment'),
    kept.delete('batch'),
    kept.delete('standing'),
    // They led to the certificate before.
    transaction.objectStore('handles').clear(),
    transaction.done,
  ]);
}

/** Forgets everything, the keys and the lock too. */
export async function erase(store: Store): Promise<void> {
  const transaction = store.transaction(['keys', 'kept', 'handles'], 'readwrite');
  const stores = (['keys', 'kept', 'handles'] as const).map((name) => transaction.objectStore(name).clear());
  await Promise.all([...stores, transaction.done]);
}
