// The client of relying parties, and the example in docs/, as whoever copies it runs it.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Ecert, Refused } from '../src/client';
import { en } from '../src/lib/i18n/en';
import { en as words } from '../src/wallet/approvals/words';
import type { Phone } from './phone';
import type { RelyingParty } from './relying_party';
import type { Service } from './service';
import { staged } from './stage';

let service: Service;
let shop: RelyingParty;
let phone: Phone;
const folder = mkdtempSync(join(tmpdir(), 'ecert-client-'));

staged(async (stage) => {
  ({ service, shop, phone } = stage);
  await phone.enrols();
});

beforeAll(() => {
  execFileSync('npm', ['run', '--silent', 'build:client'], { stdio: ['ignore', 'ignore', 'inherit'] });
  cpSync('dist/client', join(folder, 'node_modules/@e-cert/client'), { recursive: true });
  copyFileSync('../docs/examples/redeem.mjs', join(folder, 'redeem.mjs'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Starts the example with a code; what it has said so far, and how it ends. */
function example(code: string): { said: () => string; ended: Promise<number | null> } {
  const env = { ...process.env, ECERT_BASE: service.base, ECERT_KEY: shop.key };
  const running: ChildProcess = spawn('node', ['redeem.mjs', code], { cwd: folder, env });
  let said = '';
  for (const stream of [running.stdout, running.stderr]) stream?.on('data', (text) => (said += String(text)));
  return { said: () => said, ended: new Promise((resolve) => running.once('close', resolve)) };
}

describe.sequential('the client', () => {
  it('asks the holder’s phone and has the answer with a receipt that holds, as the example in docs does', async () => {
    await phone.page.getByText(en.home.shares.name, { exact: true }).click();
    const { said, ended } = example(await phone.qr());
    await phone.sees(words.title('Corner Shop'));
    await phone.page.getByLabel(words.number).fill(/enters (\d\d)/.exec(said())?.[1] ?? '');
    await phone.taps(words.agree);
    await phone.sees(words.face);
    await phone.taps(en.face.begin);
    await phone.sees(words.passed);
    expect([await ended, said()]).toEqual([0, expect.stringMatching(/passed[^]*林知远[^]*Signed by the service: eyJ/)]);
    await phone.taps(words.done);
  });

  it('has refusals as values', async () => {
    const ecert = new Ecert({ base: service.base, key: shop.key });
    const refused = await ecert.redeem({ code: '0000000000000000', purpose: 'check' }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Refused);
    expect(await example('nonsense').ended).toBe(1);
    const stranger = new Ecert({ base: service.base, key: 'ek_live_nobody' });
    await expect(stranger.show('red_1')).rejects.toThrow('unauthenticated');
  });

  it('shows the face at the counter, and is charged once though it sends it twice', async () => {
    const ecert = new Ecert({ base: service.base, key: shop.key });
    await phone.sees(en.home.title);
    const opened = await ecert.redeem({ code: await phone.qr(), purpose: 'check' });
    const frames = phone.camera.pictures('later').map((bytes, at) => ({ bytes, step: 'still', atMs: at * 200 }));
    const before = await shop.charged();
    const judged = await ecert.submit(opened, frames, 'the same');
    expect(await ecert.submit(opened, frames, 'the same')).toEqual(judged);
    expect((await shop.charged()) - before).toBe(1);
    expect(await ecert.receipt(judged)).toMatchObject({ redemption: opened.id });
    expect(await ecert.receipt({ ...judged, outcome: 'failed' })).toBeUndefined();
  });
});
