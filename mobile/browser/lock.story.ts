// The lock: what a thief of an open phone sees, and of a copy of the browser's files.
import { describe, expect, it } from 'vitest';

import { en } from '../src/lib/i18n/en';
import { en as request } from '../src/wallet/approvals/words';
import { en as words } from '../src/wallet/lock/words';
import type { Phone } from './phone';
import type { RelyingParty } from './relying_party';
import type { Service } from './service';
import { staged } from './stage';

let service: Service;
let phone: Phone;
let shop: RelyingParty;
let passkeys: Awaited<ReturnType<Phone['passkeys']>>;
const against: string[] = [];
const inspected = async (name: string) => void against.push(...(await phone.inspected(name)));

async function opensTheLock(): Promise<void> {
  await phone.page.goto(`${service.base}/wallet/#/lock`);
  await phone.sees(words.title);
}

/** The texts of everything that is kept, as whoever copies the files reads them. */
async function kept(): Promise<string> {
  return phone.page.evaluate(async () => {
    const database = await new Promise<IDBDatabase>((resolve) => {
      const asked = indexedDB.open('ecert-wallet');
      asked.onsuccess = () => resolve(asked.result);
    });
    const all = await new Promise<unknown[]>((resolve) => {
      const asked = database.transaction('kept').objectStore('kept').getAll();
      asked.onsuccess = () => resolve(asked.result);
    });
    database.close();
    return JSON.stringify(all);
  });
}

staged(async (stage) => {
  ({ service, shop, phone } = stage);
  await phone.enrols();
});

describe.sequential('an app lock', () => {
  it('is not offered on a phone that can’t have one, and promises nothing where the passkey gives no secret', async () => {
    await opensTheLock();
    await phone.page.getByRole('alert').getByText(words.unable).waitFor();
    expect(await phone.page.getByRole('button', { name: words.turnOn }).count()).toBe(0);
    await inspected('50-no-lock');
    passkeys = await phone.passkeys(false);
    await phone.page.reload();
    await phone.taps(words.turnOn);
    await phone.page.getByRole('alert').getByText(words.unable).waitFor();
    await phone.page.getByText(words.off).waitFor();
    await passkeys.remove();
    expect(await kept()).toContain('林知远');
  });

  it('seals the card and the token, and shows nothing before it is opened', async () => {
    passkeys = await phone.passkeys(true);
    await phone.page.reload();
    await phone.sees(words.title);
    await inspected('51-lock');
    await phone.taps(words.turnOn);
    await phone.page.getByText(words.on).waitFor();
    expect(await kept()).not.toMatch(/林知远|access_token|disclosures|crt_/);
    await phone.page.goto(`${service.base}/wallet/`);
    await phone.page.reload();
    await phone.sees(words.locked);
    expect(await phone.page.locator('body').textContent()).not.toContain('林知远');
    expect(await phone.page.getByRole('link', { name: en.home.data }).count()).toBe(0);
    await inspected('52-locked');
  });

  it('opens for its owner, and codes are as good as before', async () => {
    await phone.taps(words.unlock);
    await phone.sees(en.home.title);
    expect((await shop.redeem(await phone.qr())).status).toBe(201);
  });

  it('closes after a minute out of sight, not sooner, and a request waits behind it', async () => {
    await phone.outOfSight(50_000);
    await phone.sees(en.home.title);
    const code = await phone.qr();
    await phone.outOfSight(61_000);
    await phone.sees(words.locked);
    await shop.ask(code);
    await phone.page.waitForTimeout(1500);
    await phone.sees(words.locked);
    await phone.taps(words.unlock);
    await phone.sees(request.title('Corner Shop'));
    await phone.taps(request.refuse);
    await phone.taps(request.done);
  });

  it('is taken off by its owner, opens for nobody else, and whoever can’t open it starts anew', async () => {
    await opensTheLock();
    await phone.taps(words.turnOff);
    await phone.page.getByText(words.off).waitFor();
    expect(await kept()).toContain('林知远');
    await phone.taps(words.turnOn);
    await phone.page.getByText(words.on).waitFor();
    // An authenticator that was shown somebody else is blocked from then on, as this one is made.
    await passkeys.strangerComes();
    await phone.taps(words.turnOff);
    await phone.page.getByRole('alert').getByText(words.notDone).waitFor();
    await phone.page.getByText(words.on).waitFor();
    await phone.page.reload();
    await phone.taps(words.unlock);
    await phone.page.getByRole('alert').getByText(words.notDone).waitFor();
    expect(await kept()).not.toContain('林知远');
    await phone.taps(words.forget);
    await phone.page.getByRole('dialog').getByRole('button', { name: words.forget }).click();
    await phone.sees(en.welcome.title);
    expect(await kept()).toBe('[]');
  });

  it('asked nobody but the service, and axe has nothing against any screen', () => {
    expect(phone.outside).toEqual([]);
    expect(against).toEqual([]);
    expect(phone.complaints).toEqual([]);
  });
});
