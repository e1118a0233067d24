import { Problem, Unreachable } from '../lib/api/client';
import { t } from '../lib/i18n/locale.svelte';
import { NoPasskey } from './webauthn';
import { w } from './words';

/** What is said when something did not work. Of what has no words here the service's own are shown, which say what to do. */
export function trouble(error: unknown): string {
  if (error instanceof NoPasskey) return w().noPasskey;
  if (error instanceof Unreachable) return t().common.offline;
  if (!(error instanceof Problem)) return t().common.broken;
  const known: Record<string, string> = w().refusals;
  return known[error.body.code] ?? `${error.body.title} ${error.body.detail ?? ''}`;
}
