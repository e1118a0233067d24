import { describe, expect, it } from 'vitest';

import { random, utf8 } from './bytes';
import { seal, sealingKey, unseal } from './seal';

describe('what is sealed', () => {
  it('opens with the same secret at the same place, and nowhere else', async () => {
    const secret = random(32);
    const key = await sealingKey(secret);
    const sealed = await seal(key, 'card', utf8('林知远'));
    expect(await unseal(await sealingKey(secret), 'card', sealed)).toEqual(utf8('林知远'));
    await expect(unseal(key, 'holder', sealed)).rejects.toThrow();
    await expect(unseal(await sealingKey(random(32)), 'card', sealed)).rejects.toThrow();
    const changed = Uint8Array.from(sealed.sealed);
    changed[0]! ^= 1;
    await expect(unseal(key, 'card', { ...sealed, sealed: changed })).rejects.toThrow();
    expect((await seal(key, 'card', utf8('林知远'))).iv).not.toEqual(sealed.iv);
  });

  it('is under a key that cannot be taken out', async () => {
    const key = await sealingKey(random(32));
    expect(key.extractable).toBe(false);
    await expect(crypto.subtle.exportKey('raw', key)).rejects.toThrow();
    await expect(sealingKey(random(31))).rejects.toThrow(RangeError);
  });
});
