import { defineConfig } from 'vite';

/** The client of relying parties as one file that depends on nothing, with the package around it: `dist/client`. */
export default defineConfig({
  publicDir: 'client',
  build: {
    outDir: 'dist/client',
    emptyOutDir: true,
    lib: { entry: 'src/client/index.ts', formats: ['es'], fileName: 'index' },
    target: 'es2022',
    minify: false,
  },
});
