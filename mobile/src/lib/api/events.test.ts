import { describe, expect, it, vi } from 'vitest';

import { generate } from '../wire/es256';
import { Problem, Unreachable } from './client';
import { type Waiting, listen } from './events';

vi.stubGlobal('location', { origin: 'https://ecert.example' });

/** What is told when the service's stream comes in these pieces. */
async function heard(pieces: string[], status = 200): Promise<Waiting[][]> {
  const body = new ReadableStream({
    start(stream) {
      pieces.forEach((piece) => stream.enqueue(new TextEncoder().encode(piece)));
      stream.close();
    },
  });
  vi.stubGlobal('fetch', async () => new Response(body, { status }));
  const told: Waiting[][] = [];
  await listen({ key: await generate() }, new AbortController().signal, (waiting) => told.push(waiting));
  return told;
}

const event = (...ids: string[]) =>
  `event: waiting\ndata: ${JSON.stringify({ redemptions: ids.map((id) => ({ id, state: 'awaiting_holder' })) })}\n\n`;

describe('a stream of events', () => {
  it('tells all that waits each time, however the line cuts it', async () => {
    const whole = `${event()}:\n\n${event('red_1')}event: later\ndata: {}\n\n${event('red_1', 'red_2')}`;
    const ids = [[], ['red_1'], ['red_1', 'red_2']];
    for (const size of [1, 7, whole.length]) {
      const pieces = whole.match(new RegExp(`[^]{1,${size}}`, 'g'))!;
      expect((await heard(pieces)).map((waiting) => waiting.map(({ id }) => id))).toEqual(ids);
    }
  });

  it('that is refused says why, and one that breaks says that', async () => {
    await expect(heard(['{"status":503,"code":"overloaded"}'], 503)).rejects.toBeInstanceOf(Problem);
    await expect(heard(['<html>'], 502)).rejects.toBeInstanceOf(Unreachable);
    vi.stubGlobal('fetch', async () => Promise.reject(new TypeError('network')));
    const call = listen({ key: await generate() }, new AbortController().signal, () => undefined);
    await expect(call).rejects.toBeInstanceOf(Unreachable);
  });
});
