import { decode, encode } from '../wire/base64url';
import type { Frame } from '../wire/capture';
import type { Share } from '../wire/codes';
import { type Progress, sendFace } from './captures';
import { type Caller, call, callTwice } from './client';
import type { Challenge, Enrolled, EnrolmentShown, Fields, Holder, Issuer, Side, Started, Told } from './types';

/** Who the issuer is, and what is agreed to. */
export async function issuer(): Promise<Issuer> {
  return call('/.well-known/ecert');
}

/** Begins an enrolment with a new key; all purposes were agreed to. */
export async function startEnrolment(key: CryptoKeyPair, issuer: Issuer): Promise<Started> {
  return call('/v1/enrolments', { body: introduced(issuer), caller: { key } });
}

/** What is said by whoever begins: that they agree to everything, and what kind of phone this is. */
function introduced({ consent }: Issuer) {
  const { locale, timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const device = { os: 'web', locale: locale.slice(0, 64), time_zone: timeZone.slice(0, 64) };
  const agreed = { version: consent.version, purposes: consent.purposes.map(({ id }) => id) };
  return { consent: agreed, device };
}

/** Begins to move an E-cert to this phone, by its holder's number; the answer is the same for every number. */
export async function startRecovery(key: CryptoKeyPair, issuer: Issuer, number: string): Promise<Started & { challenge: Challenge }> {
  return call('/v1/recoveries', { body: { ...introduced(issuer), document_number: number }, caller: { key } });
}

export async function submitRecovery(
  caller: Caller,
  id: string,
  nonce: string,
  frames: Frame[],
  progress: Progress,
): Promise<Enrolled> {
  return sendFace(`/v1/recoveries/${id}/captures`, caller, nonce, frames, progress);
}

export async function showRecovery(caller: Caller, id: string): Promise<EnrolmentShown> {
  return call(`/v1/recoveries/${id}`, { caller });
}


export async function submitDocument(
  caller: Caller,
  id: string,
  sides: Partial<Record<Side, Blob>>,
  progress: Progress,
): Promise<Fields> {
  const body = new FormData();
  for (const [side, picture] of Object.entries(sides)) body.append(side, picture, `${side}.jpg`);
  const read = await callTwice<{ fields: Fields }>(`/v1/enrolments/${id}/document`, { body, caller, progress });
  return read.fields;
}

/** What was read is right; what the face must show now. */
export async function confirm(caller: Caller, id: string): Promise<Challenge> {
  return callTwice(`/v1/enrolments/${id}/confirmation`, { method: 'POST', caller });
}

export async function submitCapture(
  caller: Caller,
  id: string,
  nonce: string,
  frames: Frame[],
  progress: Progress,
): Promise<Enrolled> {
  return sendFace(`/v1/enrolments/${id}/captures`, caller, nonce, frames, progress);
}

export async function showEnrolment(caller: Caller, id: string): Promise<EnrolmentShown> {
  return call(`/v1/enrolments/${id}`, { caller });
}

/** A handle for each public key, in their order. */
export async function handlesFor(caller: Caller, keys: Uint8Array[]): Promise<Uint8Array<ArrayBuffer>[]> {
  const body = { keys: keys.map(encode) };
  const { handles } = await call<{ handles: string[] }>('/v1/me/handles', { body, caller });
  return handles.map(decode);
}

/** Sixteen digits, good once and until then. */
export async function mintDigits(caller: Caller, share: Share): Promise<{ code: string; expires_at: string }> {
  return call('/v1/me/codes', { body: { share }, caller });
}

/** The last hundred notices, newest first. */
export async function notices(caller: Caller): Promise<Told[]> {
  return (await call<{ notices: Told[] }>('/v1/me/notices', { caller })).notices;
}

/** Another token; the one before ends when this one is first used. */
export async function renewToken(caller: Caller): Promise<Holder> {
  return call('/v1/me/token', { method: 'POST', caller });
}
