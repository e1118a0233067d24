import { afterEach, describe, expect, it } from 'vitest';

import { en } from '../src/lib/i18n/en';
import { Camera } from './film';
import { Phone } from './phone';
import { Service } from './service';

let service: Service;
let phone: Phone;

/** A service with these flags, and a phone, whose camera may be broken. */
async function begin(seeing: boolean, ...flags: string[]): Promise<void> {
  service = await Service.start(flags);
  service.command('register', 'add', '林知远', '990000199003070013');
  phone = new Phone(service.base, new Camera());
  await phone.open(seeing);
}

/** The same, about to show what is filmed. */
async function before(film: 'enrolment' | 'stranger', ...flags: string[]): Promise<void> {
  await begin(true, ...flags);
  await phone.reachesTheFace(film);
}

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.error(await phone.left());
  await phone.close();
  phone.forget();
  await service.stop();
});

describe.sequential('an enrolment', () => {
  it('without a camera takes files, says which was wrong, and does not notice a line that breaks once', async () => {
    await begin(false);
    await phone.agrees();
    await phone.chooses(phone.camera.picture('front'));
    await phone.sees(en.document.back);
    await phone.chooses(phone.camera.picture('front'));
    await phone.sees(en.document.front);
    await phone.page.getByText(en.document.cameraDenied).waitFor();
    expect(await phone.page.getByRole('alert').count()).toBe(2);
    expect(await phone.inspected('12-wrong-side')).toEqual([]);
    let broken = 0;
    await phone.page.route('**/document', (route) => ((broken += 1), route.abort()), { times: 1 });
    await phone.chooses(phone.camera.picture('front'));
    await phone.sees(en.document.back);
    await phone.chooses(phone.camera.picture('back'));
    await phone.sees(en.confirm.title);
    expect(broken).toBe(1);
  });

  it('of somebody with another person’s card is refused in plain words, and begun anew', async () => {
    await before('stranger');
    expect(await phone.showsTheFace()).toEqual({ status: 422, code: 'enrolment-refused/face-mismatch' });
    await phone.sees(en.outcome.refused);
    expect(await phone.inspected('10-refused')).toEqual([]);
    await phone.page.reload();
    await phone.sees(en.outcome.refused);
    await phone.taps(en.outcome.again);
    await phone.sees(en.welcome.title);
  });

  // A film can't follow dice. That it is judged, and fails for what it shows, says that nonce, steps, labels and signature were right.
  it.each(['actions', 'flash', 'digits'])('by %s shows every step, and says what was amiss', async (mode) => {
    await before('enrolment', '--enrolment-liveness', mode);
    const { status, code } = await phone.showsTheFace();
    expect({ status, kind: code.split('/')[0] }).toEqual({ status: 422, kind: 'capture-unusable' });
    const ours = ['steps-incomplete', 'nonce-mismatch', 'too-few-frames', 'too-many-frames', 'picture-broken'];
    expect(ours.map((reason) => `capture-unusable/${reason}`)).not.toContain(code);
    await phone.page.getByRole('alert').waitFor();
    await phone.page.getByRole('button', { name: en.common.retry }).waitFor();
    expect(phone.outside).toEqual([]);
  });
});
