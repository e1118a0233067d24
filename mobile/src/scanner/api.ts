import { type Caller, call } from '../lib/api/client';
import type { components } from '../lib/api/schema';
import type { Challenge, Holder } from '../lib/api/types';
import { type Frame, form } from '../lib/wire/capture';
import type { ServiceKey } from '../lib/wire/jws';

/** Who this terminal is, whose, and what it may ask for (`GET /v1/terminal`). */
export type Own = components['schemas']['OwnTerminal'];

/** On whose device the face is captured. */
export type On = 'rp' | 'holder';

/** A redemption that is not judged. */
export interface Opened {
  id: string;
  state: 'challenged' | 'awaiting_holder' | 'cancelled' | 'expired';
  challenge?: Challenge;
  number?: string;
  answer_by?: string;
  cancelled_by?: 'relying_party' | 'holder';
}

/** A redemption that is. */
export interface Judged {
  id: string;
  outcome: 'passed' | 'failed';
  attributes: Record<string, string | boolean | number>;
  judgement: { reasons: string[] };
  receipt: string;
}

export async function activate(key: CryptoKeyPair, activation: string): Promise<Holder & { id: string }> {
  return call('/v1/terminals:activate', { body: { activation }, caller: { key } });
}

export async function own(caller: Caller): Promise<Own> {
  return call('/v1/terminal', { caller });
}

export async function renewToken(caller: Caller): Promise<Holder> {
  return call('/v1/terminal/token', { method: 'POST', caller });
}

/** Opens a redemption: the code is used up, whatever comes of it. */
export async function open(
  caller: Caller,
  { code, purpose, on }: { code: string; purpose: string; on: On },
  idempotencyKey: string,
): Promise<Opened> {
  const body = { code, purpose, ...(on === 'holder' ? { capture: on } : {}) };
  return call('/v1/redemptions', { body, caller, idempotencyKey });
}

export async function submit(
  caller: Caller,
  id: string,
  { nonce, frames }: { nonce: string; frames: Frame[] },
  idempotencyKey: string,
  progress: (part: number) => void,
): Promise<Judged> {
  const body = await form(nonce, frames);
  return call(`/v1/redemptions/${id}/captures`, { body, caller, idempotencyKey, progress });
}

export async function show(caller: Caller, id: string): Promise<Opened | Judged> {
  return call(`/v1/redemptions/${id}`, { caller });
}

export async function cancel(caller: Caller, id: string): Promise<Opened> {
  return call(`/v1/redemptions/${id}:cancel`, { method: 'POST', caller });
}

/** The keys that verify what the service signed. */
export async function serviceKeys(): Promise<ServiceKey[]> {
  return (await call<{ keys: ServiceKey[] }>('/.well-known/ecert')).keys;
}
