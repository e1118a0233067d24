import { type Caller, Unreachable, credentials, refused } from './client';

/** Something that waits for the holder. */
export interface Waiting {
  id: string;
  state: 'awaiting_holder' | 'challenged';
}

/** The service says something at least every fifteen seconds; a line that is silent for longer is dead. */
const SILENCE_MS = 40_000;
const PATH = '/v1/me/events';

/**
 * Listens until the service ends the stream, and tells all that waits whenever it changes. By `fetch`: an `EventSource` can't send a proof.
 *
 * Throws a `Problem` when it is refused, {@link Unreachable} when the line breaks, and whatever `signal` was aborted with.
 */
export async function listen(caller: Caller, signal: AbortSignal, told: (waiting: Waiting[]) => void): Promise<void> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    const headers = await credentials('GET', PATH, caller);
    const answer = await fetch(PATH, { headers, cache: 'no-store', signal: AbortSignal.any([signal, silence.signal]) });
    if (!answer.ok || !answer.body) throw refused(await answer.text());
    const texts = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (let read = await texts.read(); !read.done; read = await texts.read()) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
      const events = (rest + read.value).split('\n\n');
      rest = events.pop() ?? '';
      events.map(waiting).forEach((all) => all && told(all));
    }
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof TypeError || silence.signal.aborted ? new Unreachable() : error;
  } finally {
    clearTimeout(timer);
  }
}

/** What an event says; nothing if it is a heartbeat, or of a kind that we do not know. */
export function waiting(event: string): Waiting[] | undefined {
  const lines = event.split('\n');
  if (!lines.includes('event: waiting')) return undefined;
  const data = lines.filter((line) => line.startsWith('data: ')).map((line) => line.slice('data: '.length));
  return (JSON.parse(data.join('\n')) as { redemptions: Waiting[] }).redemptions;
}
