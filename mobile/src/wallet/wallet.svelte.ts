import { type Caller, Problem } from '../lib/api/client';
import * as api from '../lib/api/holder';
import type { Challenge, Enrolment, Holder, Issued, Issuer } from '../lib/api/types';
import * as handles from '../lib/device/handles';
import { deviceKey, newDeviceKey } from '../lib/device/key';
import { Locked, close, lockOf, turnOff, turnOn, unlock } from '../lib/device/lock';
import { makePasskey, secretOf } from '../lib/device/passkey';
import {
  type Card,
  type Paper,
  type PhoneEnd,
  type Standing,
  type Store,
  erase,
  forget,
  get,
  keepIssued,
  open,
  put,
} from '../lib/device/store';

/** Days before its end at which an access token is renewed: three in a quarter. */
const RENEW_DAYS = 30;
const DAY_MS = 86_400_000;
/** What a notice makes of the E-cert; of other kinds it stays as it was. */
const STANDINGS: Record<string, Standing> = {
  enrolled: 'active',
  recovered: 'active',
  reactivated: 'active',
  suspended: 'suspended',
  revoked: 'revoked',
};

const PHONE_ENDS: readonly PhoneEnd[] = ['device-replaced', 'device-revoked'];

/** What this phone knows, and what can be done with it. Everything is in the store first, and on the screen then. */
export class Wallet {
  readonly store: Store;
  enrolment: Enrolment | undefined = $state.raw();
  card: Card | undefined = $state.raw();
  paper: Paper | undefined = $state.raw();
  standing: Standing = $state('active');
  /** There is a lock, and it is closed: nothing of the card is in memory. */
  locked = $state(false);
  #holder: Holder | undefined;
  #hasLock = false;
  /** What other tabs are told when a lock was put on or taken off: what they have in memory does not hold any more. */
  readonly #tabs = new BroadcastChannel('ecert-lock');

  private constructor(store: Store) {
    this.store = store;
    this.#tabs.onmessage = () => location.reload();
  }

  /** As it was left, or locked. */
  static async load(): Promise<Wallet> {
    const wallet = new Wallet(await open());
    wallet.#hasLock = wallet.locked = (await lockOf(wallet.store)) !== undefined;
    await wallet.#read();
    return wallet;
  }

