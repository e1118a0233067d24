// Story 7: a lost phone. The E-cert goes to a new one, and the old one says that it is dead.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { en } from '../src/lib/i18n/en';
import { en as words } from '../src/wallet/recovery/words';
import { Camera } from './film';
import { Phone } from './phone';
import { RelyingParty } from './relying_party';
import { Service } from './service';

const NUMBER = '990000199003070013';
let service: Service;
let shop: RelyingParty;
let old: Phone;
let fresh: Phone;
const against: string[] = [];

/** From the welcome screen to the face, with this before the camera. */
async function comesBack(phone: Phone, number: string): Promise<void> {
  await phone.taps(en.welcome.recover);
  await phone.sees(words.title);
  await phone.page.getByLabel(words.number).fill(number);
  await phone.taps(words.next);
  await phone.sees(en.consent.title);
  for (const box of await phone.page.getByRole('checkbox').all()) await box.check();
  await phone.taps(en.consent.agree);
  await phone.sees(words.face);
}

beforeAll(async () => {
  // A film can't follow the dice of `actions`.
  service = await Service.start(['--recovery-liveness', 'silent']);
  service.command('register', 'add', '林知远', NUMBER);
  shop = await RelyingParty.admitted(service);
  old = new Phone(service.base, new Camera());
  await old.open();
  await old.enrols();
  fresh = new Phone(service.base, old.camera);
});

afterAll(async () => {
  for (const phone of [old, fresh]) {
    await phone?.close();
    phone?.forget();
  }
  await service?.stop();
});

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.error(await fresh.left());
});

describe.sequential('an E-cert whose phone is lost', () => {
  it('is not given to another face, nor for a number with a slip', async () => {
    old.camera.show('stranger');
    await fresh.open();
    await fresh.sees(en.welcome.title);
    await fresh.taps(en.welcome.recover);
    await fresh.page.getByLabel(words.number).fill('990000199003070031');
    await fresh.taps(words.next);
    await fresh.page.getByRole('alert').getByText(words.slip).waitFor();
    against.push(...(await fresh.inspected('30-number')));
    await fresh.taps(words.back);
    await comesBack(fresh, '9900 0019 9003 0700 13');
    expect(await fresh.showsTheFace()).toEqual({ status: 422, code: 'enrolment-refused/not-recovered' });
    await fresh.sees(en.outcome.refused);
    against.push(...(await fresh.inspected('31-not-recovered')));
    await fresh.taps(en.outcome.again);
    await fresh.sees(en.welcome.title);
  });

  it('comes to a new phone by the number and the face, with a new code on paper', async () => {
    await fresh.close();
    old.camera.show('enrolment');
    await fresh.open();
    await comesBack(fresh, NUMBER);
    against.push(...(await fresh.inspected('32-recovery-face')));
    await fresh.taps(en.face.begin);
    await fresh.sees(en.paper.title);
    await fresh.taps(en.paper.kept);
    await fresh.sees(en.home.title);
    expect((await shop.redeem(await fresh.qr())).status).toBe(201);
  });

  it('is dead on the old phone, which says so by itself and shows nothing, also without a network', async () => {
    await old.page.getByRole('alert').getByText(en.home.ended['device-replaced']).waitFor();
    expect(await old.page.locator('.symbol').count()).toBe(0);
    against.push(...(await old.inspected('33-replaced')));
    await old.network(false);
    await old.page.reload();
    await old.page.getByRole('alert').getByText(en.home.ended['device-replaced']).waitFor();
    await old.network(true);
    await old.taps(en.outcome.again);
    await old.sees(en.welcome.title);
  });

  it('asked nobody but the service, and axe has nothing against any screen', () => {
    expect([...old.outside, ...fresh.outside]).toEqual([]);
    expect(against).toEqual([]);
  });
});
