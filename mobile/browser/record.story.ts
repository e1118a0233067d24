// What the holder sees of their own: uses with proofs, notices, the standing number, phones, and the end.
import { describe, expect, it } from 'vitest';

import { en } from '../src/lib/i18n/en';
import { en as request } from '../src/wallet/approvals/words';
import { en as words } from '../src/wallet/record/words';
import type { Phone } from './phone';
import type { RelyingParty } from './relying_party';
import type { Service } from './service';
import { staged } from './stage';

let service: Service;
let phone: Phone;
let shop: RelyingParty;
const against: string[] = [];
const inspected = async (name: string) => void against.push(...(await phone.inspected(name)));

/** Opens a page of the menu. */
async function opens(page: string): Promise<void> {
  await phone.page.goto(`${service.base}/wallet/#/data`);
  await phone.sees(words.menu);
  const title = words.pages[page]![0];
  await phone.page.locator(`a[href="#/${page}"]`).click();
  await phone.sees(title);
}

/** Says yes when asked once more. */
async function surely(button: string): Promise<void> {
  await phone.taps(button);
  await phone.page.getByRole('dialog').getByRole('button', { name: button }).click();
}

staged(async (stage) => {
  ({ service, shop, phone } = stage);
  await phone.enrols();
});

describe.sequential('the holder’s own record', () => {
  it('has every use with a proof that this phone checks, and says when one does not hold', async () => {
    await phone.page.getByText(en.home.shares.name, { exact: true }).click();
    const opened = await shop.redeem(await phone.qr());
    expect((await shop.judge(opened.body, phone.camera.pictures('later'))).body).toMatchObject({ outcome: 'passed' });
    await phone.page.getByRole('link', { name: en.home.data }).click();
    await phone.sees(words.menu);
    await inspected('40-menu');
    await opens('uses');
    await inspected('41-uses');
    await phone.page.getByRole('link', { name: 'Corner Shop' }).click();
    await phone.sees('Corner Shop');
    await phone.page.getByText(words.proven).waitFor();
    await inspected('42-use');

    await phone.page.route('**/log', async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, body: (await answer.text()).replace('passed', 'failed') });
    }, { times: 1 });
    await phone.page.reload();
    await phone.page.getByRole('alert').getByText(words.notProven).waitFor();
    await inspected('43-not-proven');
    await phone.page.getByRole('link', { name: en.common.back }).click();
    await phone.sees(words.pages['uses']![0]);
  });

  it('has what was done with the certificate, and what the holder was told', async () => {
    await opens('acts');
    await phone.page.getByText(words.actions['certificate.issue']!).waitFor();
    expect(await phone.page.getByText(words.proven).count()).toBeGreaterThanOrEqual(3);
    await inspected('44-acts');
    await opens('notices');
    await phone.page.getByText(words.notices['enrolled']!).waitFor();
    await inspected('45-notices');
  });

  it('makes a standing number with which the shop asks this phone, and switches it off', async () => {
    await opens('number');
    await phone.page.getByText(words.numberOff).waitFor();
    await inspected('46-number');
    await phone.taps(words.make);
    const number = (await phone.page.locator('.number').textContent()) ?? '';
    expect(number).toMatch(/^\d{16}$/);
    await inspected('47-number-made');
    await shop.ask(number);
    await phone.sees(request.title('Corner Shop'));
    await phone.taps(request.refuse);
    await phone.taps(request.done);
    await phone.sees(words.pages['number']![0]);
    await phone.page.getByText(words.share).first().waitFor();
    await surely(words.replace);
    await expect.poll(() => phone.page.locator('.number').textContent()).toMatch(/^\d{16}$/);
    await expect(shop.ask(number)).rejects.toThrow('code-unknown');
    await surely(words.off);
    await phone.page.getByText(words.numberOff).waitFor();
  });

  it('has the phones, and revokes the E-cert when asked twice', async () => {
    await opens('devices');
    await phone.page.getByText(words.thisPhone, { exact: true }).waitFor();
    await inspected('48-devices');
    await opens('revoke');
    await inspected('49-revoke');
    await phone.taps(words.revoke);
    against.push(...(await phone.violations()));
    await phone.page.getByRole('dialog').getByRole('button', { name: words.revoke }).click();
    await phone.page.getByRole('alert').getByText(en.home.ended.revoked).waitFor();
    expect(await phone.page.locator('.symbol').count()).toBe(0);
    expect(await phone.page.getByRole('link', { name: en.home.data }).count()).toBe(0);
  });

  it('asked nobody but the service, and axe has nothing against any screen', () => {
    expect(phone.outside).toEqual([]);
    expect(against).toEqual([]);
  });
});
