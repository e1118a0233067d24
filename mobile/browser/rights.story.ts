// What a holder may ask of whoever holds their data.
import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { en } from '../src/lib/i18n/en';
import { en as words } from '../src/wallet/rights/words';
import type { Phone } from './phone';
import type { RelyingParty } from './relying_party';
import type { Service } from './service';
import { staged } from './stage';

let service: Service;
let phone: Phone;
let shop: RelyingParty;
const against: string[] = [];
const inspected = async (name: string) => void against.push(...(await phone.inspected(name)));

async function opens(page: string, title: string): Promise<void> {
  await phone.page.goto(`${service.base}/wallet/#/${page}`);
  await phone.sees(title);
}

/** Taps a button, and the one of the same name in the dialog that asks once more. */
async function does(what: string, before: () => Promise<void> = async () => {}): Promise<void> {
  await phone.page.getByRole('button', { name: what, exact: true }).first().click();
  await before();
  await phone.page.getByRole('dialog').getByRole('button', { name: what, exact: true }).click();
}

staged(async (stage) => {
  ({ service, shop, phone } = stage);
  await phone.enrols();
});

describe.sequential('a holder', () => {
  it('sees who got what, takes it back, and gives that shop nothing any more', async () => {
    const opened = await shop.redeem(await phone.qr());
    expect((await shop.judge(opened.body, phone.camera.pictures('later'))).body['outcome']).toBe('passed');
    await opens('consents', words.consents);
    await phone.page.getByRole('heading', { name: 'Corner Shop' }).waitFor();
    await inspected('60-consents');
    await does(words.withdraw, () => phone.page.getByRole('dialog').getByRole('checkbox', { name: words.block }).check());
    await phone.page.getByText(words.states['waiting'] ?? '').waitFor();
    await phone.page.getByText(words.blocked).waitFor();
    await opens('', en.home.title);
    const refused = await shop.redeem(await phone.qr());
    expect((await shop.judge(refused.body, phone.camera.pictures('later'))).body).toMatchObject({ status: 403, code: 'consent-missing' });
    await opens('consents', words.consents);
    await does(words.unblock);
    await phone.page.getByRole('button', { name: words.withdraw }).waitFor();
  });

  it('gets a copy of everything', async () => {
    await opens('copy', words.copy);
    const download = phone.page.waitForEvent('download');
    await phone.taps(words.copyDo);
    const file = readFileSync(await (await download).path());
    expect(file.subarray(0, 4).toString('latin1')).toBe('PK\u0003\u0004');
    expect(file.includes('data.json') && file.includes('index.html')).toBe(true);
    await inspected('61-copy');
  });

  it('is erased, with a receipt, and can begin anew', async () => {
    await opens('', en.home.title);
    const code = await phone.qr();
    await opens('erase', words.erase);
    await inspected('62-erase');
    const download = phone.page.waitForEvent('download');
    await does(words.eraseDo);
    await phone.sees(words.erased);
    expect(readFileSync(await (await download).path(), 'utf8')).toMatch(/^eyJ[\w-]+\.[\w-]+\.[\w-]+$/);
    await inspected('63-erased');
    expect((await shop.redeem(code)).status).toBe(404);
    await phone.taps(words.leave);
    await phone.sees(en.welcome.title);
  });

  it('asked nobody but the service, and axe has nothing against any screen', () => {
    expect(phone.outside).toEqual([]);
    expect(against).toEqual([]);
  });
});
