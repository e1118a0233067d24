// `cargo xtask bench web`: measures, prints a table and writes target/bench/web.json.
import { Figures, say } from './figures';
import { guidance } from './guidance';
import type { Load } from './lighthouse';
import { pages } from './pages';
import { qr } from './qr';

const USAGE = `Usage: cargo xtask bench web [--json] [-- --quick] [PART...]
  PART     one of qr, pages, guidance; all of them when none is named
  --quick  fewer pictures, one visit
Example: cargo xtask bench web -- --quick qr`;

const PARTS = { qr, pages, guidance };

export async function main(words: string[], load: Load): Promise<void> {
  const [flags, names] = [words.filter((word) => word.startsWith('-')), words.filter((word) => !word.startsWith('-'))];
  const unknown = [...flags.filter((flag) => !['--json', '--quick', '--help'].includes(flag)), ...names.filter((name) => !(name in PARTS))];
  if (flags.includes('--help') || unknown.length > 0) {
    say(unknown.length > 0 ? `unknown: ${unknown.join(' ')}\n${USAGE}` : USAGE);
    process.exitCode = unknown.length > 0 ? 2 : 0;
    return;
  }
  const figures = new Figures();
  for (const [name, part] of Object.entries(PARTS)) {
    if (names.length > 0 && !names.includes(name)) continue;
    say(`measuring ${name}`);
    await part(figures, flags.includes('--quick'), load);
  }
  figures.save();
  console.log(flags.includes('--json') ? figures.json : figures.table);
}
