// A phone that shows codes, and a shop's tablet that films the very pixels of its screen.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { en } from '../src/lib/i18n/en';
import { en as words } from '../src/scanner/words/en';
import { en as request } from '../src/wallet/approvals/words';
import { Camera, type Film } from './film';
import { Phone } from './phone';
import { RelyingParty, asAdmin } from './relying_party';
import { Service } from './service';

let service: Service;
let phone: Phone;
let till: Phone;
let shop: RelyingParty;
let terminal = '';
let certificate = '';
const against: string[] = [];
const inspected = async (name: string) => void against.push(...(await till.inspected(`scanner-${name}`)));
const reads = (text: string) => till.page.getByText(text, { exact: false }).first().waitFor();

beforeAll(async () => {
  service = await Service.start();
  service.command('register', 'add', '林知远', '990000199003070013');
  shop = await RelyingParty.admitted(service);
  phone = new Phone(service.base, new Camera());
  await phone.open();
  await phone.reachesTheFace('enrolment');
  await phone.taps(en.face.begin);
  await phone.sees(en.paper.title);
  certificate = (await phone.page.getByText(/^crt_/).textContent()) ?? '';
  await phone.taps(en.paper.kept);
  await phone.sees(en.home.title);
  const camera = new Camera(phone.camera);
  camera.filmMore();
  camera.filmLater();
  camera.show('nobody');
  till = new Phone(service.base, camera, 'scanner');
  await till.open();
});

afterAll(async () => {
  await till?.close();
  await phone?.close();
  phone?.forget();
  await service?.stop();
});

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.error(await till.left());
});

/** The pixels of a code that nobody has seen yet: a wallet makes another one when what it shares is changed. */
async function fresh(): Promise<Uint8Array> {
  const before = await phone.page.locator('.symbol svg').getAttribute('data-text');
  for (const share of [en.home.shares.name, en.home.shares.over_18]) await phone.page.getByText(share, { exact: true }).click();
  await expect.poll(() => phone.page.locator('.symbol svg').getAttribute('data-text')).not.toBe(before);
  return phone.pixels();
}

/** The wallet's screen is held before the till's camera; whoever then stands there is on this film. */
async function scans(film: Film): Promise<void> {
  till.camera.filmScreen(await fresh());
  till.camera.show('screen');
  await till.page.route('**/v1/redemptions', async (route) => {
    // The camera that read the code is closed, the one for the face not open yet.
    till.camera.show(film);
    await route.continue();
  }, { times: 1 });
  await till.page.reload();
  await till.sees(words.face.title);
}

async function next(): Promise<void> {
  till.camera.show('nobody');
  await till.taps(words.result.next);
  await till.sees(words.scan.title);
}

