import { afterAll, afterEach, beforeAll } from 'vitest';

import { Camera } from './film';
import { Phone } from './phone';
import { RelyingParty } from './relying_party';
import { Service } from './service';

/** What most stories begin with. */
export interface Stage {
  /** Its register knows the person on the card. */
  service: Service;
  shop: RelyingParty;
  /** Switched on, with nothing on it yet. */
  phone: Phone;
}

/** Sets the stage for a file of stories, and clears it away afterwards; `ready` hears of it before the first. */
export function staged(ready: (stage: Stage) => Promise<void> | void): void {
  let service: Service | undefined;
  let phone: Phone | undefined;

  beforeAll(async () => {
    service = await Service.start();
    service.command('register', 'add', '林知远', '990000199003070013');
    const shop = await RelyingParty.admitted(service);
    phone = new Phone(service.base, new Camera());
    await phone.open();
    await ready({ service, shop, phone });
  });

  afterAll(async () => {
    await phone?.close();
    phone?.forget();
    await service?.stop();
  });

  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') console.error(await phone?.left());
  });
}
