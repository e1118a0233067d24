// Two admins at their desks, a relying party, and somebody with an E-cert.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { en as words } from '../src/console/words/en';
import { Camera } from './film';
import { Phone } from './phone';
import { RelyingParty } from './relying_party';
import { Service } from './service';
import { en } from '../src/lib/i18n/en';

let service: Service;
let holder: Phone;
let ada: Phone;
let ben: Phone;
let certificate = '';
let shop: RelyingParty;
const against: string[] = [];
const inspected = async (desk: Phone, name: string) => void against.push(...(await desk.inspected(`console-${name}`)));

/** Somebody at a desk whose browser can make passkeys. */
async function desk(): Promise<Phone> {
  const desk = new Phone(service.base, new Camera(holder.camera), 'console');
  await desk.open(false);
  await desk.passkeys(false);
  return desk;
}

async function opens(desk: Phone, page: keyof typeof words.pages): Promise<void> {
  await desk.page.getByRole('navigation').getByRole('link', { name: words.pages[page] }).click();
  await desk.sees(words.pages[page]);
}

/** Opens what a button asks, fills it in by labels, and sends it; what is then said, if something is. */
async function does(desk: Phone, what: string, filled: Record<string, string> = {}, checked: string[] = []): Promise<void> {
  await desk.page.getByRole('button', { name: what, exact: true }).first().click();
  const dialog = desk.page.getByRole('dialog', { name: what });
  for (const [label, value] of Object.entries(filled)) {
    const field = dialog.getByLabel(label, { exact: true }).first();
    if ((await field.evaluate((element) => element.tagName)) === 'SELECT') await field.selectOption(value);
    else await field.fill(value);
  }
  for (const label of checked) await dialog.getByLabel(label, { exact: true }).check();
  await dialog.getByRole('button', { name: what, exact: true }).click();
}

/** What the dialog says afterwards; it is closed then. */
async function told(desk: Phone, what: string): Promise<string> {
  const dialog = desk.page.getByRole('dialog', { name: what });
  const said = (await dialog.getByRole('status').textContent()) ?? '';
  await dialog.getByRole('button', { name: words.close }).click();
  return said;
}

beforeAll(async () => {
  service = await Service.start();
  service.command('register', 'add', '林知远', '990000199003070013');
  holder = new Phone(service.base, new Camera());
  await holder.open();
  await holder.reachesTheFace('enrolment');
  await holder.taps(en.face.begin);
  await holder.sees(en.paper.title);
  certificate = (await holder.page.getByText(/^crt_/).textContent()) ?? '';
  await holder.taps(en.paper.kept);
  await holder.sees(en.home.title);
  ada = await desk();
});

afterAll(async () => {
  for (const one of [holder, ada, ben]) {
    await one?.close();
    one?.forget();
  }
  await service?.stop();
});

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.error(await ada.left());
});

