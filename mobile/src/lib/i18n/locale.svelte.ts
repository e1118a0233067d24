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
    document.title = t().app;
  }
}

export const looks = new Looks();

/** The words of the language that is spoken. */
export function t(): Messages {
  return looks.spoken === 'zh' ? zh : en;
}

/** What the service says, in that language. */
export function said(message: HolderMessage): string {
  return message[looks.spoken];
}

/** A day as people write it. */
export function day(date: string): string {
  const parsed = new Date(date.length === 10 ? `${date}T00:00:00` : date);
  return parsed.toLocaleDateString(looks.spoken === 'zh' ? 'zh-CN' : 'en-GB', { dateStyle: 'long' });
}
