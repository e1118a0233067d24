import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

import type { Plugin, Rollup } from 'vite';

/** What only helps, and is large: it is loaded when it is needed, and not kept for a time without a network. */
const LATE = /^app\/face_(landmarker|worker)-/;

/** What may name another file. */
const TEXT = /\.(html|css|js)$/;

/** Writes `APP/sw.js`: the worker of `build/service_worker.js` with the list of everything that the app is made of. */
export function serviceWorker(app: string): Plugin {
  return {
    name: 'ecert-service-worker',
    apply: 'build',
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        const built = reached(bundle, app).filter(({ fileName }) => !LATE.test(fileName));
        const files = built.map((file) => `/${file.fileName}`).sort();
        const contents = built.map((file) => (file.type === 'chunk' ? file.code : file.source));
        const hash = createHash('sha256');
        contents.forEach((content) => hash.update(content));
        const worker = readFileSync(new URL('service_worker.js', import.meta.url), 'utf8');
        const lines = [
          `const APP = ${JSON.stringify(app)};`,
          `const VERSION = ${JSON.stringify(hash.digest('hex').slice(0, 16))};`,
          `const FILES = ${JSON.stringify(files)};`,
        ];
        this.emitFile({ type: 'asset', fileName: `${app}/sw.js`, source: `${lines.join('\n')}\n${worker}` });
      },
    },
  };
}

type File = Rollup.OutputAsset | Rollup.OutputChunk;

/** What an app is made of: its page, what that names, and so on. The names have hashes in them, so a name that occurs is meant. */
function reached(bundle: Rollup.OutputBundle, app: string): File[] {
  const files = new Map<string, File>();
  const add = (file: File) => {
    files.set(file.fileName, file);
    const text = file.type === 'chunk' ? file.code : TEXT.test(file.fileName) ? String(file.source) : '';
    const named = Object.values(bundle).filter(({ fileName }) => !files.has(fileName) && text.includes(basename(fileName)));
    named.filter(({ fileName }) => fileName.startsWith('app/')).forEach(add);
  };
  const page = bundle[`${app}/index.html`];
  if (!page) throw new Error(`no page of ${app} was built`);
  add(page);
  return [...files.values()].sort((one, other) => (one.fileName < other.fileName ? -1 : 1));
}
