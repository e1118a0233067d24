import { defineConfig } from 'vitest/config';

// A browser, a service with its models and a person of some patience: one after the other, and with time.
export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['browser/**/*.story.ts'],
    environment: 'node',
    fileParallelism: false,
    // The stories are one, told in order.
    bail: 1,
    testTimeout: 180_000,
    hookTimeout: 180_000,
    reporters: ['verbose'],
  },
});
