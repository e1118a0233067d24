import { gzipSync } from 'node:zlib';

import type { Plugin, Rollup } from 'vite';

/** What is loaded before a screen is there. */
export interface Budget {
  /** The page, as it is named in the build. */
  page: string;
  /** Ends of the names of modules that are loaded on demand, and belong to the screen. */
  also: string[];
  /** Thousands of bytes after gzip, at most. */
  kilobytes: number;
}

/** Fails the build when the first load of a page is larger than its budget. */
export function budget({ page, also, kilobytes }: Budget): Plugin {
  return {
    name: 'ecert-budget',
    apply: 'build',
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        const files = firstLoad(bundle, page, also);
        const bytes = [...files].reduce((sum, file) => sum + gzipSync(source(bundle[file])).length, 0);
        const said = `${page}: first load ${(bytes / 1000).toFixed(1)} kB gzip in ${files.size} files, of ${kilobytes} kB`;
        if (bytes > kilobytes * 1000) {
          this.error(`${said}\n${[...files].join('\n')}`);
        }
        console.log(said);
      },
    },
  };
}

function firstLoad(bundle: Rollup.OutputBundle, page: string, also: string[]): Set<string> {
  const chunks = Object.values(bundle).filter((file) => file.type === 'chunk');
  const isOfScreen = (chunk: Rollup.OutputChunk) =>
    chunk.facadeModuleId?.endsWith(page) ||
    also.some((end) => Object.keys(chunk.modules).some((module) => module.endsWith(end)));
  const files = new Set<string>([page]);
  const add = (chunk: Rollup.OutputChunk) => {
    if (files.has(chunk.fileName)) return;
    files.add(chunk.fileName);
    chunk.viteMetadata?.importedCss.forEach((css) => files.add(css));
    chunk.imports.forEach((name) => {
      const next = bundle[name];
      if (next?.type === 'chunk') add(next);
    });
  };
  chunks.filter(isOfScreen).forEach(add);
  if (files.size < 2) throw new Error(`no script of ${page} was found, so its budget can't be held`);
  return new Set([...files].filter((file) => bundle[file]));
}

function source(file: Rollup.OutputAsset | Rollup.OutputChunk | undefined): string | Uint8Array {
  if (!file) return '';
  return file.type === 'chunk' ? file.code : file.source;
}
