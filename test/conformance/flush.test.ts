import { describe, expect, it } from 'vitest';
import { ThreadsHost } from '../../src/hosts/threads.ts';
import { contractChecks } from '../../src/lab/flush-contract/checks.ts';
import { contractJob, flawOf, flushFlaws } from '../../src/lab/flush-flaws.ts';
import { runTask } from '../../src/lab/lockstep-task.ts';
import type { Platform } from '../../src/machine/platform.ts';
import { arm1176 } from '../../src/platforms/arm1176.ts';
import { platforms } from '../../src/platforms/index.ts';
import { changed } from '../support/machine.ts';

const all = Object.values(platforms);

describe.each(all)('the flush interfaces on $name', (platform) => {
  it('keep their contracts on lockstep', async () => {
    expect(await flushFlaws(platform)).toEqual([]);
  });

  it('keep them on threads', async () => {
    const host = new ThreadsHost();
    try {
      expect(await flushFlaws(platform, (job) => host.run(job))).toEqual([]);
    } finally {
      await host.close();
    }
  });
});

describe('the conformance suite', () => {
  const flawsWithout = async (check: string, platform: Platform): Promise<string[]> => {
    const flaws: string[] = [];
    for (const cpus of [1, 2].filter((count) => count <= platform.maxCpus)) {
      const job = contractJob(platform, check, cpus, true);
      const flaw = flawOf(await runTask({ job, scheduler: 'random' }), platform);
      if (flaw !== undefined) flaws.push(flaw);
    }
    return flaws;
  };

  it.each(Object.keys(contractChecks))('notices a %s that does nothing', async (check) => {
    const flaws = (await Promise.all(all.map((platform) => flawsWithout(check, platform)))).flat();
    expect(flaws.length).toBeGreaterThan(0);
    // A program that breaks down is no verdict.
    for (const flaw of flaws)
      expect(flaw).toMatch(/still holds|does not read|fetches an older|keeping to the order/);
  });

  it('says what a platform lacks', async () => {
    const incoherent = changed(arm1176, (p) => {
      p.name = 'two-arm1176';
      p.maxCpus = 2;
    });
    const flaws = await flushFlaws(incoherent);
    expect(flaws.map((flaw) => flaw.split(' ')[0])).toContain('flushCachePage');
    expect(flaws.find((flaw) => flaw.startsWith('flushCachePage'))).toBe(
      'flushCachePage on 2 CPUs: CPU 0 does not read through the kernel’s mapping what CPU 1 stored through the page; what it does is decided by l1d, coherence, maintenance.byAddress, maintenance.unmapped',
    );
  });
});
