import { describe, expect, test } from 'vitest';

import { Ecert, Refused } from './index';

type Sent = { url: string; key: string | null };

/** A service that answers these, one after the other; what was sent to it. */
function service(...answers: (Response | Error)[]): { ecert: Ecert; sent: Sent[] } {
  const sent: Sent[] = [];
  const fetch = async (url: unknown, init?: RequestInit) => {
    sent.push({ url: String(url), key: new Headers(init?.headers).get('Idempotency-Key') });
    const answer = answers.shift() ?? new Error('nothing more is answered');
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { ecert: new Ecert({ base: 'https://ecert.example/', key: 'ek_live_x', fetch: fetch as typeof globalThis.fetch }), sent };
}

const json = (status: number, body: unknown, headers: Record<string, string> = {}) => new Response(JSON.stringify(body), { status, headers });

describe('the client of a relying party', () => {
  test('sends the same request again under the same key until it is answered', async () => {
    const { ecert, sent } = service(new TypeError('no network'), json(503, { code: 'overloaded' }, { 'Retry-After': '0' }), json(201, { id: 'red_1' }));
    expect(await ecert.redeem({ code: 'Q1', purpose: 'check' })).toEqual({ id: 'red_1' });
    expect(new Set(sent.map(({ key }) => key)).size).toBe(1);
    expect(sent.map(({ url }) => url)).toEqual(Array(3).fill('https://ecert.example/v1/redemptions'));
  });

  test('says a refusal by its code, and does not ask twice', async () => {
    const { ecert, sent } = service(json(410, { status: 410, code: 'certificate-revoked', title: 'ended' }));
    const refused = await ecert.redeem({ code: 'Q1', purpose: 'check' }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Refused);
    expect((refused as Refused).code).toBe('certificate-revoked');
    expect(sent).toHaveLength(1);
  });

  test('sends what has no key once, since it might be done twice', async () => {
    const { ecert, sent } = service(new TypeError('no network'));
    await expect(ecert.cancel('red_1')).rejects.toThrow('no network');
    expect(sent).toHaveLength(1);
  });

  test('gives up after the last try', async () => {
    const { ecert, sent } = service(...Array.from({ length: 4 }, () => json(503, { status: 503, code: 'overloaded', title: 'busy' }, { 'Retry-After': '0.01' })));
    await expect(ecert.show('red_1')).rejects.toThrow('overloaded');
    expect(sent).toHaveLength(4);
  });
});
