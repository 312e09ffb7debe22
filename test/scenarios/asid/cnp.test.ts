import { describe, expect, it } from 'vitest';
import { runLockstep } from '../../../src/hosts/lockstep.ts';
import { RandomWalk } from '../../../src/hosts/schedulers/random.ts';
import { ThreadsHost } from '../../../src/hosts/threads.ts';
import { jobOf, makePlan } from '../../../src/lab/plan.ts';
import { platforms } from '../../../src/platforms/index.ts';
import cnp from '../../../src/scenarios/asid/cnp.ts';
import { resolveParameters } from '../../../src/scenarios/scenario.ts';

const RUNS = 40;

/** How many runs show a finding, and of which kinds. */
function found(variant: string, cpus: number): { runs: number; kinds: string[] } {
  const parameters = { ...resolveParameters(cnp, {}), variant };
  const source = { module: cnp.module, parameters };
  const limits = { quantumCycles: 10_000, maxSteps: cnp.maxSteps, maxSeconds: 60 };
  const kinds = new Set<string>();
  let runs = 0;
  for (let seed = 1; seed <= RUNS; seed++) {
    const job = { platform: platforms.neoverse, cpus, source, seed, checked: true, ...limits };
    const { findings, error } = runLockstep(job, cnp.createWorkload(parameters), new RandomWalk(seed));
    expect(error).toBeUndefined();
    if (findings.length > 0) runs++;
    for (const { kind } of findings) kinds.add(kind);
  }
  return { runs, kinds: [...kinds] };
}

describe('cnp', () => {
  it.each([2, 4])('needs numbers that belong to one task among all %i CPUs', (cpus) => {
    expect(found('global-asids', cpus)).toEqual({ runs: 0, kinds: [] });
    const { runs, kinds } = found('per-cpu-asids', cpus);
    expect(kinds).toEqual(['invariant']);
    expect(runs).toBeGreaterThan(RUNS / 4);
  });

  it('takes one step at a time on threads, so that CPUs do look into each other’s TLB there', async () => {
    const plan = makePlan({ scenario: cnp, variant: cnp.variants[1], given: {} });
    expect(plan.parts.serialized).toBe(true);
    const limits = {
      checked: true,
      keepGoing: false,
      quantumCycles: 10_000,
      maxSteps: 10_000,
      maxSeconds: 60,
    };
    const host = new ThreadsHost();
    try {
      let hits = 0;
      for (let seed = 1; seed <= 60 && hits === 0; seed++) {
        hits += (await host.run(jobOf(plan, limits, seed))).findingCount;
      }
      expect(hits).toBeGreaterThan(0);
    } finally {
      await host.close();
    }
  });

  it('leaves numbers of each CPU its own where entries are private', () => {
    expect(found('per-cpu-asids-private', 4)).toEqual({ runs: 0, kinds: [] });
  });

  it('is nothing for a CPU whose entries are always private', () => {
    for (const { name, unsupported } of cnp.variants) {
      expect(unsupported?.(platforms['cortex-a9']), name).toMatch(/always private/);
      expect(unsupported?.(platforms.neoverse), name).toBeUndefined();
    }
  });
});
