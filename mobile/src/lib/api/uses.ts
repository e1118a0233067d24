import { type Frame, form } from '../wire/capture';
import { type Caller, call, callTwice } from './client';
import type { Challenge } from './types';

/** Whole millionths of a currency. */
export interface Amount {
  currency: string;
  micros: number;
}

export interface RelyingParty {
  id: string;
  name: string;
}

/** A use of a code of this holder's, or a request that waits for them (docs/API.md). */
export interface Use {
  id: string;
  relying_party: RelyingParty;
  at: string;
  state: 'awaiting_holder' | 'challenged' | 'passed' | 'failed' | 'cancelled' | 'expired';
  capture: 'holder' | 'rp';
  purpose: string;
  asked: string[];
  /** What was given, or will be if the holder agrees. */
  given: string[];
  amount?: Amount;
  cancelled?: 'by_relying_party' | 'refused' | 'reported' | 'number_mismatch';
  answer_by?: string;
  /** After the holder agreed: what the face must show. */
  challenge?: Challenge;
}

/** A request for more than its relying party registered; it was refused. */
export interface OverAsking {
  relying_party: RelyingParty;
  at: string;
  purpose: string;
  asked: string[];
  refusal: string;
}

export interface Uses {
  redemptions: Use[];
  over_asked: OverAsking[];
  next?: string;
}

/** A page of the uses: what waits first, then the newest. */
export async function uses(caller: Caller, before?: string): Promise<Uses> {
  return call(`/v1/me/redemptions${before ? `?before=${before}` : ''}`, { caller });
}

export async function showUse(caller: Caller, id: string): Promise<Use> {
  return call(`/v1/me/redemptions/${id}`, { caller });
}

/** What the holder says to a request. */
export type Decision = { decision: 'agree'; number: string } | { decision: 'refuse' | 'report' };

/** Answers a request; the same answer twice is one. */
export async function decide(caller: Caller, id: string, decision: Decision): Promise<{ challenge?: Challenge }> {
  return callTwice(`/v1/me/redemptions/${id}/approval`, { body: decision, caller });
}

/** What came of a face that was shown on this phone. */
export interface Judged {
  outcome: 'passed' | 'failed';
  given: string[];
}

/** Shows the face for a request that was agreed to. */
export async function submitApproval(
  caller: Caller,
  id: string,
  nonce: string,
  frames: Frame[],
  progress: (part: number) => void,
): Promise<Judged> {
  const body = await form(nonce, frames, caller.key.privateKey);
  return callTwice(`/v1/me/redemptions/${id}/captures`, { body, caller, progress });
}
