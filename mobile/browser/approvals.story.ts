// Story 8: somebody asks, and the phone answers.
import { describe, expect, it } from 'vitest';

import { en } from '../src/lib/i18n/en';
import { en as words } from '../src/wallet/approvals/words';
import type { Phone } from './phone';
import type { RelyingParty } from './relying_party';
import { staged } from './stage';

let phone: Phone;
let shop: RelyingParty;
const against: string[] = [];
const SHOP = 'Corner Shop';

/** The shop asks; the request is on the phone by itself. */
async function asked(micros?: number): Promise<{ id: string; number: string }> {
  const request = await shop.ask(await phone.qr(), micros);
  await phone.sees(words.title(SHOP));
  return request;
}

async function agrees(number: string): Promise<void> {
  await phone.page.getByLabel(words.number).fill(number);
  await phone.taps(words.agree);
}

staged(async (stage) => {
  ({ shop, phone } = stage);
  await phone.enrols();
});

describe.sequential('a request', () => {
  it('appears by itself, says who wants what, and is agreed to with their digits and the face on this phone', async () => {
    await phone.page.getByText(en.home.shares.name, { exact: true }).click();
    const { id, number } = await asked(12_340_000);
    for (const text of ['CN¥12.34', 'check', 'Whether you are over 18']) await phone.page.getByText(text, { exact: true }).waitFor();
    against.push(...(await phone.inspected('20-request')));
    await phone.taps(words.agree);
    await phone.page.getByRole('alert').getByText(words.numberMissing).waitFor();
    await agrees(number === '42' ? '43' : '42');
    await phone.page.getByRole('alert').getByText(/number on their screen/).waitFor();
    await agrees(number);
    await phone.sees(words.face);
    against.push(...(await phone.inspected('21-face')));
    await phone.taps(en.face.begin);
    await phone.sees(words.passed);
    against.push(...(await phone.inspected('22-passed')));
    expect(await shop.shows(id)).toMatchObject({ outcome: 'passed', attributes: { name: '林知远', over_18: true } });
    await phone.taps(words.done);
    await phone.sees(en.home.title);
  });

  it('that is not theirs is reported, and nothing is given', async () => {
    const { id } = await asked();
    await phone.taps(words.report);
    await phone.sees(words.reported);
    against.push(...(await phone.inspected('23-reported')));
    expect(await shop.shows(id)).toMatchObject({ state: 'cancelled', cancelled_by: 'holder' });
    await phone.taps(words.done);
    await phone.sees(en.home.title);
  });

  it('is there after the phone was switched off and on, and goes when it is taken back', async () => {
    const { id } = await asked();
    await phone.page.reload();
    await phone.sees(words.title(SHOP));
    expect((await shop.cancel(id)).status).toBe(200);
    await phone.sees(words.closed);
    await phone.taps(words.done);
    await phone.sees(en.home.title);
  });

  it('comes without a stream too, and another person’s face is not accepted', async () => {
    await phone.page.route('**/v1/me/events', (route) => route.fulfill({ status: 503, json: { status: 503, code: 'overloaded' } }));
    await phone.page.reload();
    await phone.sees(en.home.title);
    const { id, number } = await asked();
    phone.camera.show('stranger');
    await agrees(number);
    await phone.sees(words.face);
    await phone.taps(en.face.begin);
    await phone.sees(words.failed);
    against.push(...(await phone.inspected('24-failed')));
    expect(await shop.shows(id)).toMatchObject({ outcome: 'failed', attributes: {} });
  });

  it('asked nobody but the service, and axe has nothing against any screen', () => {
    expect(phone.outside).toEqual([]);
    expect(against).toEqual([]);
    // The service says so in the browser's console when it refuses: the wrong digits, and the streams that were held back.
    expect(phone.complaints.filter((line) => !/status of (422|503)/.test(line))).toEqual([]);
  });
});
