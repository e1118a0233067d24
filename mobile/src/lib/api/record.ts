import type { Share } from '../wire/codes';
import type { Evidence } from '../wire/log';
import { type Caller, call } from './client';
import { issuer } from './holder';
import type { Device, Standing } from './types';

/** What was done in one use, each act with its proof. */
export async function logOfUse(caller: Caller, id: string): Promise<Evidence[]> {
  return (await call<{ log: Evidence[] }>(`/v1/me/redemptions/${id}/log`, { caller })).log;
}

/** What was done with the holder's certificates and enrolments, oldest first, and where to go on. */
export async function acts(caller: Caller, from = 0): Promise<{ acts: Evidence[]; next: number | null }> {
  return call(`/v1/me/log?from=${from}&limit=100`, { caller });
}

/** The key that the service's log is signed by, as it names it. */
export async function keyOfLog(): Promise<string> {
  return (await issuer()).log.key;
}

export async function devices(caller: Caller): Promise<Device[]> {
  return (await call<{ devices: Device[] }>('/v1/me/devices', { caller })).devices;
}

/** Ends a phone: its token, and the certificates that are bound to its key. */
export async function revokeDevice(caller: Caller, jkt: string): Promise<void> {
  await call(`/v1/me/devices/${jkt}`, { method: 'DELETE', caller });
}

export async function revokeCertificate(caller: Caller, id: string): Promise<void> {
  await call(`/v1/me/certificates/${id}/revocation`, { method: 'POST', caller });
}

export async function standingNumber(caller: Caller): Promise<Standing> {
  return call('/v1/me/number', { caller });
}

/** Makes a number; the one before ends. */
export async function makeNumber(caller: Caller, share: Share): Promise<{ number: string; share: Share; made_at: string }> {
  return call('/v1/me/number', { body: { share }, caller });
}

export async function switchNumberOff(caller: Caller): Promise<void> {
  await call('/v1/me/number', { method: 'DELETE', caller });
}
