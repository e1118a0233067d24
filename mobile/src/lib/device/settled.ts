/** Milliseconds for which a hint must hold before it is shown, and for which one stays: words that flicker help nobody. */
const SETTLES_MS = 350;
const STAYS_MS = 900;

/** What is shown of hints that come and go; nothing is a hint too. */
export class Settled<Hint> {
  #shown: Hint | undefined;
  #since = -Infinity;
  #next: Hint | undefined;
  #nextSince = -Infinity;

  /** Takes the hint of now, in milliseconds; gives the one to show. */
  take(hint: Hint | undefined, at: number): Hint | undefined {
    if (hint !== this.#next) [this.#next, this.#nextSince] = [hint, at];
    const isSettled = at - this.#nextSince >= SETTLES_MS && at - this.#since >= STAYS_MS;
    if (hint !== this.#shown && isSettled) [this.#shown, this.#since] = [hint, at];
    return this.#shown;
  }
}
