import { Problem, Unreachable } from '../lib/api/client';
import type { Enrolment } from '../lib/api/types';
import { said, t } from '../lib/i18n/locale.svelte';

/** What the person is told when something did not work. */
export function words(error: unknown): string {
  if (error instanceof Problem && error.body.holder_message) return said(error.body.holder_message);
  return error instanceof Unreachable ? t().common.offline : t().common.broken;
}

/** Where the enrolment goes on when the service will have no other try; nothing when another picture may mend it. */
export function refusal(error: Problem): Pick<Enrolment, 'step' | 'message'> | undefined {
  const isOver = error.is('enrolment-refused', 'enrolment-not-at-this-step', 'not-found', 'unauthenticated');
  if (!isOver) return undefined;
  const { holder_message } = error.body;
  return { step: 'refused', ...(holder_message ? { message: holder_message } : {}) };
}
