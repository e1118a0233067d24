import { spoken } from '../../lib/i18n/locale.svelte';
import { type Words, en, zh } from './words';

/** These words in the language that is spoken. */
export const w = (): Words => spoken({ zh, en });
