import 'fake-indexeddb/auto';

import { beforeEach, describe, expect, it, vi } from 'vitest';

import { random } from '../wire/bytes';
import { generate } from '../wire/es256';
import { add, take, unused } from './handles';
import { Locked, close, lockOf, turnOff, turnOn, unlock } from './lock';
import { type Card, type Store, erase, get, open, put } from './store';

vi.stubGlobal('navigator', { locks: { request: (_: string, work: () => unknown) => work() } });

const holder = { access_token: 'at_secret', token_expires_at: '2027-01-01T00:00:00Z' };
const card: Card = {
  certificate_id: 'crt_1', certificate: 'AQ', disclosures: [{ name: 'name', value: '林知远', salt: 'AA' }],
  assurance_level: 'IAL2', expires_at: '2029-01-01T00:00:00Z',
};
const passkey = { credential: random(16), salt: random(32) };
const id = (at: number) => new Uint8Array(16).fill(at + 1);
let store: Store;
let secret: Uint8Array<ArrayBuffer>;
let count = 0;

beforeEach(async () => {
  count += 1;
  [store, secret] = [await open(`locked-${count}`), random(32)];
  await put(store, 'holder', holder);
  await put(store, 'card', card);
  await handles(0, 3);
});

/** Adds so many handles, the first of which is this one. */
async function handles(from: number, length: number): Promise<void> {
  const { privateKey: key } = await generate();
  const keys = Array.from({ length }, () => ({ key, sec1: new Uint8Array(65) }));
  await add(store, keys.map((_, at) => id(from + at)), keys);
}

/** Every byte and letter that is in the store, but for keys. */
async function laidOpen(): Promise<string> {
  const all = [...(await store.getAll('kept')), ...(await store.getAll('handles')).map(({ id }) => id)];
  const text = (value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value);
  return JSON.stringify(all, (_, value) => text(value));
}

describe('a locked store', () => {
  it('has nothing of the person, their token and their handles in it, and gives it all while it is open', async () => {
    expect(await laidOpen()).toContain('林知远');
    await turnOn(store, passkey, secret);
    const bare = await laidOpen();
    for (const word of ['林知远', 'crt_1', 'at_secret', '\\u0001\\u0001\\u0001', '\u0001\u0001\u0001']) expect(bare).not.toContain(word);
    expect([await get(store, 'holder'), await get(store, 'card')]).toEqual([holder, card]);
    expect((await take(store, 1))?.id).toEqual(id(0));
    await put(store, 'holder', { ...holder, access_token: 'at_later' });
    await handles(7, 1);
    expect(await laidOpen()).not.toContain('at_later');
    expect((await get(store, 'holder'))?.access_token).toBe('at_later');
  });

  it('that is closed gives nothing and takes nothing in the clear', async () => {
    await turnOn(store, passkey, secret);
    close(store);
    await expect(get(store, 'card')).rejects.toBeInstanceOf(Locked);
    await expect(put(store, 'holder', holder)).rejects.toBeInstanceOf(Locked);
    await expect(handles(7, 1)).rejects.toBeInstanceOf(Locked);
    await expect(take(store, 1)).rejects.toBeInstanceOf(Locked);
    await expect(turnOff(store)).rejects.toBeInstanceOf(Locked);
    expect(await lockOf(store)).toEqual(passkey);
  });

  it('is opened by its secret alone', async () => {
    await turnOn(store, passkey, secret);
    close(store);
    await expect(unlock(store, random(32))).rejects.toThrow();
    await expect(get(store, 'card')).rejects.toBeInstanceOf(Locked);
    await unlock(store, secret);
    expect(await get(store, 'card')).toEqual(card);
  });

  it('is as it was when the lock is taken off, and gone when everything is forgotten', async () => {
    await take(store, 5);
    await turnOn(store, passkey, secret);
    await turnOff(store);
    expect(await laidOpen()).toContain('林知远');
    expect([await lockOf(store), await unused(store), (await take(store, 6))?.id]).toEqual([undefined, 2, id(1)]);
    await turnOn(store, passkey, secret);
    close(store);
    await erase(store);
    await put(store, 'card', card);
    expect(await get(store, 'card')).toEqual(card);
  });
});
