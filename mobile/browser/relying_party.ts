import { randomUUID } from 'node:crypto';

import { statement } from '../src/lib/wire/capture';
import type { Service } from './service';

type Json = Record<string, unknown>;

export interface Answer {
  status: number;
  body: Json;
}

/** Does something as a new admin of the service. */
export async function asAdmin(service: Service, path: string, body: Json): Promise<Response> {
  const token = /ea_\S+/.exec(service.command('admin', 'add', '--name', 'browser', '--role', 'operator', '--role', 'finance'))?.[0];
  return fetch(service.base + path, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
}

/** So many days from today. */
const date = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);

/** A shop that redeems codes over the API, as its till would. */
export class RelyingParty {
  /** The one that this key is of. */
  constructor(
    private readonly base: string,
    readonly key: string,
  ) {}

  static async admitted(service: Service): Promise<RelyingParty> {
    const body = { name: 'Corner Shop', purposes: [{ name: 'check', attributes: ['over_18', 'name'] }], services: ['ecert.redeem'] };
    const answer = await asAdmin(service, '/v1/admin/relying-parties', body);
    if (answer.status !== 201) throw new Error(`not admitted: ${answer.status} ${await answer.text()}`);
    return new RelyingParty(service.base, ((await answer.json()) as { api_key: string }).api_key);
  }

  /** `POST /v1/redemptions` */
  async redeem(code: string): Promise<Answer> {
    return this.#post('/v1/redemptions', JSON.stringify({ code, purpose: 'check' }), { 'Content-Type': 'application/json' });
  }

  /** Asks the holder on their own phone; the answer has the two digits that they enter there. */
  async ask(code: string, micros?: number): Promise<{ id: string; number: string }> {
    const amount = micros === undefined ? {} : { amount: { currency: 'CNY', micros } };
    const body = JSON.stringify({ code, purpose: 'check', capture: 'holder', ...amount });
    const answer = await this.#post('/v1/redemptions', body, { 'Content-Type': 'application/json' });
    if (answer.status !== 201) throw new Error(`not asked: ${JSON.stringify(answer)}`);
    return answer.body as { id: string; number: string };
  }

  /** Takes a redemption back. */
  async cancel(id: string): Promise<Answer> {
    return this.#post(`/v1/redemptions/${id}:cancel`, '');
  }

  /** How a redemption stands. */
  async shows(id: string): Promise<Json> {
    const answer = await fetch(`${this.base}/v1/redemptions/${id}`, { headers: { Authorization: `Bearer ${this.key}` } });
    return (await answer.json()) as Json;
  }

  /** Shows the face that stands at the till. */
  async judge(redemption: Json, pictures: Uint8Array<ArrayBuffer>[]): Promise<Answer> {
    const { nonce } = redemption['challenge'] as { nonce: string };
    const frames = pictures.map((bytes, at) => ({ bytes, step: 'still', atMs: at * 200 }));
    const parts = new FormData();
    parts.append('capture', new Blob([await statement(nonce, frames)]));
    frames.forEach(({ bytes }) => parts.append('frame', new Blob([bytes]), 'frame.jpg'));
    return this.#post(`/v1/redemptions/${String(redemption['id'])}/captures`, parts);
  }

  /** Adds a terminal; its id, and the link that activates it. */
  async terminal(name: string): Promise<{ id: string; activation_link: string }> {
    const body = JSON.stringify({ name });
    const answer = await this.#post('/v1/terminals', body, { 'Content-Type': 'application/json' });
    return answer.body as { id: string; activation_link: string };
  }

  /** Switches a terminal off. */
  async revoke(terminal: string): Promise<void> {
    const headers = { Authorization: `Bearer ${this.key}` };
    await fetch(`${this.base}/v1/terminals/${terminal}`, { method: 'DELETE', headers });
  }

  /** How many uses it was charged for. */
  async charged(): Promise<number> {
    const headers = { Authorization: `Bearer ${this.key}` };
    const answer = await fetch(`${this.base}/v1/usage?from=${date(-2)}&to=${date(2)}`, { headers });
    const { usage } = (await answer.json()) as { usage: { uses: number }[] };
    return usage.reduce((sum, { uses }) => sum + uses, 0);
  }

  async #post(path: string, body: string | FormData, headers: Record<string, string> = {}): Promise<Answer> {
    const answer = await fetch(this.base + path, {
      method: 'POST',
      headers: { ...headers, Authorization: `Bearer ${this.key}`, 'Idempotency-Key': randomUUID() },
      body,
    });
    return { status: answer.status, body: (await answer.json()) as Json };
  }
}
