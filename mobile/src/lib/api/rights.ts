import { type Caller, Unreachable, call, credentials, refused } from './client';
import type { Consents } from './types';

const COPY = '/v1/me/export';

/** Everything that the service holds about the holder, as a ZIP. */
export async function copy(caller: Caller, language: string): Promise<Blob> {
  const headers = { ...(await credentials('GET', COPY, caller)), 'Accept-Language': language };
  const answer = await fetch(COPY, { headers, cache: 'no-store' }).catch(() => {
    throw new Unreachable();
  });
  if (!answer.ok) throw refused(await answer.text());
  return answer.blob();
}

/** Erases all that says who the holder is; the signed receipt of it. */
export async function eraseHolder(caller: Caller): Promise<string> {
  return (await call<{ receipt: string }>('/v1/me/erasure', { body: { confirm: 'erase' }, caller })).receipt;
}

/** To what the holder agreed, and who got what. */
export async function consents(caller: Caller): Promise<Consents> {
  return call('/v1/me/consents', { caller });
}

/** Gives a relying party again that was given nothing any more. */
export async function unblock(caller: Caller, relyingParty: string): Promise<void> {
  await call(`/v1/me/consents/blocks/${relyingParty}`, { method: 'DELETE', caller });
}

/** Takes back what one was given; with `block`, it is given nothing from now on. */
export async function withdraw(caller: Caller, relyingParty: string, block: boolean): Promise<void> {
  await call('/v1/me/consents/withdrawals', { body: { relying_party: relyingParty, block }, caller });
}
