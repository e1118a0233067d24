import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

import type { Plugin } from 'vite';

const SHRINKS = /\.(html|js|css|svg|webmanifest|wasm)$/;
/** The best takes half a minute for a program of 11 MB, and saves a twentieth more. */
const QUALITY = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } };

/** Puts `.br` and `.gz` beside everything that shrinks, once, so that the service never compresses. */
export function compressed(): Plugin {
  let folder = '';
  return {
    name: 'ecert-compressed',
    apply: 'build',
    configResolved(config) {
      folder = config.build.outDir;
    },
    closeBundle() {
      const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
      for (const file of files.filter((name) => SHRINKS.test(name))) {
        const path = join(folder, file);
        const bytes = readFileSync(path);
        writeFileSync(`${path}.br`, brotliCompressSync(bytes, file.endsWith('.wasm') ? QUALITY : {}));
        // Only who has an address without TLS would be sent it, and has no camera there.
        if (!file.endsWith('.wasm')) writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
      }
    },
  };
}
