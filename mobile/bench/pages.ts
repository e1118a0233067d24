import { get } from 'node:http';

import { Camera } from '../browser/film';
import { Phone } from '../browser/phone';
import { Service, freePort } from '../browser/service';
import { en } from '../src/lib/i18n/en';
import { browser } from './browser';
import { type Figures, quantile, say } from './figures';
import { type Load, type Scores, lighthouse } from './lighthouse';

const VISITS = { whole: 3, quick: 1 };

/** What a visitor waits for: pages as Lighthouse judges them, an enrolment from nothing to the card, and the bytes of a first load. */
export async function pages(figures: Figures, isQuick: boolean, load: Load): Promise<void> {
  const visits = isQuick ? VISITS.quick : VISITS.whole;
  const service = await Service.start();
  try {
    for (const app of ['wallet', 'scanner']) {
      const url = `${service.base}/${app}/`;
      if (!(await fetch(url)).ok) say(`  MISSING: ${url} is not served, so it was not judged`);
      else tell(figures, `${app}, first visit`, await judged(load, url, visits));
    }
    service.command('register', 'add', '林知远', '990000199003070013');
    await enrolments(figures, service, visits, load);
  } finally {
    await service.stop();
  }
}

/** A browser anew for each visit. */
async function judged(load: Load, url: string, visits: number): Promise<Scores[]> {
  const all: Scores[] = [];
  for (let visit = 1; visit <= visits; visit += 1) {
    const port = await freePort();
    const chromium = await browser(port);
    try {
      const scores = await lighthouse(load, url, port);
      say(`  ${url} ${visit} of ${visits}: ${said(scores)}`);
      all.push(scores);
    } finally {
      await chromium.close();
    }
  }
  return all;
}

const said = ({ against, ...scores }: Scores) => JSON.stringify(scores) + (against.length > 0 ? ` against it: ${against.join(', ')}` : '');

function tell(figures: Figures, what: string, all: Scores[]): void {
  const worst = (name: 'accessibility' | 'best-practices') => Math.min(...all.map((scores) => scores[name]));
  figures.atLeast(0.95, `Lighthouse, ${what}: performance, median`, quantile(all.map(({ performance }) => performance), 0.5), '');
  figures.atLeast(1, `Lighthouse, ${what}: accessibility, least`, worst('accessibility'), '');
  figures.atLeast(1, `Lighthouse, ${what}: best practices, least`, worst('best-practices'), '');
}

/** Enrolments by a phone that waits for nobody: all but the time that a person takes to read. */
async function enrolments(figures: Figures, service: Service, visits: number, load: Load): Promise<void> {
  const seconds: number[] = [];
  for (let visit = 1; visit <= visits; visit += 1) {
    const port = await freePort();
    const phone = new Phone(service.base, new Camera());
    try {
      await phone.open(true, `--remote-debugging-port=${port}`);
      seconds.push(await enrolled(phone));
      say(`  enrolment ${visit} of ${visits}: ${seconds.at(-1)!.toFixed(1)} s`);
      if (visit < visits) continue;
      figures.atMost(60, 'enrolment from nothing to the card, median', quantile(seconds, 0.5), 's');
      figures.note('enrolment from nothing to the card, longest', Math.max(...seconds), 's');
      figures.atMost(60, 'wallet’s home, first load, gzip', await firstLoad(phone), 'kB');
      const home: Scores[] = [];
      while (home.length < visits) home.push(await lighthouse(load, `${service.base}/wallet/`, port, true));
      tell(figures, 'wallet’s home, with the card', home);
    } catch (error) {
      say(await phone.left());
      throw error;
    } finally {
      await phone.close();
      phone.forget();
    }
  }
}

async function enrolled(phone: Phone): Promise<number> {
  const begun = performance.now();
  await phone.page.reload();
  await phone.reachesTheFace('enrolment');
  const { status } = await phone.showsTheFace();
  if (status !== 200) throw new Error(`the enrolment was refused with ${status}`);
  await phone.sees(en.paper.title);
  await phone.taps(en.paper.kept);
  await phone.sees(en.home.title);
  await phone.page.locator('.symbol svg').waitFor();
  return (performance.now() - begun) / 1000;
}

/** Thousands of bytes of all that the wallet's home is made of, as the service sends it to who takes gzip. */
async function firstLoad(phone: Phone): Promise<number> {
  await phone.page.reload();
  await phone.page.locator('.symbol svg').waitFor();
  const loaded = await phone.page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => name));
  const files = new Set([`${phone.base}/wallet/`, ...loaded.filter((url) => /\/(app|wallet)\//.test(url) && !url.endsWith('/sw.js'))]);
  const sizes = await Promise.all([...files].map(size));
  return sizes.reduce((sum, bytes) => sum + bytes, 0) / 1000;
}

/** Bytes of a file on the line. */
function size(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { headers: { 'Accept-Encoding': 'gzip' } }, (answer) => {
      let bytes = 0;
      answer.on('data', (piece: Buffer) => (bytes += piece.length)).on('end', () => resolve(bytes)).on('error', reject);
    }).on('error', reject);
  });
}
