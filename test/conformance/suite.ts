/** What every platform must do on every host: `conforms` is called once for each pair of them. */
import { afterAll, describe, expect, it } from 'vitest';
import type { Job, RunResult } from '../../src/hosts/job.ts';
import { runLockstep } from '../../src/hosts/lockstep.ts';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import { loadWorkload } from '../../src/hosts/session.ts';
import { ThreadsHost } from '../../src/hosts/threads.ts';
import type { Platform } from '../../src/machine/platform.ts';
import { resolveParameters } from '../../src/scenarios/scenario.ts';
import { tlbShootdown } from '../../src/scenarios/tlb-shootdown/scenario.ts';
import { jobOf } from '../support/programs.ts';

export interface Host {
  readonly name: string;
  /** Seeds that each program is run with: a thread is never the same twice, whatever the seed. */
  readonly seeds: readonly number[];
  run(job: Job): Promise<RunResult>;
  close(): Promise<void>;
}

export function lockstepHost(): Host {
  return {
    name: 'lockstep',
    seeds: [1, 2, 3],
    run: async (job) => runLockstep(job, await loadWorkload(job), new RandomWalk(job.seed)),
    close: async () => {},
  };
}

export function threadsHost(): Host {
  const host = new ThreadsHost();
  return { name: 'threads', seeds: [1], run: (job) => host.run(job), close: () => host.close() };
}

const MOST_CPUS = 4;
const mechanisms = ['message', 'counter', 'locked', 'token', 'mapping', 'calls', 'sleep'];

/** The end of a run, with whatever went wrong. */
function ended({ outcome, error, findings, unfinished }: RunResult): unknown {
  return { outcome, error, findings, unfinished };
}
const wellEnded = { outcome: 'finished', error: undefined, findings: [], unfinished: [] };

export function conforms(platform: Platform, host: Host): void {
  const cpuCount = Math.min(MOST_CPUS, platform.maxCpus);
  describe(`${platform.name} on the ${host.name} host`, () => {
    afterAll(() => host.close());

    it.each(mechanisms)('%s', async (program) => {
      for (const seed of host.seeds) {
        expect(ended(await host.run(jobOf(program, platform, cpuCount, { seed })))).toEqual(wellEnded);
      }
    });

    it('every CPU counts what it does, and time passes for it', async () => {
      const { cpus, steps } = await host.run(jobOf('counter', platform, cpuCount));
      expect(cpus.map(({ counters }) => counters.atomics)).toEqual(Array(cpuCount).fill(20));
      expect(cpus.reduce((sum, { counters }) => sum + counters.steps, 0)).toBe(steps);
      for (const { clockCycles } of cpus) {
        expect(clockCycles).toBeGreaterThan(20 * platform.costs.atomicCycles);
      }
    });

    it('a single CPU needs nobody', async () => {
      for (const program of ['counter', 'locked', 'mapping']) {
        expect(ended(await host.run(jobOf(program, platform, 1)))).toEqual(wellEnded);
      }
    });

    const clean = tlbShootdown.variants.filter((v) => v.expect === 'clean' && !v.unsupported?.(platform));
    it.each(clean.map((v) => v.name))('TLB shootdown by %s is clean', async (variant) => {
      const parameters = { ...resolveParameters(tlbShootdown, { rounds: '4' }), variant };
      const source = { module: tlbShootdown.module, parameters };
      for (const seed of host.seeds) {
        expect(ended(await host.run({ ...jobOf('', platform, cpuCount), source, seed }))).toEqual(wellEnded);
      }
    });
  });
}
