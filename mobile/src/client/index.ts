// What a relying party's own program calls the service with, in Node 20 or later, Deno, Bun or a worker: `fetch` and WebCrypto, nothing else.
// An API key belongs on a server. In a shop's browser or tablet, use a terminal (the scanner) instead.

import type { components } from '../lib/api/schema';
import { type Frame, form } from '../lib/wire/capture';
import { type ServiceKey, verified } from '../lib/wire/jws';

type Schemas = components['schemas'];

export type { Frame };
export type RedemptionRequest = Schemas['RedemptionRequest'];
export type Redemption = Schemas['Redemption'];
export type JudgedRedemption = Schemas['JudgedRedemption'];

/** The service said no, and why (RFC 9457). `code` is stable; what it means stands in docs/API.md. */
export class Refused extends Error {
  constructor(readonly problem: Schemas['Problem']) {
    super(`${problem.status} ${problem.code}: ${problem.detail ?? problem.title}`);
    this.name = 'Refused';
  }

  get code(): string {
    return this.problem.code;
  }
}

export interface Options {
  /** Where the service is: `https://ecert.example`. */
  base: string;
  /** `ek_live_…`, or `ek_test_…` in the sandbox. */
  key: string;
  /** How often a request is sent that was not answered, or was put off. */
  tries?: number;
  /** For tests, or a proxy. */
  fetch?: typeof fetch;
}

/** What may be sent again as it is: the service, or something before it, was busy. */
const PASSING = new Set([429, 502, 503, 504]);
/** The first of two such requests is still being answered. */
const IN_PROGRESS = 'request-in-progress';
const RECEIPTS = ['ecert-receipt+jwt', 'ecert-sandbox-receipt+jwt'];
/** Milliseconds before the second try, doubled for each that follows. */
const AGAIN_MS = 500;
/** Milliseconds that are waited if the service wants so; a limit of the day is no reason to hang till midnight. */
const PATIENCE_MS = 30_000;
/** Milliseconds between looks at what a holder's phone has done. */
const LOOK_MS = 2000;

/** One relying party's way to the service. */
export class Ecert {
  readonly #options: Required<Options>;
  #keys: ServiceKey[] = [];

  constructor(options: Options) {
    this.#options = { tries: 4, fetch: globalThis.fetch, ...options, base: options.base.replace(/\/$/, '') };
  }

  /**
   * Opens a redemption by the text of a QR or 16 digits: the code is used up. With `capture: "holder"` the answer has the two digits that
   * the holder enters on their phone; otherwise it has a `challenge` for the camera here.
   */
  redeem(request: RedemptionRequest, idempotencyKey: string = crypto.randomUUID()): Promise<Redemption> {
    return this.request('POST', '/v1/redemptions', request, idempotencyKey);
  }

  /** Shows the face that stands before the camera here. It is judged, and charged, once, however often it is sent. */
  async submit(opened: Redemption, frames: Frame[], idempotencyKey: string = crypto.randomUUID()): Promise<JudgedRedemption> {
    const nonce = opened.challenge?.nonce;
    if (nonce === undefined) throw new TypeError('this redemption waits for no capture here');
    return this.request('POST', `/v1/redemptions/${opened.id}/captures`, await form(nonce, frames), idempotencyKey);
  }

  /** How a redemption stands; a judged one has an `outcome`. */
  show(id: string): Promise<Redemption | JudgedRedemption> {
    return this.request('GET', `/v1/redemptions/${id}`);
  }

  /** Waits until a redemption is judged, cancelled or expired. */
  async finished(id: string, signal?: AbortSignal): Promise<Redemption | JudgedRedemption> {
    for (;;) {
      const now = await this.show(id);
      if ('outcome' in now || now.state === 'cancelled' || now.state === 'expired') return now;
      await pause(LOOK_MS);
      signal?.throwIfAborted();
    }
  }

  /** Takes back what is not judged yet; it is not billed. */
  cancel(id: string): Promise<Redemption> {
    return this.request('POST', `/v1/redemptions/${id}:cancel`);
  }

  /** What the receipt says, if the service signed it and it is of this redemption and its outcome; keep the receipt itself. */
  async receipt({ id, outcome, receipt }: JudgedRedemption): Promise<Record<string, unknown> | undefined> {
    // By the keys that are known, and if that fails by those of now: signers change.
    const says = (await this.#says(receipt, this.#keys)) ?? (await this.#says(receipt, await this.#refreshed()));
    return says?.['redemption'] === id && says['outcome'] === outcome ? says : undefined;
  }

  #says(receipt: string, keys: ServiceKey[]): Promise<Record<string, unknown> | undefined> {
    return verified(receipt, RECEIPTS, keys);
  }

  async #refreshed(): Promise<ServiceKey[]> {
    const { keys } = await this.request<{ keys: ServiceKey[] }>('GET', '/.well-known/ecert');
    return (this.#keys = keys);
  }

  /**
   * Any other request of docs/API.md, or one of another address of the service's. Throws {@link Refused}; and what `fetch` throws when nobody answers, after the last try. What is
   * charged has an Idempotency-Key, the same in every try.
   */
  async request<T>(method: string, path: string, body?: unknown, idempotencyKey?: string): Promise<T> {
    const { base, key, tries } = this.#options;
    const isForm = body instanceof FormData;
    const headers = {
      Authorization: `Bearer ${key}`,
      ...(body === undefined || isForm ? {} : { 'Content-Type': 'application/json' }),
      ...(idempotencyKey === undefined ? {} : { 'Idempotency-Key': idempotencyKey }),
    };
    const sent = { method, headers, body: body === undefined ? null : isForm ? body : JSON.stringify(body) };
    // What changes something and has no key to know it by again is sent once.
    const most = method === 'GET' || idempotencyKey !== undefined ? tries : 1;
    for (let at = 1; ; at += 1) {
      const answer = await this.#options.fetch(base + path, sent).catch((error: unknown) => {
        if (at >= most) throw error;
      });
      if (answer?.ok) return (answer.status === 204 ? undefined : await answer.json()) as T;
      const refused = answer && (await refusal(answer));
      if (refused && (at >= most || !isPassing(answer, refused))) throw refused;
      const wait = Number(answer?.headers.get('Retry-After')) * 1000 || AGAIN_MS * 2 ** (at - 1);
      if (refused && wait > PATIENCE_MS) throw refused;
      await pause(wait);
    }
  }
}

function isPassing({ status }: Response, refused: Error): boolean {
  return PASSING.has(status) || (refused instanceof Refused && refused.code === IN_PROGRESS);
}

async function refusal(answer: Response): Promise<Error> {
  const body: unknown = await answer.json().catch(() => undefined);
  const isProblem = typeof body === 'object' && body !== null && 'code' in body;
  return isProblem ? new Refused(body as Schemas['Problem']) : new Error(`${answer.status} by somebody on the way`);
}

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
