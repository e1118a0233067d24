import { type Frame, form } from '../wire/capture';
import { type Caller, callTwice } from './client';

/** How much has gone out, 0 to 1. */
export type Progress = (part: number) => void;

/** Sends what a challenge asked to see, signed by the phone's key; the same frames twice are judged once. */
export async function sendFace<T>(path: string, caller: Caller, nonce: string, frames: Frame[], progress: Progress): Promise<T> {
  const body = await form(nonce, frames, caller.key.privateKey);
  return callTwice(path, { body, caller, progress });
}
