import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type * as ThreadsModule from '../../src/hosts/threads.ts';
import { platforms } from '../../src/platforms/index.ts';
import { resolveParameters } from '../../src/scenarios/scenario.ts';
import type * as ScenarioModule from '../../src/scenarios/tlb-shootdown/scenario.ts';

/**
 * From source each of 64 threads would compile flushlab for itself, which takes a minute or more. So this
 * is compiled first, to a place where its imports find their packages.
 */
const root = new URL('../../', import.meta.url);
const built = new URL('node_modules/.cache/flushlab-test/', root);

beforeAll(() => {
  mkdirSync(built, { recursive: true });
  writeFileSync(new URL('package.json', built), '{ "type": "module" }\n');
  const args = ['tsc', '--project', 'scripts/tsconfig.build.json', '--outDir', fileURLToPath(built)];
  const { stdout, status } = spawnSync('npx', args, { cwd: fileURLToPath(root), encoding: 'utf8' });
  // Types that do not fit are the business of `npm run check`; what was emitted runs all the same.
  if (status !== 0 && status !== 2) throw new Error(`tsc: ${stdout}`);
}, 120_000);

describe('64 CPUs', () => {
  it('start, shoot down a TLB, and end', { timeout: 120_000 }, async () => {
    const from = (path: string) => import(new URL(path, built).href);
    const { ThreadsHost } = (await from('src/hosts/threads.js')) as typeof ThreadsModule;
    const { tlbShootdown } = (await from('src/scenarios/tlb-shootdown/scenario.js')) as typeof ScenarioModule;
    const host = new ThreadsHost();
    try {
      const parameters = { ...resolveParameters(tlbShootdown, { rounds: '2' }), variant: 'cross-call' };
      const { outcome, error, cpus, unfinished } = await host.run({
        platform: platforms['x86-64'],
        cpus: 64,
        source: { module: tlbShootdown.module, parameters },
        seed: 1,
        checked: false,
        quantumCycles: 10_000,
        maxSteps: 50_000_000,
        maxSeconds: 60,
      });
      expect({ outcome, error, unfinished }).toEqual({
        outcome: 'finished',
        error: undefined,
        unfinished: [],
      });
      expect(cpus).toHaveLength(64);
      // CPU 0 takes the pages away: everybody else is called at least once for it.
      for (const { counters } of cpus.slice(1)) expect(counters.interrupts).toBeGreaterThan(0);
    } finally {
      await host.close();
    }
  });
});
