import { describe, expect, it } from 'vitest';
import { explore } from '../../../src/explore/explorer.ts';
import type { Job, RunResult } from '../../../src/hosts/job.ts';
import { runLockstep } from '../../../src/hosts/lockstep.ts';
import { RandomWalk } from '../../../src/hosts/schedulers/random.ts';
import { jobOf, makePlan } from '../../../src/lab/plan.ts';
import { defaultBudgets, exploreLimits } from '../../../src/lab/search.ts';
import scenario from '../../../src/scenarios/asid/asid-rollover.ts';
import { findVariant, resolveParameters } from '../../../src/scenarios/scenario.ts';
import { findPlatform } from '../../support/asid-jobs.ts';

function run(
  variant: string,
  seed: number,
  given: Record<string, string | number> = {},
  cpus = 2,
): RunResult {
  const parameters = { ...resolveParameters(scenario, given), variant };
  const platform = findPlatform(scenario.defaultPlatform(variant), 12);
  const source = { module: scenario.module, parameters };
  const limits = { checked: true, quantumCycles: 10_000, maxSteps: 20_000, maxSeconds: 60 };
  const job: Job = { platform, cpus, source, seed, ...limits };
  return runLockstep(job, scenario.createWorkload(parameters), new RandomWalk(seed));
}

/** Kind and rule of the first finding among some seeds. */
function firstFound(variant: string, given = {}, cpus = 2): [string, number] {
  for (let seed = 1; seed <= 5000; seed++) {
    const { outcome, findings, error } = run(variant, seed, given, cpus);
    if (outcome === 'finished') continue;
    expect(error).toBeUndefined();
    return [findings[0].kind, findings[0].detail];
  }
  return expect.fail(`${variant}: nothing found`);
}

// A random walk hardly ever comes to it: two preemptions, each at one place.
const wrong = scenario.variants.filter((each) => each.expect !== 'clean' && each.name !== 'xchg-fast-path');

describe('asid-rollover', () => {
  it.each(wrong)('finds $name', ({ name, expect: shown }) => {
    expect(shown).toContain(firstFound(name, { switches: 10 })[0]);
  });

  it('finds xchg-fast-path with a default search', async () => {
    const plan = makePlan({ scenario, variant: findVariant(scenario, 'xchg-fast-path'), given: {} });
    const report = await explore(jobOf(plan, exploreLimits(plan), 1), {
      strategy: 'pct',
      seed: 1,
      runs: 1500,
      depth: 3,
      budgets: defaultBudgets(plan),
      most: { preemptions: 2, delays: 2 },
      workers: 0,
    });
    expect(report.failures.map(({ signature }) => signature)).toEqual(['finding invariant']);
  });

  it('has variants that set what they are about, and say so', () => {
    const of = (name: string, cpus = 2) =>
      makePlan({ scenario, variant: findVariant(scenario, name), cpus, given: { allocator: 'mips' } })
        .parameters;
    expect(of('correct')).toMatchObject({ allocator: 'mips', tasks: 4, asids: 3 });
    expect(of('no-ipi')).toMatchObject({ allocator: 'arm-ipi', tasks: 4 });
    expect(of('xchg-fast-path')).toMatchObject({ allocator: 'arm64-bitmap', tasks: 5, switches: 9 });
    expect(of('too-few-asids', 4)).toMatchObject({ asids: 4 });
  });

  it('runs on hardware that the allocator is for', () => {
    const of = (name: string, allocator?: string) =>
      scenario.defaultPlatform(name, allocator === undefined ? undefined : { allocator });
    expect([of('correct'), of('correct', 'arm-ipi'), of('no-ipi', 'mips')]).toEqual(
      Array(3).fill('cortex-a9'),
    );
    expect([of('correct', 'arm64-bitmap'), of('xchg-fast-path')]).toEqual(['neoverse', 'neoverse']);
    expect([of('correct', 'mips'), of('correct', 'srmmu')]).toEqual(['x86-64', 'sun4m']);
  });

  it.each(['close', 'spread', 'own'])('is clean in order %s', (order) => {
    for (let seed = 1; seed <= 20; seed++) {
      const given = { order, tasks: 12, asids: 7, switches: 60 };
      const { outcome, error, findings, reached } = run(
        'correct',
        seed,
        { ...given, allocator: 'arm64-bitmap' },
        4,
      );
      expect([seed, outcome, error, findings]).toEqual([seed, 'finished', undefined, []]);
      expect(reached).toContain('rollover');
    }
  });

  it.each(['arm-ipi', 'arm64-bitmap'])('%s is clean', (allocator) => {
    for (let seed = 1; seed <= 300; seed++) {
      const { outcome, findings, error } = run('correct', seed, { allocator, switches: 10 });
      expect([seed, outcome, error, findings]).toEqual([seed, 'finished', undefined, []]);
    }
  });

  it('needs a reserved ASID on one CPU as well', () => {
    expect(firstFound('no-reserved-asid', {}, 1)[0]).toBe('invariant');
  });
});
