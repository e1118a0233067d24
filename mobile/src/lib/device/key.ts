import { generate } from '../wire/es256';
import type { Store } from './store';

/** The key of this phone, if there is one. */
export async function deviceKey(store: Store): Promise<CryptoKeyPair | undefined> {
  return store.get('keys', 'device');
}

/**
 * A new key for this phone. Its private half never leaves the browser's key store; the browser is asked to keep it even when
 * room grows short (it may refuse: an installed app is asked for nothing).
 */
export async function newDeviceKey(store: Store): Promise<CryptoKeyPair> {
  await navigator.storage?.persist?.().catch(() => false);
  const pair = await generate();
  await store.put('keys', pair, 'device');
  return pair;
}