describe.sequential('a scanner', () => {
  it('is activated by its link, once, and knows whose it is', async () => {
    await till.sees(words.activate.title);
    await inspected('1-activate');
    const { id, activation_link } = await shop.terminal('till 1');
    terminal = id;
    await till.page.locator('input.text').fill(activation_link);
    await till.taps(words.activate.button);
    await till.sees(words.scan.title);
    await reads('Corner Shop');
    await inspected('2-scan');
    await till.page.goto(`${service.base}/scanner/#${activation_link.split('#')[1]}`);
    await till.taps(words.activate.button);
    await reads(words.activate.over);
    expect(till.page.url()).not.toContain('ta_');
    await till.taps(en.common.back);
    await till.sees(words.scan.title);
  });

  it('reads the very pixels of the wallet, captures the face, says that it passed, and the charge stands in the usage', async () => {
    await scans('later');
    await inspected('3-face');
    await till.taps(en.face.begin);
    await till.sees(words.result.passed);
    await reads(words.attributes['over_18']!);
    await reads(words.result.genuine);
    await inspected('4-passed');
    expect(await shop.charged()).toBe(1);
    await next();
  });

  it('takes 16 digits, and says a slip as it is typed', async () => {
    await phone.taps(en.home.digits);
    const digits = ((await phone.page.locator('.groups').textContent()) ?? '').replaceAll(/\D/g, '');
    await phone.taps(en.home.closeDigits);
    await till.taps(words.scan.digits);
    const input = till.page.getByLabel(words.digits.label);
    await input.fill(digits.slice(0, 15) + String((Number(digits[15]) + 1) % 10));
    await reads(words.digits.slip);
    expect(await till.page.getByRole('button', { name: words.digits.go }).isDisabled()).toBe(true);
    await inspected('5-digits');
    await input.fill(digits);
    expect(await input.inputValue()).toMatch(/^\d{4} \d{4} \d{4} \d{4}$/);
    till.camera.show('later');
    await till.taps(words.digits.go);
    await till.sees(words.face.title);
    await till.taps(en.face.begin);
    await till.sees(words.result.passed);
    expect(await shop.charged()).toBe(2);
    await next();
  });

  it('says plainly that another person stands there', async () => {
    await scans('stranger');
    await till.taps(en.face.begin);
    await till.page.getByRole('alert').getByText(words.result.reasons['face-mismatch']!).waitFor();
    await till.sees(words.result.failed);
    await inspected('6-failed');
    expect(await till.page.getByText(words.result.shared).count()).toBe(0);
    expect(await shop.charged()).toBe(3);
    await next();
  });

  it('charges once when the network breaks between the request and its answer, also after it was switched off', async () => {
    await scans('later');
    let sent = 0;
    await till.page.route('**/captures', async (route) => {
      sent += 1;
      await route.fetch();
      await route.abort();
    }, { times: 1 });
    await till.taps(en.face.begin);
    await till.page.getByText(words.sending.stuck).waitFor();
    expect(sent).toBe(1);
    expect(await shop.charged()).toBe(4);
    await till.network(false);
    await inspected('7-stuck');
    await till.network(true);
    await till.page.reload();
    await till.sees(words.result.passed);
    expect(await shop.charged()).toBe(4);
    await next();
  });

  it('takes the code that a wallet made while the service was stopped', async () => {
    await service.halt();
    await phone.network(false);
    await phone.page.reload();
    await phone.sees(en.home.title);
    await phone.qr();
    await phone.network(true);
    await service.resume();
    await scans('later');
    await till.taps(en.face.begin);
    await till.sees(words.result.passed);
    expect(await shop.charged()).toBe(5);
    await next();
  });

  it('shows the number to match when the holder is asked on their own phone, and takes it back at no cost', async () => {
    await till.page.getByRole('radio', { name: words.scan.holder }).check();
    till.camera.filmScreen(await fresh());
    till.camera.show('screen');
    await till.page.reload();
    await till.sees(words.phone.title);
    expect(await till.page.locator('.number').textContent()).toMatch(/^\d\d$/);
    await inspected('8-phone');
    await phone.sees(request.title('Corner Shop'));
    till.camera.show('nobody');
    await till.taps(words.phone.cancel);
    await phone.sees(request.closed);
    await phone.taps(request.done);
    await till.sees(words.scan.title);
    await till.page.getByRole('radio', { name: words.scan.rp }).check();
    expect(await shop.charged()).toBe(5);
  });

  it('keeps results and receipts, and nothing of the people', async () => {
    await till.taps(words.scan.history);
    await till.sees(words.history.title);
    await till.page.getByRole('listitem').nth(5).waitFor();
    await inspected('9-history');
    const kept = await till.page.evaluate(async () => {
      const database = await new Promise<IDBDatabase>((resolve) => {
        const request = indexedDB.open('ecert-scanner');
        request.onsuccess = () => resolve(request.result);
      });
      const all = (name: string) =>
        new Promise<unknown[]>((resolve) => {
          const request = database.transaction(name).objectStore(name).getAll();
          request.onsuccess = () => resolve(request.result);
        });
      const [pair] = (await all('keys')) as CryptoKeyPair[];
      return { visits: JSON.stringify(await all('visits')), extractable: pair!.privateKey.extractable, local: JSON.stringify({ ...localStorage }) };
    });
    expect(kept.extractable).toBe(false);
    expect(JSON.parse(kept.local)).toEqual({ language: 'en' });
    for (const personal of ['林知远', 'EC1:', 'frames', 'attributes', 'crt_']) expect(kept.visits).not.toContain(personal);
    await till.taps(words.history.back);
  });

  it('says that an E-cert was revoked, as the wallet does', async () => {
    till.camera.filmScreen(await fresh());
    const revoked = await asAdmin(service, `/v1/admin/certificates/${certificate}/revocation`, { reason: 'lost-device' });
    expect(revoked.status).toBe(204);
    till.camera.show('screen');
    await till.page.reload();
    await till.page.getByRole('alert').getByText('This E-cert is no longer valid').waitFor();
    await inspected('10-revoked');
    await phone.page.reload();
    await phone.page.getByRole('alert').getByText(en.home.ended.revoked).waitFor();
    expect(await shop.charged()).toBe(5);
    await next();
  });

  it('can do nothing any more once it was switched off, and says so', async () => {
    await shop.revoke(terminal);
    await till.page.reload();
    await reads(words.activate.dead['terminal-revoked']!);
    await inspected('11-switched-off');
  });

  it('asked nobody but the service, and axe has nothing against any screen', () => {
    expect(till.outside).toEqual([]);
    expect(against).toEqual([]);
    const ours = /ERR_INTERNET_DISCONNECTED|ERR_FAILED|status of (401|404|410|422)/;
    expect(till.complaints.filter((line) => !ours.test(line))).toEqual([]);
  });
});
