import { readNumeric } from '../lib/wire/digits';

/** What the camera saw, or somebody typed. */
export type Seen = { code: string } | { activation: string } | 'other';

/** A QR of a wallet (also of the sandbox), sixteen digits, or the link that makes a device a terminal. */
export function seen(text: string): Seen {
  if (/^EC\d[:-]/.test(text)) return { code: text };
  const activation = activationOf(text);
  if (activation) return { activation };
  const digits = readNumeric(text, '1') ?? readNumeric(text, '2') ?? readNumeric(text, '9');
  return digits ? { code: digits } : 'other';
}

/** The secret of an activation link, or by itself. */
export function activationOf(text: string): string | undefined {
  return /(?:^|#)(ta_[A-Za-z0-9_-]{43})$/.exec(text.trim())?.[1];
}

/** Whether a number stands for somebody who is asked on their own phone: it is no code to be captured here. */
export function isStanding(code: string): boolean {
  return readNumeric(code, '2') !== undefined;
}
