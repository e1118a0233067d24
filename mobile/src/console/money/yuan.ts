/** Yuan with at most six places, as millionths: exactly, without a fraction on the way. Throws a `RangeError` for anything else. */
export function micros(yuan: string): number {
  const [, whole, part = ''] = /^(\d{1,10})(?:\.(\d{1,6}))?$/.exec(yuan.trim()) ?? [];
  if (whole === undefined) throw new RangeError('not an amount');
  return Number(whole) * 1_000_000 + Number(part.padEnd(6, '0'));
}
