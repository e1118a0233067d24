import 'fake-indexeddb/auto';

import { beforeEach, describe, expect, it, vi } from 'vitest';

import { generate } from '../wire/es256';
import { BATCH, add, keysToSend, take, unused } from './handles';
import { deviceKey, newDeviceKey } from './key';
import { type Store, erase, get, keepIssued, open, put } from './store';

let store: Store;
let count = 0;
const persist = vi.fn(async () => true);
vi.stubGlobal('navigator', { storage: { persist } });

beforeEach(async () => {
  count += 1;
  store = await open(`wallet-${count}`);
});

/** As many handles as there are keys, the first of which ends in `from`. */
async function batch(from: number, length: number): Promise<void> {
  const { privateKey: key } = await generate();
  const ids = Array.from({ length }, (_, at) => new Uint8Array(16).fill(from + at));
  await add(store, ids, ids.map(() => ({ key, sec1: new Uint8Array(65) })));
}

describe('handles', () => {
  it('are used once until all were, and then the oldest', async () => {
    await batch(0, 3);
    const taken = [];
    for (let now = 1; now <= 5; now += 1) taken.push((await take(store, now))?.id[0]);
    expect(taken).toEqual([0, 1, 2, 0, 1]);
    await batch(7, 1);
    expect((await take(store, 6))?.id[0]).toBe(7);
    expect(await unused(store)).toBe(0);
  });

  it('that the service has retired are dropped', async () => {
    await batch(0, 64);
    for (let now = 1; now <= 64; now += 1) await take(store, now);
    expect(await store.count('handles')).toBe(32);
  });

  it('are none before the first batch, and two tabs never take the same', async () => {
    expect(await take(store, 1)).toBeUndefined();
    await batch(0, 8);
    const taken = await Promise.all(Array.from({ length: 8 }, (_, now) => take(store, now + 1)));
    expect(new Set(taken.map((handle) => handle?.id[0])).size).toBe(8);
  });
});

describe('keys for handles', () => {
  it('are sent again until their handles are there, and never afterwards', async () => {
    const [sent, again] = [await keysToSend(store), await keysToSend(store)];
    expect(sent.length).toBe(BATCH);
    expect(again.map(({ sec1 }) => sec1)).toEqual(sent.map(({ sec1 }) => sec1));
    await expect(add(store, [], again)).rejects.toThrow();
    await add(store, again.map((_, at) => new Uint8Array(16).fill(at)), again);
    expect(await unused(store)).toBe(BATCH);
    expect((await keysToSend(store))[0]?.sec1).not.toEqual(sent[0]?.sec1);
  });
});

describe('the device key', () => {
  it('survives, signs, and cannot be taken out', async () => {
    const made = await newDeviceKey(store);
    const kept = await deviceKey(store);
    expect(persist).toHaveBeenCalled();
    expect(kept?.privateKey.extractable).toBe(false);
    await expect(crypto.subtle.exportKey('pkcs8', made.privateKey)).rejects.toThrow();
    await erase(store);
    expect(await deviceKey(store)).toBeUndefined();
  });
});

describe('what was issued', () => {
  it('is kept as a whole, and ends the enrolment', async () => {
    await put(store, 'enrolment', { id: 'enr_1', expires_at: '2027-01-01T00:00:00Z', step: 'face' });
    await batch(0, 2);
    const issued = {
      state: 'approved' as const, certificate_id: 'crt_1', certificate: 'AQ', disclosures: [],
      assurance_level: 'IAL2' as const, expires_at: '2029-01-01T00:00:00Z', revocation_code: '000000 000000 000098', revocation_sheet: '<p>',
    };
    await keepIssued(store, issued);
    expect((await get(store, 'card'))?.certificate_id).toBe('crt_1');
    expect((await get(store, 'paper'))?.revocation_code).toBe(issued.revocation_code);
    expect(await get(store, 'enrolment')).toBeUndefined();
    expect(await store.count('handles')).toBe(0);
    expect(JSON.stringify(await get(store, 'card'))).not.toContain('000098');
  });
});
