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
  const token = /ea_\S+/.exec(service.command('admin', 'add', '--name', 'browser'))?.[0];
  return fetch(service.base + path, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
}

/** A shop that redeems codes over the API, as its till would. */
export class RelyingParty {
  private constructor(
    private readonly base: string,
    private readonly key: string,
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

  /** Shows the face that stands at the till. */
  async judge(redemption: Json, pictures: Uint8Array<ArrayBuffer>[]): Promise<Answer> {
    const { nonce } = redemption['challenge'] as { nonce: string };
    const frames = pictures.map((bytes, at) => ({ bytes, step: 'still', atMs: at * 200 }));
    const parts = new FormData();
    parts.append('capture', new Blob([await statement(nonce, frames)]));
    frames.forEach(({ bytes }) => parts.append('frame', new Blob([bytes]), 'frame.jpg'));
    return this.#post(`/v1/redemptions/${String(redemption['id'])}/captures`, parts);
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
