import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    include: ['test/**/*.test.ts'],
    // Scenarios block in Atomics.wait and start worker threads of their own: a process per file keeps
    // one file's blocked workers out of another's, and few at once leaves cores to the simulated CPUs.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
  },
});
