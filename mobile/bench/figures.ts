import { mkdirSync, writeFileSync } from 'node:fs';

/** One line of the result, as the other benches write theirs (tests/src/figures.rs). */
export interface Figure {
  name: string;
  value: number;
  unit: string;
  goal: string | null;
  ok: boolean | null;
}

const FOLDER = new URL('../../target/bench/', import.meta.url);

/** What was measured, in its order. */
export class Figures {
  readonly #all: Figure[] = [];

  /** A figure without a goal. */
  note(name: string, value: number, unit: string): void {
    this.#all.push({ name, value, unit, goal: null, ok: null });
  }

  atMost(most: number, name: string, value: number, unit: string): void {
    this.#all.push({ name, value, unit, goal: `≤ ${most}`, ok: value <= most });
  }

  atLeast(least: number, name: string, value: number, unit: string): void {
    this.#all.push({ name, value, unit, goal: `≥ ${least}`, ok: value >= least });
  }

  get json(): string {
    return JSON.stringify(this.#all, undefined, 2);
  }

  get table(): string {
    const line = (name: string, value: string, unit: string, goal: string, met: string) =>
      `${name.padEnd(58)} ${value.padStart(11)} ${unit.padEnd(8)} ${goal.padEnd(11)} ${met}`.trimEnd();
    const met = (ok: boolean | null) => (ok === null ? '' : ok ? 'yes' : 'NO');
    const lines = this.#all.map(({ name, value, unit, goal, ok }) => line(name, value.toFixed(3), unit, goal ?? '', met(ok)));
    return [line('figure', 'value', 'unit', 'goal', 'met'), ...lines].join('\n');
  }

  /** Keeps them in `target/bench/web.json`. */
  save(): void {
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(new URL('web.json', FOLDER), this.json);
  }
}

/** The value below which this part of them lies; of an even number the upper one of the two in the middle is the median. */
export function quantile(values: number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(Math.floor(sorted.length * part), sorted.length - 1)] ?? NaN;
}

/** What is going on, for whoever waits. */
export function say(words: string): void {
  process.stderr.write(`${words}\n`);
}
