import type { HolderMessage } from '../api/types';
import { en } from './en';
import { type Messages, zh } from './zh';

export type Language = 'zh' | 'en';
export type Theme = 'light' | 'dark';
export type Choice<T> = T | 'system';

// How it looks is no secret, and must be known before the first picture: so it is in localStorage, and nothing else is.
const kept = <T extends string>(name: string, known: readonly T[]): Choice<T> =>
  known.find((word) => word === localStorage.getItem(name)) ?? 'system';

const ofSystem = (): Language => (navigator.languages.some((tag) => tag.startsWith('zh')) ? 'zh' : 'en');

class Looks {
  language: Choice<Language> = $state(kept('language', ['zh', 'en']));
  theme: Choice<Theme> = $state(kept('theme', ['light', 'dark']));
  /** What the app is called. */
  title = () => t().app;
  /** What is spoken now. */
  readonly spoken: Language = $derived(this.language === 'system' ? ofSystem() : this.language);

  /** Chosen, and kept for the next time. */
  choose(looks: { language?: Choice<Language>; theme?: Choice<Theme> }): void {
    Object.assign(this, looks);
    Object.entries(looks).forEach(([name, choice]) => localStorage.setItem(name, choice));
    this.apply();
  }

  /** Tells the page, for style sheets and screen readers. */
  apply(): void {
    const page = document.documentElement;
    page.lang = this.spoken === 'zh' ? 'zh-CN' : 'en';
    page.dataset['theme'] = this.theme;
    document.title = this.title();
  }
}

export const looks = new Looks();

/** The words of the language that is spoken. */
export function t(): Messages {
  return looks.spoken === 'zh' ? zh : en;
}

/** The same of words that a screen brings along, so that they are loaded with it. `en` is typed as `zh` is. */
export function spoken<T>(words: Record<Language, T>): T {
  return words[looks.spoken];
}

/** What the service says, in that language. */
export function said(message: HolderMessage): string {
  return message[looks.spoken];
}

/** A moment as people write it, to the minute. */
export function moment(time: string): string {
  return new Date(time).toLocaleString(tag(), { dateStyle: 'medium', timeStyle: 'short' });
}

/** An amount of money; millionths of it are shown only where there are some. */
export function money({ currency, micros }: { currency: string; micros: number }): string {
  const style = { style: 'currency', currency, maximumFractionDigits: 6 } as const;
  return (micros / 1_000_000).toLocaleString(tag(), style);
}

const tag = () => (looks.spoken === 'zh' ? 'zh-CN' : 'en-GB');

/** A day as people write it. */
export function day(date: string): string {
  const parsed = new Date(date.length === 10 ? `${date}T00:00:00` : date);
  return parsed.toLocaleDateString(tag(), { dateStyle: 'long' });
}
