import { afterAll, describe, expect, it } from 'vitest';
import type { Job } from '../../src/hosts/job.ts';
import { ThreadsHost } from '../../src/hosts/threads.ts';
import { platformByName } from '../../src/platforms/index.ts';
import { resolveParameters } from '../../src/scenarios/scenario.ts';
import { tlbShootdown } from '../../src/scenarios/tlb-shootdown/scenario.ts';

const { variants, defaultPlatform, module } = tlbShootdown;
const host = new ThreadsHost();
afterAll(() => host.close());

function run(variant: string, seed: number, cpus = 4) {
  const parameters = { ...resolveParameters(tlbShootdown, {}), variant };
  const job: Job = {
    platform: platformByName(defaultPlatform(variant)) ?? expect.fail(variant),
    cpus,
    source: { module, parameters },
    seed,
    checked: true,
    quantumCycles: 10_000,
    maxSteps: 20_000_000,
    maxSeconds: 60,
  };
  return host.run(job);
}

describe('on the threads host', () => {
  const clean = variants.filter((v) => v.expect === 'clean').map((v) => v.name);
  it.each(clean)('%s is clean, twenty times', async (name) => {
    for (let seed = 1; seed <= 20; seed++) {
      const { outcome, error, findings, unfinished } = await run(name, seed);
      const quiet = { seed, outcome: 'finished', error: undefined, findings: [], unfinished: [] };
      expect({ seed, outcome, error, findings, unfinished }).toEqual(quiet);
    }
  });

  it('a kernel that never flushes is found out, each of five times', async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const { outcome, findings } = await run('none', seed);
      expect(outcome).toBe('finding');
      expect(['stale-translation', 'freed-frame', 'walker-old-entry']).toContain(findings[0].kind);
    }
  });

  it('cross calls with interrupts masked deadlock, and it names the two', async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const { outcome, findings } = await run('irqs-off', seed);
      expect([outcome, findings[0]?.detail]).toEqual(['deadlock', 2]);
      expect([findings[0].cpu, findings[0].other].sort()).toEqual([0, 1]);
    }
  });

  it('with more CPUs than cores the right one is still right', async () => {
    const { outcome, error, unfinished } = await run('cross-call', 1, 8);
    expect({ outcome, error, unfinished }).toEqual({ outcome: 'finished', error: undefined, unfinished: [] });
  });
});
