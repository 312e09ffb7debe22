import { describe, expect, it } from 'vitest';
import { ASID_RULE } from '../../../src/checker/asid-rules.ts';
import { explore } from '../../../src/explore/explorer.ts';
import type { Job, RunResult } from '../../../src/hosts/job.ts';
import { runLockstep } from '../../../src/hosts/lockstep.ts';
import { RandomWalk } from '../../../src/hosts/schedulers/random.ts';
import { allocatorNames } from '../../../src/kernel/asid/kinds.ts';
import { exploreFor } from '../../../src/lab/expectation.ts';
import { jobOf, makePlan } from '../../../src/lab/plan.ts';
import { defaultBudgets, exploreLimits } from '../../../src/lab/search.ts';
import scenario from '../../../src/scenarios/asid/asid-rollover.ts';
import { findVariant, resolveParameters, smallSizeOf } from '../../../src/scenarios/scenario.ts';
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
  it.each(wrong)('finds $name', ({ name, expect: shown, minCpus, why }) => {
    expect(shown).toContain(firstFound(name, { switches: 10 }, minCpus)[0]);
    expect(why).toBeDefined();
  });

  it('finds what a third CPU does as an entry of the number’s last user', () => {
    expect(firstFound('third-cpu', {}, 3)).toEqual(['invariant', ASID_RULE.LEFT_OVER]);
  });

  it.each(allocatorNames)('verifies %s at a size of its own', (allocator) => {
    const variant = findVariant(scenario, 'correct');
    const small = smallSizeOf(scenario, variant, { allocator });
    const usual = resolveParameters(scenario, { allocator });
    // What is claimed of all of them is claimed of four tasks and three numbers.
    expect({ ...usual, ...small?.parameters }).toMatchObject({ allocator, tasks: 4, asids: 3 });
    expect(scenario.defaultCpus).toBe(2);
  });

  it.each(['arm64-bitmap', 'mips'])(
    'rolls %s over twice in every way there is, without a finding',
    async (allocator) => {
      const { report } = await exploreFor(scenario, 'correct', {
        exhaustive: true,
        parameters: { allocator },
      });
      expect([report.complete, report.failures]).toEqual([true, []]);
      const [first, second] = report.reached;
      expect([first.name, first.count]).toEqual(['rollover', report.runs]);
      // Whoever gets ahead of the other finds its number renewed, now and then.
      expect(second.count).toBeGreaterThan(report.runs * 0.9);
    },
  );

  it('says where the ARM allocator is not correct', () => {
    const variant = findVariant(scenario, 'correct');
    const plan = (cpus: number, given: Record<string, string>) => () =>
      makePlan({ scenario, variant, cpus, given });
    expect(plan(2, {})).not.toThrow();
    expect(plan(3, {})).toThrow(
      /^variant 'correct': arm-ipi is not correct where 3 CPUs .* --variant third-cpu/,
    );
    expect(plan(3, { order: 'own', asids: '4' })).not.toThrow();
    expect(plan(3, { allocator: 'arm64-bitmap', asids: '4' })).not.toThrow();
    expect(makePlan({ scenario, variant: findVariant(scenario, 'third-cpu'), given: {} }).cpus).toBe(3);
  });

  it('takes one number more than CPUs where a number is for all of them', () => {
    const plan = (name: string, cpus: number, given: Record<string, string>) => () =>
      makePlan({ scenario, variant: findVariant(scenario, name), cpus, given });
    const tooFew =
      /^variant '[\w-]+': 3 usable ASIDs are too few for 3 CPUs, .*: use --set asids=4 or fewer --cpus$/;
    for (const allocator of ['arm64-bitmap', 'srmmu']) {
      expect(plan('correct', 3, { allocator })).toThrow(tooFew);
      expect(plan('correct', 3, { allocator, asids: '4' })).not.toThrow();
    }
    // What is wrong there would be found as this.
    expect(plan('no-flush-pending', 3, {})).toThrow(tooFew);
    expect(plan('correct', 8, { allocator: 'mips' })).not.toThrow();
    expect(plan('too-few-asids', 2, {})).not.toThrow();
  });

  it('takes no more numbers than the TLB has', () => {
    const plan = (asids: string) => () =>
      makePlan({
        scenario,
        variant: findVariant(scenario, 'correct'),
        platform: findPlatform('sun4c', 4),
        cpus: 1,
        given: { asids },
      });
    expect(plan('15')).not.toThrow();
    expect(plan('16')).toThrow(
      /16 usable ASIDs are more than sun4c has \(4 bits\): use --set asids=15 at most$/,
    );
  });

  it('is not for a TLB without ASIDs', () => {
    const platform = findPlatform('arm926', 4);
    for (const variant of scenario.variants) {
      expect(variant.unsupported?.(platform)).toBe('arm926: its TLB has no ASIDs');
    }
  });

  it('writes the registers as it is asked to, where that is possible', () => {
    const variant = findVariant(scenario, 'correct');
    const plan = (allocator: string, registers: string) => () =>
      makePlan({ scenario, variant, given: { allocator, registers } });
    expect(plan('arm64-bitmap', 'reserved-base')).not.toThrow();
    expect(plan('arm-ipi', 'one')).toThrow(
      "variant 'correct': cortex-a9: table base and ASID are two registers",
    );
    expect(plan('x86-pcid', 'reserved-base')).toThrow(/x86-64: table base and ASID are one register/);
    for (let seed = 1; seed <= 20; seed++) {
      const { outcome, findings } = run('correct', seed, {
        allocator: 'arm64-bitmap',
        registers: 'reserved-base',
      });
      expect([seed, outcome, findings]).toEqual([seed, 'finished', []]);
    }
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
