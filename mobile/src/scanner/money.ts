import { looks } from '../lib/i18n/locale.svelte';
import type { Money } from './api';

/** An amount of money as people write it. */
export function money({ currency, micros }: Money): string {
  const style = { style: 'currency', currency, maximumFractionDigits: 6 } as const;
  return (micros / 1_000_000).toLocaleString(looks.spoken === 'zh' ? 'zh-CN' : 'en-GB', style);
}
