import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

import type { Plugin } from 'vite';

/** Writes `APP/sw.js`: the worker of `build/service_worker.js` with the list of everything that the app is made of. */
export function serviceWorker(app: string): Plugin {
  return {
    name: 'ecert-service-worker',
    apply: 'build',
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        const built = Object.values(bundle).filter((file) => !file.fileName.endsWith('.map'));
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
