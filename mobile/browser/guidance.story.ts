import { afterEach, describe, expect, it } from 'vitest';

import { en } from '../src/lib/i18n/en';
import { Camera, type Film } from './film';
import { Phone } from './phone';
import { Service } from './service';

let service: Service;
let phone: Phone;
/** How often the model was fetched. */
let fetched = 0;

/** Somebody before the camera who is about to show their face, as this film shows it. */
async function before(film: Film, ...flags: string[]): Promise<void> {
  service = await Service.start(flags);
  service.command('register', 'add', '林知远', '990000199003070013');
  const camera = new Camera();
  camera.filmMore();
  phone = new Phone(service.base, camera);
  await phone.open();
  fetched = 0;
  phone.page.on('request', (request) => (fetched += request.url().endsWith('.task') ? 1 : 0));
  await phone.reachesTheFace(film);
}

const reads = (words: string) => phone.page.getByRole('status').getByText(words).waitFor();

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.error(await phone.left());
  await phone.close();
  phone.forget();
  await service.stop();
});

describe.sequential('guidance', () => {
  it('takes each action when it is seen, so that whoever does them in their own time passes', async () => {
    await before('moves', '--enrolment-liveness', 'actions');
    await reads(en.face.good);
    expect(await phone.showsTheFace()).toMatchObject({ status: 200 });
    await phone.sees(en.paper.title);
    expect(fetched).toBe(1);
    expect(phone.outside).toEqual([]);
    expect(phone.complaints).toEqual([]);
  });

  it('says that nobody is seen, and that it is too dark, and sees when that is mended', async () => {
    await before('nobody');
    await reads(en.face.hints.noFace);
    expect(await phone.inspected('13-no-face')).toEqual([]);
    await phone.close();
    phone.camera.show('dark');
    await phone.open();
    await phone.sees(en.face.title);
    await reads(en.face.hints.moreLight);
    expect(await phone.inspected('14-dark')).toEqual([]);
    phone.camera.show('enrolment');
    expect((await phone.showsTheFace()).status).toBe(422);
    // Somebody switched on the light.
    await reads(en.face.good);
    expect((await phone.showsTheFace(en.common.retry)).status).toBe(200);
  });

  it('is left out where it can’t be had, and nothing else is', async () => {
    await before('enrolment');
    await phone.page.route('**/*.task', (route) => route.abort());
    await phone.page.reload();
    await reads(en.face.fit);
    expect(await phone.showsTheFace()).toMatchObject({ status: 200 });
    await phone.sees(en.paper.title);
  });
});
