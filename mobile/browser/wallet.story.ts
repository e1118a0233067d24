import { describe, expect, it } from 'vitest';

import { en } from '../src/lib/i18n/en';
import type { Phone } from './phone';
import { type RelyingParty, asAdmin } from './relying_party';
import type { Service } from './service';
import { staged } from './stage';

let service: Service;
let phone: Phone;
let shop: RelyingParty;
/** The QR that was redeemed last. */
let shown = '';
let certificate = '';
const against: string[] = [];
const inspected = async (name: string) => void against.push(...(await phone.inspected(name)));

staged((stage) => {
  ({ service, shop, phone } = stage);
});

describe.sequential('a wallet', () => {
  it('is begun with nothing, after everything was agreed to', async () => {
    await phone.page.locator('h1').waitFor();
    await inspected('1-welcome');
    await phone.taps(en.welcome.begin);
    await phone.sees(en.consent.title);
    await inspected('2-consent');
    await phone.taps(en.consent.agree);
    await phone.page.getByRole('alert').getByText(en.consent.all).waitFor();
    for (const box of await phone.page.getByRole('checkbox').all()) await box.check();
    await phone.taps(en.consent.agree);
    await phone.sees(en.document.front);
  });

  it('photographs both sides of the card by itself', async () => {
    await phone.sees(en.document.review);
    await inspected('3-front-taken');
    phone.camera.show('back');
    await phone.taps(en.document.use);
    await phone.sees(en.document.back);
    await inspected('4-back');
    await phone.sees(en.document.review);
    await phone.taps(en.document.use);
    await phone.sees(en.confirm.title);
    await phone.page.getByText('林知远').waitFor();
    await inspected('5-confirm');
  });

  it('goes on where it was after the phone was switched off', async () => {
    await phone.close();
    phone.camera.show('enrolment');
    await phone.open();
    await phone.sees(en.confirm.title);
    await phone.taps(en.confirm.right);
    await phone.sees(en.face.title);
    await inspected('6-face');
  });

  it('takes the live face and has the E-cert, with the code on paper', async () => {
    await phone.taps(en.face.begin);
    await phone.sees(en.paper.title);
    certificate = (await phone.page.getByText(/^crt_/).textContent()) ?? '';
    await inspected('7-paper');
    await phone.taps(en.paper.kept);
    await phone.sees(en.home.title);
    await phone.qr();
    await inspected('8-home');
  });

  it('shows a QR that the shop redeems, with the face of whoever stands there', async () => {
    await phone.page.getByText(en.home.shares.name, { exact: true }).click();
    shown = await phone.qr();
    const opened = await shop.redeem(shown);
    expect(opened).toMatchObject({ status: 201, body: { state: 'challenged' } });
    const judged = await shop.judge(opened.body, phone.camera.pictures('later'));
    expect(judged).toMatchObject({ status: 200, body: { outcome: 'passed', attributes: { name: '林知远', over_18: true } } });
  });

  it('shows another one by itself, and one that was used is refused', async () => {
    await expect.poll(() => phone.qr(), { timeout: 45_000, interval: 2000 }).not.toBe(shown);
    expect(await shop.redeem(shown)).toMatchObject({ status: 409, body: { code: 'code-already-redeemed' } });
    expect((await shop.redeem(await phone.qr())).status).toBe(201);
  });

  it('shows 16 digits that the shop redeems, and says each by itself to a screen reader', async () => {
    await phone.taps(en.home.digits);
    const groups = phone.page.locator('.groups');
    const aloud = await groups.getAttribute('aria-label');
    expect(aloud).toMatch(/^1 \d \d \d(, \d \d \d \d){3}$/);
    await inspected('9-digits');
    const digits = (await groups.textContent()) ?? '';
    expect((await shop.redeem(digits)).status).toBe(201);
    await phone.taps(en.home.closeDigits);
  });

  it('shows codes without a network, also after it was opened anew', async () => {
    await phone.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    await phone.network(false);
    await phone.page.reload();
    await phone.sees(en.home.title);
    // Some browsers tell a page that was just loaded of a network that is gone only when it goes.
    await phone.network(true);
    await phone.network(false);
    await phone.page.getByText(en.home.offline).waitFor();
    const code = await phone.qr();
    await phone.network(true);
    expect((await shop.redeem(code)).status).toBe(201);
  });

  it('keeps no secret where scripts read at once, and its keys from everybody', async () => {
    const kept = await phone.page.evaluate(() => JSON.stringify({ ...localStorage }) + document.cookie);
    expect(JSON.parse(kept)).toEqual({ language: 'en' });
    const extractable = await phone.page.evaluate(async () => {
      const database = await new Promise<IDBDatabase>((resolve) => {
        const request = indexedDB.open('ecert-wallet');
        request.onsuccess = () => resolve(request.result);
      });
      const all = (name: string) =>
        new Promise<unknown[]>((resolve) => {
          const request = database.transaction(name).objectStore(name).getAll();
          request.onsuccess = () => resolve(request.result);
        });
      const [pair] = (await all('keys')) as CryptoKeyPair[];
      const handles = (await all('handles')) as { key: CryptoKey }[];
      return [pair!.privateKey, ...handles.map(({ key }) => key)].map((key) => key.extractable);
    });
    expect(extractable.length).toBeGreaterThan(40);
    expect(new Set(extractable)).toEqual(new Set([false]));
  });

  it('says that it was revoked, and shows nothing any more', async () => {
    const revoked = await asAdmin(service, `/v1/admin/certificates/${certificate}/revocation`, { reason: 'lost-device' });
    expect(revoked.status).toBe(204);
    await phone.page.reload();
    await phone.page.getByRole('alert').getByText(en.home.ended.revoked).waitFor();
    expect(await phone.page.locator('.symbol').count()).toBe(0);
    await inspected('11-revoked');
    await phone.network(false);
    await phone.page.reload();
    await phone.page.getByRole('alert').getByText(en.home.ended.revoked).waitFor();
    await phone.network(true);
  });

  it('asked nobody but the service, and axe has nothing against any screen', () => {
    expect(phone.outside).toEqual([]);
    expect(against).toEqual([]);
    // Without a network the browser itself complains, and when the service says that the E-cert ended.
    expect(phone.complaints.filter((line) => !/ERR_INTERNET_DISCONNECTED|status of 410/.test(line))).toEqual([]);
  });
});
