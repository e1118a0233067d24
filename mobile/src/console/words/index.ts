import { spoken } from '../../lib/i18n/locale.svelte';
import { en } from './en';
import { type Words, zh } from './zh';

/** The console's words in the language that is spoken. */
export const w = (): Words => spoken({ zh, en });
