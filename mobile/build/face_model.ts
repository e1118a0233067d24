import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

import type { Plugin } from 'vite';

/** `cargo xtask setup` puts it there (xtask/src/pins.rs), and knows the same hash. */
const MODEL = 'apps/face_landmarker.task';
const SHA256 = '64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff';
const PROGRAM = '@mediapipe/tasks-vision/vision_wasm_module_internal.wasm';
const NAME = 'virtual:face-model';

/**
 * Tells the apps, as `virtual:face-model`, where the model lies that finds faces, and the program that runs it; `undefined` where the
 * model is not at hand: they do without guidance then.
 */
export function faceModel(): Plugin {
  let built = false;
  return {
    name: 'ecert-face-model',
    configResolved: ({ command }) => void (built = command === 'build'),
    resolveId: (id) => (id === NAME ? `\0${NAME}` : undefined),
    load(id) {
      if (id !== `\0${NAME}`) return undefined;
      const model = built ? found() : undefined;
      if (!model) return 'export const files = undefined;';
      const program = readFileSync(createRequire(import.meta.url).resolve(PROGRAM));
      const emit = (name: string, source: Uint8Array) => {
        const [stem, end] = name.split('.');
        const fileName = `app/${stem}-${hash(source).slice(0, 8)}.${end}`;
        this.emitFile({ type: 'asset', fileName, source });
        return `/${fileName}`;
      };
      const files = { wasm: emit('face_landmarker.wasm', program), model: emit('face_landmarker.task', model) };
      return `export const files = ${JSON.stringify(files)};`;
    },
  };
}

/** Takes out of the program's loader what is for Node alone, and an address that it is told anyway: a bundler complains of both. */
export function browserLoader(): Plugin {
  return {
    name: 'ecert-browser-loader',
    transform: (code, id) =>
      id.endsWith('/vision_wasm_module_internal.js')
        ? code
            .replace('const {createRequire} = await import("node:module");', 'const createRequire = () => undefined;')
            .replace('new URL("vision_wasm_module_raw_internal.wasm", import.meta.url).href', '""')
        : undefined,
  };
}

function found(): Uint8Array | undefined {
  const { ECERT_MODEL_DIR, ECERT_CACHE, XDG_CACHE_HOME } = process.env;
  const cache = ECERT_MODEL_DIR ?? ECERT_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'ecert');
  const path = join(cache, MODEL);
  const model = existsSync(path) ? readFileSync(path) : undefined;
  if (model && hash(model) === SHA256) return model;
  console.warn(`${path} is ${model ? 'another file than pinned' : 'missing'}: no guidance (cargo xtask setup brings it)`);
  return undefined;
}

function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
