import { type Caller, Problem } from '../lib/api/client';
import * as api from '../lib/api/holder';
import type { Enrolment, Holder, Issued } from '../lib/api/types';
import * as handles from '../lib/device/handles';
import { deviceKey, newDeviceKey } from '../lib/device/key';
import {
  type Card,
  type Paper,
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

/** What this phone knows, and what can be done with it. Everything is in the store first, and on the screen then. */
export class Wallet {
  readonly store: Store;
  enrolment: Enrolment | undefined = $state.raw();
  card: Card | undefined = $state.raw();
  paper: Paper | undefined = $state.raw();
  standing: Standing = $state('active');
  #holder: Holder | undefined;

  private constructor(store: Store) {
    this.store = store;
  }

  /** As it was left. */
  static async load(): Promise<Wallet> {
    const wallet = new Wallet(await open());
    const [holder, enrolment, card, paper, standing] = await Promise.all([
      get(wallet.store, 'holder'),
      get(wallet.store, 'enrolment'),
      get(wallet.store, 'card'),
      get(wallet.store, 'paper'),
      get(wallet.store, 'standing'),
    ]);
    wallet.#holder = holder;
    Object.assign(wallet, { enrolment, card, paper, standing: standing ?? 'active' });
    return wallet;
  }

  /** What a request is made with. Throws before there is an enrolment. */
  async caller(): Promise<Caller> {
    const key = await deviceKey(this.store);
    if (!key) throw new Error('this phone has no key yet');
    return { key, holder: this.#holder };
  }

  /** Begins an enrolment, after everything was agreed to. */
  async begin(issuer: Parameters<typeof api.startEnrolment>[1]): Promise<void> {
    const key = await newDeviceKey(this.store);
    const { id, access_token, token_expires_at, enrolment_expires_at } = await api.startEnrolment(key, issuer);
    this.#holder = { access_token, token_expires_at };
    await put(this.store, 'holder', this.#holder);
    await this.step({ id, expires_at: enrolment_expires_at, step: 'document' });
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
    Object.assign(this, { enrolment: undefined, card: undefined, paper: undefined, standing: 'active' });
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
      // Without a network the codes that are there do.
      return error instanceof Problem ? error : undefined;
    }
    return undefined;
  }

  async #learnStanding(): Promise<void> {
    const told = await api.notices(await this.caller());
    const standing = told.map(({ kind }) => STANDINGS[kind]).find((known) => known !== undefined);
    if (!standing || standing === this.standing) return;
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
