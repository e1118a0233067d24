import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import axe from 'axe-core';
import jsQR from 'jsqr';
import { type BrowserContext, type Page, chromium } from 'playwright-core';
import { PNG } from 'pngjs';

import { en } from '../src/lib/i18n/en';
import type { Camera, Film } from './film';

export const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-fake-ui-for-media-stream',
];
const PICTURES = new URL('../screenshots/', import.meta.url).pathname;

/** Where an app is used: on a phone 360 points wide, or at a desk. */
const PHONE = { viewport: { width: 360, height: 780 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const DESK = { viewport: { width: 1280, height: 800 } };

/** A person's phone, with a camera and a memory of its own; or an admin's browser. */
export class Phone {
  readonly #memory = mkdtempSync(join(tmpdir(), 'ecert-phone-'));
  #context!: BrowserContext;
  page!: Page;
  /** Requests to anywhere but the service. There must be none. */
  readonly outside: string[] = [];
  /** What the browser's console complained of. */
  readonly complaints: string[] = [];

  constructor(
    readonly base: string,
    readonly camera: Camera,
    /** Which of the apps it has open. */
    readonly app: 'wallet' | 'scanner' | 'console' = 'wallet',
  ) {}

  /** Switched on, or on again: what is in its memory is there. Its camera may be broken, and the browser told more. */
  async open(seeing = true, ...flags: string[]): Promise<void> {
    const camera = ['--use-fake-device-for-media-stream', `--use-file-for-fake-video-capture=${this.camera.file}`];
    this.#context = await chromium.launchPersistentContext(this.#memory, {
      executablePath: process.env['ECERT_CHROMIUM'] ?? '/usr/bin/chromium',
      args: [...FLAGS, ...flags, ...(seeing ? camera : [])],
      ...(this.app === 'console' ? DESK : PHONE),
      locale: 'en-GB',
      permissions: ['camera'],
    });
    this.#context.on('request', (request) => {
      const url = new URL(request.url());
      if (/^(https?|wss?):$/.test(url.protocol) && url.origin !== this.base) this.outside.push(request.url());
    });
    this.page = this.#context.pages()[0] ?? (await this.#context.newPage());
    this.page.on('console', (line) => {
      if (line.type() === 'error') this.complaints.push(line.text());
    });
    this.page.on('pageerror', (error) => this.complaints.push(String(error)));
    await this.page.goto(`${this.base}/${this.app}/`);
  }

  async close(): Promise<void> {
    await this.#context.close();
  }

  /** How it was left, for whoever looks why a story failed. */
  async left(): Promise<string> {
    mkdirSync(PICTURES, { recursive: true });
    await this.page.screenshot({ path: join(PICTURES, 'failed.png'), fullPage: true });
    return [`see ${PICTURES}failed.png`, ...this.complaints].join('\n');
  }

  async network(there: boolean): Promise<void> {
    await this.#context.setOffline(!there);
  }

  /** Has a platform authenticator from now on, as its maker would build in: with a secret for apps (PRF), or without. */
  async passkeys(prf: boolean): Promise<{ strangerComes(): Promise<void>; remove(): Promise<void> }> {
    const devtools = await this.#context.newCDPSession(this.page);
    await devtools.send('WebAuthn.enable');
    const options = {
      protocol: 'ctap2', ctap2Version: 'ctap2_1', transport: 'internal', hasResidentKey: true, hasUserVerification: true,
      hasPrf: prf, isUserVerified: true, automaticPresenceSimulation: true,
    } as const;
    const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', { options });
    return {
      strangerComes: async () => void (await devtools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false })),
      remove: async () => void (await devtools.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId })),
    };
  }

  /** Lies out of sight for so long. */
  async outOfSight(milliseconds: number): Promise<void> {
    await this.page.evaluate((milliseconds) => {
      let hidden = true;
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event('visibilitychange'));
      const now = Date.now;
      Date.now = () => now() + milliseconds;
      hidden = false;
      document.dispatchEvent(new Event('visibilitychange'));
      Date.now = now;
    }, milliseconds);
  }

  forget(): void {
    rmSync(this.#memory, { recursive: true, force: true });
    this.camera.forget();
  }

  /** The screen with this heading is shown. */
  async sees(title: string): Promise<void> {
    await this.page.getByRole('heading', { level: 1, name: title }).waitFor();
  }

  async taps(button: string): Promise<void> {
    await this.page.getByRole('button', { name: button, exact: true }).click();
  }

  /** From nothing to the card. */
  async agrees(): Promise<void> {
    await this.page.locator('h1').waitFor();
    await this.taps(en.welcome.begin);
    await this.sees(en.consent.title);
    // What is agreed to comes from the service, after the title.
    await this.page.getByRole('checkbox').first().waitFor();
    for (const box of await this.page.getByRole('checkbox').all()) await box.check();
    await this.taps(en.consent.agree);
    await this.sees(en.document.front);
  }

  /** Chooses a file instead of the camera. */
  async chooses(picture: string): Promise<void> {
    await this.page.locator('input[type=file]').setInputFiles(picture);
    await this.sees(en.document.review);
    await this.taps(en.document.use);
  }

  /** From nothing to the live face, with a card that is read at once; then this is before the camera. */
  async reachesTheFace(film: Film): Promise<void> {
    await this.agrees();
    for (const next of ['back', film] as const) {
      await this.sees(en.document.review);
      this.camera.show(next);
      await this.taps(en.document.use);
      if (next === 'back') await this.sees(en.document.back);
    }
    await this.sees(en.confirm.title);
    await this.taps(en.confirm.right);
    await this.sees(en.face.title);
  }

  /** From nothing to the home screen, with an E-cert and the code on paper. */
  async enrols(): Promise<void> {
    await this.reachesTheFace('enrolment');
    // On a machine that is busy a camera may stumble; a person tries again.
    for (let said = en.face.begin, tries = 3; (await this.showsTheFace(said)).status !== 200; said = en.common.retry) {
      if ((tries -= 1) === 0) throw new Error('the face was not taken in three tries');
    }
    await this.sees(en.paper.title);
    await this.taps(en.paper.kept);
    await this.sees(en.home.title);
    await this.qr();
  }

  /** Shows the face; what the service answers to the capture. */
  async showsTheFace(button = en.face.begin): Promise<{ status: number; code: string }> {
    const answered = this.page.waitForResponse((answer) => answer.url().endsWith('/captures'), { timeout: 60_000 });
    await this.taps(button);
    const answer = await answered;
    const body = (await answer.json()) as { code?: string; reason?: string };
    return { status: answer.status(), code: `${body.code}/${body.reason}` };
  }

  /** Looks at the screen as axe does, and keeps pictures of it in both languages and both themes. Ends in English. */
  async inspected(name: string): Promise<string[]> {
    mkdirSync(PICTURES, { recursive: true });
    const found: string[] = [];
    for (const [language, word] of [['zh', '简体中文'], ['en', 'English']] as const) {
      await this.speaks(word);
      for (const theme of ['light', 'dark'] as const) {
        await this.page.emulateMedia({ colorScheme: theme });
        await this.page.waitForTimeout(250);
        await this.page.screenshot({ path: join(PICTURES, `${name}-${language}-${theme}.png`), fullPage: true });
        found.push(...(await this.violations()).map((what) => `${name} ${language} ${theme}: ${what}`));
      }
    }
    await this.page.emulateMedia({ colorScheme: 'light' });
    return found;
  }

  async speaks(language: string): Promise<void> {
    await this.page.locator('header button.open').click();
    await this.page.getByRole('radio', { name: language }).check();
    await this.page.locator('header dialog > button').click();
  }

  /** What axe has against the screen (WCAG 2.2 A and AA, and its best practices). */
  async violations(): Promise<string[]> {
    await this.page.evaluate(axe.source);
    return this.page.evaluate(async () => {
      const { violations } = await (globalThis as unknown as { axe: typeof axe }).axe.run();
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 120)).join(' | ')}`);
    });
  }

  /** The very pixels of the QR on the screen. */
  async pixels(): Promise<Uint8Array> {
    await this.qr();
    return this.page.locator('.symbol').screenshot();
  }

  /** What a scanner reads from the very pixels of the screen, as soon as there is something to be read. */
  async qr(): Promise<string> {
    const symbol = this.page.locator('.symbol svg');
    for (let tries = 0; tries < 20; tries += 1) {
      await symbol.waitFor();
      const { data, width, height } = PNG.sync.read(await symbol.screenshot());
      const read = jsQR(new Uint8ClampedArray(data), width, height);
      if (read) return read.data;
      await this.page.waitForTimeout(200);
    }
    throw new Error('no QR was read from the screen');
  }
}
