import { type Caller, Problem } from '../lib/api/client';
import type { Holder } from '../lib/api/types';
import type { Frame } from '../lib/wire/capture';
import { generate } from '../lib/wire/es256';
import * as api from './api';
import { Courier, isDue } from './courier';
import { type Settings, type Store, type Visit, change, erase, get, openStore, over, put, trim, visits } from './store';

/** Days before its end at which the access token is renewed. */
const RENEW_DAYS = 30;
const DAY_MS = 86_400_000;
/** A visit that was left open is shown again after a reload for so long. */
const SHOWN_AGAIN_MS = 10 * 60_000;

/** This terminal, and whoever stands before it. Everything is in the store first, and on the screen then. */
export class Scanner {
  own: api.Own | undefined = $state.raw();
  settings: Settings = $state.raw({});
  /** Whoever is being served. */
  visit: Visit | undefined = $state.raw();
  /** What they shared: shown, and never kept. */
  answer: api.Judged | undefined = $state.raw();
  /** How often it was activated since the page was loaded. */
  activated = $state(0);
  /** Why the terminal can't go on as it is: switched off, or not known. */
  dead: string | undefined = $state();
  sent = $state(0);
  stuck = $state(false);
  /** Visits that are on their way while another person is served. */
  waiting = $state(0);
  readonly #courier: Courier;
  #key: CryptoKeyPair | undefined;
  #token: Holder | undefined;

  private constructor(readonly store: Store) {
    this.#courier = new Courier(store, () => this.caller(), {
      changed: (visit) => void this.#changed(visit),
      answered: (visit, judged) => {
        if (visit.id === this.visit?.id) this.answer = judged;
      },
      sent: (id, part) => {
        if (id === this.visit?.id) this.sent = part;
      },
      stuck: (id, isStuck) => {
        if (id === this.visit?.id) this.stuck = isStuck;
      },
    });
  }

  /** As it was left. What was on its way goes on. */
  static async load(): Promise<Scanner> {
    const store = await openStore();
    const scanner = new Scanner(store);
    scanner.#key = await store.get('keys', 'terminal');
    scanner.#token = await get(store, 'token');
    scanner.settings = (await get(store, 'settings')) ?? {};
    scanner.own = scanner.#token ? await get(store, 'own') : undefined;
    const open = (await visits(store)).filter(({ ended }) => !ended);
    const latest = open[0];
    if (latest && Date.now() - latest.at < SHOWN_AGAIN_MS) scanner.visit = latest;
    // Nobody stands there any more.
    const left = open.filter((visit) => visit.id !== scanner.visit?.id && !isDue(visit));
    await Promise.all(left.map(({ id }) => change(store, id, (now) => over(now, { kind: 'expired', why: [] }))));
    await scanner.#count();
    if (scanner.#token) open.forEach(({ id }) => void scanner.#run(id));
    return scanner;
  }

  async caller(): Promise<Caller> {
    if (!this.#key) throw new Error('this terminal has no key yet');
    return { key: this.#key, holder: this.#token };
  }

  /** Makes this device a terminal, by the secret of an activation link. */
  async activate(secret: string): Promise<void> {
    await navigator.storage?.persist?.().catch(() => false);
    // Kept before it is used: an answer that is lost is asked for again by the same key. What this device is until then it stays.
    const key = (await this.store.get('keys', 'pending')) ?? (await generate());
    await this.store.put('keys', key, 'pending');
    const { access_token, token_expires_at } = await api.activate(key, secret);
    await this.leave();
    [this.#key, this.#token] = [key, { access_token, token_expires_at }];
    await this.store.put('keys', key, 'terminal');
    await put(this.store, 'token', this.#token);
    this.dead = undefined;
    await this.refresh();
    this.activated += 1;
  }

  /** Forgets this terminal: its key, its token, its history. */
  async leave(): Promise<void> {
    await erase(this.store);
    [this.#key, this.#token] = [undefined, undefined];
    Object.assign(this, { own: undefined, settings: {}, visit: undefined, answer: undefined, waiting: 0 });
  }

  /** Learns again what it may ask for, and has its token renewed in time. Without a network what is known does. */
  async refresh(): Promise<void> {
    if (!this.#token) return;
    try {
      if (Date.parse(this.#token.token_expires_at) - Date.now() < RENEW_DAYS * DAY_MS) {
        const { access_token, token_expires_at } = await api.renewToken(await this.caller());
        this.#token = { access_token, token_expires_at };
        await put(this.store, 'token', this.#token);
      }
      const own = await api.own(await this.caller());
      await put(this.store, 'own', own);
      [this.own, this.dead] = [own, undefined];
    } catch (error) {
      this.#died(error instanceof Problem ? error.body.code : undefined);
    }
  }

  async choose(settings: Settings): Promise<void> {
    this.settings = { ...this.settings, ...settings };
    await put(this.store, 'settings', this.settings);
  }

  /** Somebody shows a code. */
  async begin(code: string, purpose: string, on: api.On): Promise<void> {
    const visit: Visit = { id: crypto.randomUUID(), at: Date.now(), purpose, on, code };
    await this.store.put('visits', visit);
    [this.visit, this.answer, this.stuck] = [visit, undefined, false];
    void this.#run(visit.id);
  }

  /** Their face was captured. */
  async submit(nonce: string, frames: Frame[]): Promise<void> {
    const id = this.visit?.id;
    if (!id) return;
    this.sent = 0;
    const capture = { key: crypto.randomUUID(), nonce, frames };
    const changed = await change(this.store, id, ({ unusable: _, ...rest }) => ({ ...rest, capture }));
    if (changed) await this.#changed(changed);
    void this.#run(id);
  }

  /** The next person. What is on its way stays on its way; what waits for this one is taken back. */
  async next(): Promise<void> {
    const visit = this.visit;
    [this.visit, this.answer] = [undefined, undefined];
    const id = visit?.redemption?.id;
    if (visit && id && !visit.ended && !visit.capture) {
      await change(this.store, visit.id, (now) => over(now, { kind: 'cancelled', why: ['relying_party'] }));
      // Should this fail, it runs out by itself, and costs nothing either.
      await api.cancel(await this.caller(), id).catch(() => undefined);
    }
    await trim(this.store);
    await this.#count();
  }

  async #run(id: string): Promise<void> {
    await this.#courier.run(id).catch(() => undefined);
    await this.#count();
  }

  async #changed(visit: Visit): Promise<void> {
    if (visit.id === this.visit?.id) this.visit = visit;
    if (visit.ended?.kind === 'refused') this.#died(visit.ended.why[0]);
    await this.#count();
  }

  #died(code: string | undefined): void {
    if (code === 'terminal-revoked' || code === 'unauthenticated') this.dead = code;
  }

  async #count(): Promise<void> {
    const due = (await visits(this.store)).filter((visit) => isDue(visit) && visit.id !== this.visit?.id);
    this.waiting = due.length;
  }
}
