import { describe, expect, it } from 'vitest';

import { en } from '../src/lib/i18n/en';
import type { Phone } from './phone';
import { staged } from './stage';

let phone: Phone;
const against: string[] = [];
const inspected = async (name: string) => void against.push(...(await phone.inspected(name)));

staged(({ service, phone: theirs }) => {
  phone = theirs;
  service.command('register', 'add', 'LIN, ZHIYUAN', 'UTO-E99000017');
  phone.camera.filmPassport();
  phone.camera.filmNobody();
});

describe.sequential('somebody with a passport', () => {
  it('photographs its page in place of a card, and may think better of it', async () => {
    phone.camera.show('nobody');
    await phone.agrees();
    await phone.taps(en.document.usePassport);
    await phone.sees(en.document.passport);
    await phone.taps(en.document.useCard);
    await phone.sees(en.document.front);
    phone.camera.show('passport');
    await phone.taps(en.document.usePassport);
    await phone.sees(en.document.passport);
    await inspected('40-passport');
  });

  it('confirms what stands at its foot', async () => {
    await phone.sees(en.document.review);
    await phone.taps(en.document.use);
    await phone.sees(en.confirm.title);
    await phone.page.getByText('LIN, ZHIYUAN').waitFor();
    await phone.page.getByText('UTO-E99000017').waitFor();
    await inspected('41-passport-confirmed');
  });

  it('has the E-cert after showing their face', async () => {
    phone.camera.show('enrolment');
    await phone.taps(en.confirm.right);
    await phone.taps(en.face.begin);
    await phone.sees(en.paper.title);
    expect(against).toEqual([]);
  });
});
