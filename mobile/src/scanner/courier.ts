import { type Caller, Problem, Unreachable } from '../lib/api/client';
import { type ServiceKey, verified } from '../lib/wire/jws';
import * as api from './api';
import { type Ended, type Kept, type Store, type Visit, change, over } from './store';

/** Milliseconds between looks at what a holder's phone has done. */
const LOOK_MS = 2000;
/** Milliseconds before the second try, doubled for each that follows, up to the most. */
const AGAIN_MS = 1000;
const AGAIN_AT_MOST_MS = 30_000;
/** What a service says that could not do it now: the same request may come again. */
const PASSING = ['overloaded', 'request-in-progress', 'test-clock-advancing'];
const RECEIPT_TYPES = ['ecert-receipt+jwt', 'ecert-sandbox-receipt+jwt'];

/** What a courier tells while it is on its way. */
export interface Watcher {
  /** The visit as it stands now. */
  changed(visit: Visit): void;
  /** The answer, of which nothing is kept. */
  answered(visit: Visit, judged: api.Judged): void;
  /** How much of the pictures has gone out, 0 to 1. */
  sent(id: string, part: number): void;
  /** Whether it waits for the network or the service. */
  stuck(id: string, isStuck: boolean): void;
}

/** Whether the same request may be answered otherwise another time. */
function isPassing(error: unknown): boolean {
  if (error instanceof Unreachable) return true;
  return error instanceof Problem && (error.is(...PASSING) || error.body.status >= 500);
}

/** Whether there is something to be done without the person. */
export function isDue({ ended, redemption, capture }: Visit): boolean {
  const isAsked = redemption && 'state' in redemption && redemption.state === 'awaiting_holder';
  return !ended && (!redemption || capture !== undefined || isAsked === true);
}

/** Brings visits to the service, each request until it is answered, in this tab alone. */
export class Courier {
  constructor(
    private readonly store: Store,
    private readonly caller: () => Promise<Caller>,
    private readonly watcher: Watcher,
  ) {}

  /** Goes on with a visit until it waits for the person, or is over. Where another tab does so already, nothing happens. */
  async run(id: string): Promise<void> {
    await navigator.locks.request(`visit ${id}`, { ifAvailable: true }, async (lock) => {
      if (lock) await this.#run(id);
    });
  }

  async #run(id: string): Promise<void> {
    for (let tries = 0; ; ) {
      const visit = await this.store.get('visits', id);
      if (!visit || !isDue(visit)) break;
      try {
        await this.#step(visit);
        tries = 0;
        this.watcher.stuck(id, false);
      } catch (error) {
        if (!isPassing(error)) {
          await this.#refused(visit, error);
          break;
        }
        this.watcher.stuck(id, true);
        await pause(Math.min(AGAIN_MS * 2 ** tries, AGAIN_AT_MOST_MS));
        tries += 1;
      }
    }
    this.watcher.stuck(id, false);
  }

  async #step(visit: Visit): Promise<void> {
    const caller = await this.caller();
    const { code, redemption, capture } = visit;
    if (!redemption) {
      if (code === undefined) throw new Error('a visit without a code');
      const opened = await api.open(caller, { ...visit, code }, visit.id);
      await this.#change(visit, ({ code: _, ...rest }) => ({ ...rest, redemption: opened }));
    } else if (capture) {
      await this.#submit(caller, visit, redemption.id, capture);
    } else {
      await this.#look(caller, visit, redemption.id);
    }
  }

  async #submit(caller: Caller, visit: Visit, id: string, capture: NonNullable<Visit['capture']>): Promise<void> {
    try {
      const judged = await api.submit(caller, id, capture, capture.key, (part) => this.watcher.sent(visit.id, part));
      await this.#judged(visit, judged);
    } catch (error) {
      if (!(error instanceof Problem) || !error.is('capture-unusable', 'redemption-closed')) throw error;
      // Another try, if there is one: the service knows.
      const now = await api.show(caller, id);
      if ('outcome' in now) return this.#judged(visit, now);
      const unusable = error.body.holder_message;
      await this.#change(visit, ({ capture: _, ...rest }) => ({ ...rest, redemption: now, unusable }));
      if (now.state !== 'challenged') await this.#end(visit, { kind: 'expired', why: [] });
    }
  }

  /** What the holder did on their phone meanwhile. */
  async #look(caller: Caller, visit: Visit, id: string): Promise<void> {
    const now = await api.show(caller, id);
    if ('outcome' in now) return this.#judged(visit, now);
    if (now.state === 'cancelled') return this.#end(visit, { kind: 'cancelled', why: [now.cancelled_by ?? ''] });
    if (now.state === 'expired') return this.#end(visit, { kind: 'expired', why: [] });
    await pause(LOOK_MS);
  }

  async #judged(visit: Visit, judged: api.Judged): Promise<void> {
    this.watcher.answered(visit, judged);
    const receipts = [{ token: judged.receipt, genuine: await this.#isGenuine(judged) }];
    await this.#end(visit, { kind: judged.outcome, why: judged.judgement.reasons }, receipts);
  }

  /** Whether the receipt is signed by the service, and is of this redemption and its outcome. */
  async #isGenuine({ id, outcome, receipt }: api.Judged): Promise<boolean> {
    const keys = await api.serviceKeys().catch((): ServiceKey[] => []);
    const says = await verified<{ redemption?: string; outcome?: string }>(receipt, RECEIPT_TYPES, keys);
    return says?.redemption === id && says.outcome === outcome;
  }

  async #refused(visit: Visit, error: unknown): Promise<void> {
    const body = error instanceof Problem ? error.body : undefined;
    const message = body?.holder_message ? { message: body.holder_message } : {};
    await this.#end(visit, { kind: 'refused', why: [body?.code ?? 'broken'], ...message });
  }

  async #end(visit: Visit, ended: Ended, receipts?: Kept[]): Promise<void> {
    await this.#change(visit, (now) => over(now, ended, receipts));
  }

  async #change(visit: Visit, how: (visit: Visit) => Visit): Promise<void> {
    const changed = await change(this.store, visit.id, how);
    if (changed) this.watcher.changed(changed);
  }
}

/** Waits, but not once the network is back. */
function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener('online', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    addEventListener('online', end);
  });
}
