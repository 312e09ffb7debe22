import { describe, expect, it } from 'vitest';
import { explore } from '../../../src/explore/explorer.ts';
import { jobOf, makePlan } from '../../../src/lab/plan.ts';
import { defaultBudgets, exploreLimits } from '../../../src/lab/search.ts';
import { platforms } from '../../../src/platforms/index.ts';
import type { Parameters } from '../../../src/program/workload.ts';
import ctxPurge from '../../../src/scenarios/asid/ctx-purge.ts';
import pcidReorder from '../../../src/scenarios/asid/pcid-reorder.ts';
import sharedAsid from '../../../src/scenarios/asid/shared-asid.ts';
import unmapVsRollover from '../../../src/scenarios/asid/unmap-vs-rollover.ts';
import { flawOf } from '../../../src/scenarios/check-scenario.ts';
import type { DefinedScenario } from '../../../src/scenarios/define.ts';
import { findVariant, statesOf } from '../../../src/scenarios/scenario.ts';

const scenarios = [unmapVsRollover, ctxPurge, pcidReorder, sharedAsid] as DefinedScenario[];
const cases = scenarios.flatMap((scenario) =>
  scenario.variants.map(({ name, expect: wanted }) => ({ scenario, name, wanted, of: scenario.name })),
);
const wrong = cases.filter(({ wanted }) => wanted !== 'clean');
const right = cases.filter(({ wanted }) => wanted === 'clean');
const multiprocessors = Object.values(platforms).filter(({ maxCpus }) => maxCpus > 1);

interface Sample {
  readonly runs?: number;
  readonly given?: Parameters;
  readonly platform?: string;
}

/** Ways to fail that a sample of schedules shows, and the states that it comes to. */
async function sample(
  scenario: DefinedScenario,
  variant: string,
  { runs = 2000, given = {}, platform }: Sample = {},
) {
  const plan = makePlan({
    scenario,
    variant: findVariant(scenario, variant),
    given,
    platform: multiprocessors.find(({ name }) => name === platform),
  });
  const report = await explore(jobOf(plan, exploreLimits(plan), 1), {
    strategy: 'pct',
    seed: 1,
    runs,
    depth: 3,
    budgets: defaultBudgets(plan),
    most: { preemptions: 2, delays: 2 },
    workers: 0,
  });
  return {
    failures: report.failures.map(({ signature }) => signature),
    states: report.reached.filter(({ count }) => count > 0).map(({ name }) => name),
  };
}

describe('races for the number of an address space', () => {
  it.each(scenarios.map((scenario) => ({ name: scenario.name, scenario })))(
    '$name is a scenario',
    ({ scenario }) => {
      expect(flawOf(scenario)).toBeUndefined();
    },
  );

  it.each(wrong)('$of: $name is found, and comes to its states', async ({ scenario, name, wanted }) => {
    const { failures, states } = await sample(scenario, name);
    expect(failures.length).toBeGreaterThan(0);
    for (const failure of failures) expect(wanted).toContain(failure.replace('finding ', ''));
    expect(states).toEqual(statesOf(scenario, name));
  });

  it.each(right)('$of: $name is clean, and comes to its states', async ({ scenario, name }) => {
    expect(await sample(scenario, name)).toEqual({ failures: [], states: statesOf(scenario, name) });
    const { failures } = await sample(scenario, name, { given: scenario.small?.parameters ?? {} });
    expect(failures).toEqual([]);
  });

  it.each(right)(
    '$of: $name is clean on every multiprocessor that can run it',
    async ({ scenario, name }) => {
      for (const platform of multiprocessors) {
        if (findVariant(scenario, name).unsupported?.(platform) !== undefined) continue;
        const { failures } = await sample(scenario, name, { runs: 60, platform: platform.name });
        expect([platform.name, failures]).toEqual([platform.name, []]);
      }
    },
  );

  it.each(['arm-ipi', 'arm64-bitmap', 'mips', 'srmmu', 'x86-pcid'])(
    'unmap-vs-rollover is clean with %s',
    async (allocator) => {
      const { failures } = await sample(unmapVsRollover as DefinedScenario, 'correct', {
        runs: 500,
        given: { allocator, rounds: 3 },
      });
      expect(failures).toEqual([]);
    },
  );

  it('unmap-vs-rollover takes fewer CPUs than numbers, where a number is for all of them', () => {
    const plan = (name: string, cpus: number, allocator: string) => () =>
      makePlan({
        scenario: unmapVsRollover,
        variant: findVariant(unmapVsRollover, name),
        cpus,
        given: { allocator },
      });
    const tooFew = /3 usable ASIDs are too few for 3 CPUs, .*: use --cpus 2$/;
    for (const allocator of ['arm64-bitmap', 'arm-ipi', 'srmmu']) {
      expect(plan('correct', 2, allocator)).not.toThrow();
      expect(plan('correct', 3, allocator)).toThrow(tooFew);
    }
    expect(plan('barrier-late', 3, 'mips')).toThrow(tooFew);
    expect(plan('correct', 8, 'x86-pcid')).not.toThrow();
    expect(plan('zero-if-inactive', 8, 'arm64-bitmap')).not.toThrow();
  });

  it('ctx-purge gives back contexts on fewer CPUs than there are contexts', () => {
    const plan = (name: string, cpus: number) => () =>
      makePlan({ scenario: ctxPurge, variant: findVariant(ctxPurge, name), cpus, given: {} });
    for (const name of ['destroy', 'destroy-unflushed', 'destroy-unlocked']) {
      expect(plan(name, 2)).not.toThrow();
      expect(plan(name, 3)).toThrow(/3 usable ASIDs are too few for 3 CPUs, .*: use --cpus 2$/);
    }
    expect(plan('correct', 8)).not.toThrow();
  });

  it('pcid-reorder is clean with a CPU that is lazy in the space', async () => {
    const { failures } = await sample(pcidReorder as DefinedScenario, 'correct', { given: { lazy: 1 } });
    expect(failures).toEqual([]);
  });
});
