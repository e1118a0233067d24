/** What Lighthouse gives a page, 0 to 1 each. */
export interface Scores {
  performance: number;
  accessibility: number;
  'best-practices': number;
  /** What it has against it: the names of audits that did not pass, but for those of time. */
  against: string[];
}

interface Audit {
  score: number | null;
  scoreDisplayMode: string;
}
interface Result {
  lhr: {
    categories: Record<string, { score: number | null; auditRefs: { id: string }[] }>;
    audits: Record<string, Audit>;
    runtimeError?: { message: string };
  };
}
/** The package, which is fetched for this bench alone and loaded by Node itself. */
export type Load = () => Promise<{ default: (url: string, flags: object) => Promise<Result | undefined> }>;

/** On a busy machine it misses the beginning of a visit now and then, and says that it should be run again. */
const TRIES = 4;
const CATEGORIES = ['performance', 'accessibility', 'best-practices'] as const;

/** Judges a page as a middling phone on a slow line sees it (Lighthouse's own defaults), in the browser that listens at `port`. */
export async function lighthouse(load: Load, url: string, port: number, keepsStorage = false): Promise<Scores> {
  const { default: judge } = await load();
  const flags = { port, output: 'json', logLevel: 'silent', onlyCategories: CATEGORIES, disableStorageReset: keepsStorage };
  let lhr: Result['lhr'] | undefined;
  for (let tries = 0; tries < TRIES && !(lhr && !lhr.runtimeError); tries += 1) lhr = (await judge(url, flags))?.lhr;
  if (!lhr || lhr.runtimeError) throw new Error(`Lighthouse could not judge ${url}: ${lhr?.runtimeError?.message ?? 'no answer'}`);
  const score = (name: string) => lhr.categories[name]?.score ?? NaN;
  const judged = ['accessibility', 'best-practices'].flatMap((name) => lhr.categories[name]?.auditRefs.map(({ id }) => id) ?? []);
  const failed = ({ score, scoreDisplayMode }: Audit) => scoreDisplayMode === 'binary' && score !== null && score < 1;
  return {
    performance: score('performance'),
    accessibility: score('accessibility'),
    'best-practices': score('best-practices'),
    against: judged.filter((id) => lhr.audits[id] && failed(lhr.audits[id])),
  };
}