describe.sequential('a console', () => {
  it('lets in whoever has the first link, once, and then by passkey alone', async () => {
    const link = /http\S+/.exec(service.command('admin', 'bootstrap', '--name', 'Ada', '--public-url', service.base))?.[0] ?? '';
    await ada.page.goto(link);
    await ada.sees(words.welcome.invited);
    await inspected(ada, 'invited');
    await ada.taps(words.welcome.make);
    await ada.sees(words.pages.certificates);
    await ada.taps(words.signOut);
    await ada.sees(words.welcome.title);
    await inspected(ada, 'sign-in');
    await ada.taps(words.welcome.signIn);
    await ada.sees(words.pages.certificates);
    await ada.page.goto(link);
    await ada.page.reload();
    expect(() => service.command('admin', 'bootstrap', '--name', 'Eve')).toThrow();
  });

  it('takes in a relying party, whose key redeems', async () => {
    await opens(ada, 'relying-parties');
    await does(ada, words.rp.admit, { [words.rp.name]: 'Corner Shop', [words.rp.purpose]: 'check' }, ['Whether you are over 18']);
    const key = /ek_live_\S+/.exec(await told(ada, words.rp.admit))?.[0] ?? '';
    shop = new RelyingParty(service.base, key);
    expect((await shop.redeem(await holder.qr())).status).toBe(201);
    await inspected(ada, 'relying-parties');
    await ada.page.getByRole('link', { name: 'Corner Shop' }).click();
    await ada.sees(words.rp.title);
    await inspected(ada, 'relying-party');
  });

  it('revokes an E-cert, which is refused from then on', async () => {
    await opens(ada, 'certificates');
    await ada.page.getByLabel(words.certificate.serial).fill(certificate);
    await ada.taps(words.search);
    await ada.sees(words.certificate.title);
    await does(ada, words.certificate.suspend, { [words.certificate.reason]: 'lost-device' });
    await ada.page.getByText(words.certificate.states.suspended).waitFor();
    await does(ada, words.certificate.reactivate);
    await ada.page.getByText(words.certificate.states.active, { exact: true }).waitFor();
    // The wallet may have heard of the suspension meanwhile; and another code than the one that was used.
    await holder.page.reload();
    const used = await holder.qr();
    await holder.page.getByText(en.home.shares.name, { exact: true }).click();
    await expect.poll(() => holder.qr()).not.toBe(used);
    const code = await holder.qr();
    await does(ada, words.certificate.revoke, { [words.certificate.reason]: 'misuse' });
    await ada.page.getByText(words.certificate.states.revoked).waitFor();
    await inspected(ada, 'certificate');
    expect((await shop.redeem(code)).status).toBe(410);
  });

  it('has a second admin, who approves what the first may not do alone', async () => {
    await opens(ada, 'admins');
    await does(ada, words.admin.invite, { [words.admin.name]: 'Ben', [words.why]: 'the second of us' }, [words.roles['finance'] ?? '', words.roles['auditor'] ?? '']);
    const link = /http\S+/.exec(await told(ada, words.admin.invite))?.[0] ?? '';
    ben = await desk();
    await ben.page.goto(link);
    await ben.taps(words.welcome.make);
    await ben.sees(words.pages.certificates);
    await opens(ada, 'prices');
    const from = new Date(Date.now() + 40 * 86_400_000).toISOString().slice(0, 16);
    await does(ada, words.money.announce, { [words.money.version]: 'list-2', [words.money.from]: from, [`face.compare (${words.money.yuan})`]: '0.007' });
    expect(await told(ada, words.money.announce)).toContain(words.waits);
    await opens(ada, 'actions');
    await inspected(ada, 'actions');
    expect(await ada.page.getByRole('button', { name: words.approve }).count()).toBe(0);
    await opens(ben, 'actions');
    await does(ben, words.approve);
    await ben.page.getByText(words.table.none).waitFor();
    await opens(ben, 'prices');
    await ben.page.getByRole('region', { name: words.money.announced }).getByText('list-2').waitFor();
    await inspected(ben, 'prices');
  });

  it('offers nobody what their roles do not allow, and the service refuses it besides', async () => {
    await opens(ben, 'relying-parties');
    expect(await ben.page.getByRole('button', { name: words.rp.admit }).count()).toBe(0);
    const status = await ben.page.evaluate(async (certificate) => {
      const { csrf_token } = (await (await fetch('/v1/admin/session')).json()) as { csrf_token: string };
      const headers = { 'Content-Type': 'application/json', 'X-CSRF-Token': csrf_token };
      const body = JSON.stringify({ reason: 'misuse' });
      return (await fetch(`/v1/admin/certificates/${certificate}/revocation`, { method: 'POST', headers, body })).status;
    }, certificate);
    expect(status).toBe(403);
    await opens(ben, 'admins');
    await inspected(ben, 'admins');
    await opens(ben, 'payments');
    await inspected(ben, 'payments');
  });

  it('asked nobody but the service, and axe has nothing against any page', () => {
    expect([...ada.outside, ...ben.outside]).toEqual([]);
    expect(against).toEqual([]);
  });
});
