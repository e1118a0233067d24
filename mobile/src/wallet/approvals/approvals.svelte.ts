import { Problem } from '../../lib/api/client';
import { type Waiting, listen } from '../../lib/api/events';
import type { Use } from '../../lib/api/types';
import { showUse, uses } from '../../lib/api/uses';
import type { Wallet } from '../wallet.svelte';

/** Milliseconds between two questions where the service gives no stream, and at least between two streams. */
const ASK_EVERY_MS = 5000;

const pause = () => new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));

const isOpen = ({ state, capture }: Use) =>
  capture === 'holder' && (state === 'awaiting_holder' || state === 'challenged');

/** What relying parties ask the holder, as long as the wallet is looked at. */
export class Approvals {
  /** The request that is on the screen, as it was when it came there; it stays until the holder is done with it. */
  current: Use | undefined = $state.raw();
  /** What waits, as the service said last. */
  waiting: Waiting[] = $state.raw([]);

  constructor(private readonly wallet: Wallet) {}

  /** Watches until `signal` is aborted, or the service has nothing to say to this phone any more. */
  async watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const began = Date.now();
      try {
        await listen(await this.wallet.caller(), signal, (waiting) => void this.#told(waiting));
        // A stream ends by itself after some minutes. One that ended at once had no place, or a token in its last seconds.
        if (Date.now() - began < ASK_EVERY_MS) await pause();
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Problem && error.body.status < 500 && !error.is('rate-limited')) {
          await this.wallet.refresh();
          return;
        }
        await this.#ask();
        await pause();
      }
    }
  }

  /** The holder is done with it; the next one may come. */
  async done(): Promise<void> {
    const id = this.current?.id;
    this.current = undefined;
    await this.#told(this.waiting.filter((one) => one.id !== id));
  }

  async #told(waiting: Waiting[]): Promise<void> {
    this.waiting = waiting;
    const [first] = waiting;
    if (!first || this.current) return;
    // Without a network it is told again.
    const use = await showUse(await this.wallet.caller(), first.id).catch(() => undefined);
    if (use && isOpen(use)) this.current ??= use;
  }

  async #ask(): Promise<void> {
    const page = await uses(await this.wallet.caller()).catch(() => undefined);
    if (!page) return;
    const open = page.redemptions.filter(isOpen);
    this.waiting = open.map(({ id, state }) => ({ id, state }) as Waiting);
    this.current ??= open[0];
  }
}
