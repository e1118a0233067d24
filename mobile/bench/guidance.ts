import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Camera } from '../browser/film';
import { Phone } from '../browser/phone';
import { Service, needed } from '../browser/service';
import { en } from '../src/lib/i18n/en';
import { type Manner, POSES, REST, type Role, act } from './actor';
import { type Figures, quantile, say } from './figures';

/** People of good will, from quick to slow: the k-th of n takes the k-th step of each range. */
const REACT_MS = [500, 4000] as const;
const HOLD_MS = [1500, 700] as const;
const PEOPLE = { whole: 6, quick: 2 };

interface Tried {
  passed: boolean;
  seconds: number;
}

/** How many who do the actions in their own time pass, with guidance and at fixed times: each of them both ways, in turn. */
export async function guidance(figures: Figures, isQuick: boolean): Promise<void> {
  const count = isQuick ? PEOPLE.quick : PEOPLE.whole;
  const pictures = drawn();
  const guided: Tried[] = [];
  const fixed: Tried[] = [];
  for (let person = 0; person < count; person += 1) {
    const share = (person + 0.5) / count;
    const between = ([from, to]: readonly [number, number]) => Math.round(from + (to - from) * share);
    const manner: Manner = { reactMs: between(REACT_MS), holdMs: between(HOLD_MS) };
    const role: Role = { pictures, poses: POSES, rest: REST, manner };
    guided.push(await tried(role, true));
    fixed.push(await tried(role, false));
    const said = ({ passed, seconds }: Tried) => `${passed ? 'passed' : 'failed'} in ${seconds.toFixed(1)} s`;
    say(`  after ${manner.reactMs} ms for ${manner.holdMs} ms: guided ${said(guided.at(-1)!)}, at fixed times ${said(fixed.at(-1)!)}`);
  }
  const passed = (all: Tried[]) => all.filter((one) => one.passed).length / all.length;
  figures.note(`actions, ${count} people who take 0.5 to 4 s, passed: guided`, passed(guided), '');
  figures.note('actions, the same people, passed: at fixed times', passed(fixed), '');
  figures.note('actions, from the button to the answer, median: guided', quantile(guided.map(({ seconds }) => seconds), 0.5), 's');
  figures.note('actions, the same: at fixed times', quantile(fixed.map(({ seconds }) => seconds), 0.5), 's');
}

/** An enrolment with actions, by an actor before the camera. */
async function tried(role: Role, isGuided: boolean): Promise<Tried> {
  const service = await Service.start(['--enrolment-liveness', 'actions']);
  service.command('register', 'add', '林知远', '990000199003070013');
  const phone = new Phone(service.base, new Camera());
  try {
    await phone.open(false);
    await phone.page.addInitScript(act, role);
    if (!isGuided) await phone.page.route('**/*.task', (route) => route.abort());
    await phone.page.reload();
    await phone.agrees();
    for (const side of ['front', 'back'] as const) {
      await phone.sees(en.document[side]);
      await phone.chooses(phone.camera.picture(side));
    }
    await phone.sees(en.confirm.title);
    await phone.taps(en.confirm.right);
    await phone.page.getByRole('status').getByText(isGuided ? en.face.good : en.face.fit).waitFor();
    const begun = performance.now();
    const { status } = await phone.showsTheFace();
    return { passed: status === 200, seconds: (performance.now() - begun) / 1000 };
  } finally {
    await phone.close();
    phone.forget();
    await service.stop();
  }
}

function drawn(): Record<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'ecert-actor-'));
  execFileSync(needed('ECERT_FILM', 'the program `ecert-film`'), [folder]);
  const names = [...new Set([REST, ...Object.values(POSES)])];
  const pictures = names.map((name) => [name, readFileSync(join(folder, `${name}.jpg`)).toString('base64')]);
  rmSync(folder, { recursive: true });
  return Object.fromEntries(pictures) as Record<string, string>;
}
