/** Weights of the first seventeen digits (GB 11643-1999, ISO 7064 MOD 11-2). */
const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECKS = '10X98765432';

/** What an E-cert was made with: a citizen number, or a passport's number behind its state. Nothing for one with a slip in it. */
export function readDocumentNumber(text: string): string | undefined {
  const [, state, number] = /^([A-Z]{1,3})[\s-]+([A-Z0-9]{1,9})$/.exec(text.trim().toUpperCase()) ?? [];
  return state && number ? `${state}-${number}` : readCitizenNumber(text);
}

/** A citizen number as it is written down, gaps and a small x forgiven; nothing for one with a slip in it. */
function readCitizenNumber(text: string): string | undefined {
  const number = text.replace(/[\s-]/g, '').toUpperCase();
  if (!/^[0-9]{17}[0-9X]$/.test(number)) return undefined;
  const sum = WEIGHTS.reduce((sum, weight, at) => sum + weight * Number(number[at]), 0);
  return number[17] === CHECKS[sum % 11] ? number : undefined;
}
