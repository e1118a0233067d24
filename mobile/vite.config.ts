import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

import { budget } from './build/budget.ts';
import { compressed } from './build/compressed.ts';
import { browserLoader, faceModel } from './build/face_model.ts';
import { serviceWorker } from './build/service_worker.ts';

// An app a folder, each with its page; `src/lib` is what they share.
const apps = { wallet: 'wallet/index.html', scanner: 'scanner/index.html', console: 'console/index.html' };

export default defineConfig({
  plugins: [
    svelte(),
    faceModel(),
    serviceWorker('wallet'),
    serviceWorker('scanner'),
    budget({ page: 'wallet/index.html', also: ['home/Home.svelte'], kilobytes: 60 }),
    budget({ page: 'scanner/index.html', also: ['scanner/Scan.svelte'], kilobytes: 60 }),
    budget({ page: 'console/index.html', also: ['certificates/Search.svelte'], kilobytes: 60 }),
    compressed(),
  ],
  build: {
    outDir: 'dist/web',
    emptyOutDir: true,
    // What has its contents' hash in its name lies here, and is cached for ever (server/src/http/apps.rs).
    assetsDir: 'app',
    // Our policy lets nothing inline run, and no picture be a `data:` address.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
    rollupOptions: { input: apps },
    reportCompressedSize: false,
  },
  worker: { format: 'es', plugins: () => [browserLoader()] },
  server: { proxy: { '/v1': 'http://127.0.0.1:8080', '/.well-known': 'http://127.0.0.1:8080' } },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