  async #read(): Promise<void> {
    const { store } = this;
    const sealed = async <T>(read: () => Promise<T>) => (this.locked ? undefined : read());
    const [holder, card, enrolment, paper, standing] = await Promise.all([
      sealed(() => get(store, 'holder')),
      sealed(() => get(store, 'card')),
      get(store, 'enrolment'),
      get(store, 'paper'),
      get(store, 'standing'),
    ]);
    this.#holder = holder;
    Object.assign(this, { enrolment, card, paper, standing: standing ?? 'active' });
  }

  /** Asks the person for their face, finger or screen lock, and opens what was sealed. */
  async unlock(): Promise<void> {
    const passkey = await lockOf(this.store);
    if (passkey) await unlock(this.store, await secretOf(passkey));
    this.locked = false;
    await this.#read();
  }

  /** Closes what there is a lock for, and forgets what was read of it. At once, before anything else looks at the card. */
  lock(): void {
    if (!this.card || !this.#hasLock) return;
    close(this.store);
    this.#holder = undefined;
    Object.assign(this, { card: undefined, locked: true });
  }

  /** Puts a lock on: from now on the card, the token and the handles are sealed under a secret that a passkey of this phone gives. */
  async lockWithPasskey(): Promise<void> {
    const { passkey, secret } = await makePasskey();
    await turnOn(this.store, passkey, secret);
    this.#hasLock = true;
    this.#tabs.postMessage('on');
  }

  /** Takes it off, after the person was asked once more: whoever holds an open phone for a moment can't. */
  async takeLockOff(): Promise<void> {
    const passkey = await lockOf(this.store);
    if (!passkey) return;
    await unlock(this.store, await secretOf(passkey));
    await turnOff(this.store);
    this.#hasLock = false;
    this.#tabs.postMessage('off');
  }

  /** What a request is made with. Throws before there is an enrolment, and while it is locked. */
  async caller(): Promise<Caller> {
    if (this.locked) throw new Locked();
    const key = await deviceKey(this.store);
    if (!key) throw new Error('this phone has no key yet');
    return { key, holder: this.#holder };
  }

  /** Begins an enrolment, after everything was agreed to. */
  async begin(issuer: Issuer): Promise<void> {
    const key = await newDeviceKey(this.store);
    const { id, access_token, token_expires_at, enrolment_expires_at } = await api.startEnrolment(key, issuer);
    this.#holder = { access_token, token_expires_at };
    await put(this.store, 'holder', this.#holder);
    await this.step({ id, expires_at: enrolment_expires_at, step: 'document' });
  }

  /** Begins to move an E-cert here from another phone: what the face must show. Begun anew, it stays with the same key. */
  async beginRecovery(issuer: Issuer, number: string): Promise<{ id: string; challenge: Challenge }> {
    const key = (await deviceKey(this.store)) ?? (await newDeviceKey(this.store));
    const started = await api.startRecovery(key, issuer, number);
    const { id, challenge, access_token, token_expires_at, enrolment_expires_at } = started;
    this.#holder = { access_token, token_expires_at };
    await put(this.store, 'holder', this.#holder);
    await this.step({ id, kind: 'recovery', expires_at: enrolment_expires_at, step: 'face' });
    return { id, challenge };
  }

  /** The enrolment is here now. */
  async step(enrolment: Enrolment): Promise<void> {
    await put(this.store, 'enrolment', enrolment);
    this.enrolment = enrolment;
  }

  /** Keeps the E-cert. Handles for its codes are fetched when it is first shown. */
  async approved(issued: Issued): Promise<void> {
    await keepIssued(this.store, issued);
    this.card = await get(this.store, 'card');
    this.paper = await get(this.store, 'paper');
    this.enrolment = undefined;
    this.standing = 'active';
  }

  /** The code is on paper now, and nowhere else. */
  async paperKept(): Promise<void> {
    await forget(this.store, 'paper');
    this.paper = undefined;
  }

  /** Forgets an enrolment that led nowhere, or an E-cert that ended, and its keys. */
  async startAnew(): Promise<void> {
    await erase(this.store);
    this.#holder = undefined;
    this.#hasLock = false;
    Object.assign(this, { enrolment: undefined, card: undefined, paper: undefined, standing: 'active', locked: false });
  }

  /**
   * Asks whether the E-cert still holds. Fetches handles where few are left, and another token in time: one after the other, over all tabs, since a batch too many would
   * have the service retire what is in use. Gives what the service has against it.
   */
  async refresh(): Promise<Problem | undefined> {
    return navigator.locks.request('refresh', () => this.#refresh());
  }

  async #refresh(): Promise<Problem | undefined> {
    try {
      await this.#renewToken();
      await this.#learnStanding();
      if (this.standing !== 'active') return undefined;
      if ((await handles.unused(this.store)) >= handles.REFILL_BELOW) return undefined;
      const keys = await handles.keysToSend(this.store);
      const ids = await api.handlesFor(await this.caller(), keys.map(({ sec1 }) => sec1));
      await handles.add(this.store, ids, keys);
    } catch (error) {
      const end = PHONE_ENDS.find((end) => error instanceof Problem && error.is(end));
      if (end) await this.#stands(end);
      // Without a network the codes that are there do.
      return error instanceof Problem ? error : undefined;
    }
    return undefined;
  }

  async #learnStanding(): Promise<void> {
    const told = await api.notices(await this.caller());
    const standing = told.map(({ kind }) => STANDINGS[kind]).find((known) => known !== undefined);
    if (standing) await this.#stands(standing);
  }

  async #stands(standing: Standing): Promise<void> {
    if (standing === this.standing) return;
    await put(this.store, 'standing', standing);
    this.standing = standing;
  }

  async #renewToken(): Promise<void> {
    if (!this.#holder || Date.parse(this.#holder.token_expires_at) - Date.now() > RENEW_DAYS * DAY_MS) return;
    const { access_token, token_expires_at } = await api.renewToken(await this.caller());
    const holder = { access_token, token_expires_at };
    await put(this.store, 'holder', holder);
    this.#holder = holder;
  }
}
