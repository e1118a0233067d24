import type { Frame } from '../wire/capture';
import { type Progress, sendFace } from './captures';
import { type Caller, call, callTwice } from './client';
import type { Challenge, Judged, OverAsking, Use } from './types';

/** A page, and where the next one begins. */
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

/** Shows the face for a request that was agreed to. */
export async function submitApproval(
  caller: Caller,
  id: string,
  nonce: string,
  frames: Frame[],
  progress: Progress,
): Promise<Judged> {
  return sendFace(`/v1/me/redemptions/${id}/captures`, caller, nonce, frames, progress);
}
