import { describe, expect, it } from 'vitest';
import type { RunResult } from '../../src/hosts/job.ts';
import { runLockstep } from '../../src/hosts/lockstep.ts';
import { ClockFirst } from '../../src/hosts/schedulers/clock-first.ts';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import { RoundRobin } from '../../src/hosts/schedulers/round-robin.ts';
import type { Scheduler } from '../../src/hosts/schedulers/scheduler.ts';
import { makePlan } from '../../src/lab/plan.ts';
import { platformByName, platforms } from '../../src/platforms/index.ts';
import type { Workload } from '../../src/program/workload.ts';
import type { DefinedScenario } from '../../src/scenarios/define.ts';
import gupFast from '../../src/scenarios/races/gup-fast.ts';
import hugetlbUnshare from '../../src/scenarios/races/hugetlb-unshare.ts';
import lazyWalk from '../../src/scenarios/races/lazy-walk.ts';
import splitNoBbm from '../../src/scenarios/races/split-no-bbm.ts';
import vmapNoBbm from '../../src/scenarios/races/vmap-no-bbm.ts';
import { findVariant, resolveParameters } from '../../src/scenarios/scenario.ts';

function run(scenario: DefinedScenario<never>, variant: string, scheduler: Scheduler, seed = 1): RunResult {
  const parameters = { ...resolveParameters(scenario, {}), variant };
  const job = {
    platform: platformByName(scenario.defaultPlatform(variant)) ?? expect.fail(variant),
    cpus: scenario.defaultCpus,
    source: { module: scenario.module, parameters },
    seed,
    checked: true,
    quantumCycles: 10_000,
    maxSteps: 10_000,
    maxSeconds: 60,
  };
  return runLockstep(job, scenario.createWorkload(parameters) as Workload, scheduler);
}

const races = [gupFast, lazyWalk, hugetlbUnshare, vmapNoBbm, splitNoBbm] as DefinedScenario<never>[];

describe.each(races.map((race) => [race.name, race] as const))('%s', (_, race) => {
  const fixed = race.variants.filter((variant) => variant.expect === 'clean').map(({ name }) => name);

  it.each([1, 10_001, 20_001])('buggy is found by one of 2000 random walks from seed %i on', (from) => {
    const buggy = race.variants.find(({ name }) => name === 'buggy');
    for (let seed = from; seed < from + 2000; seed++) {
      const { outcome, findings, error } = run(race, 'buggy', new RandomWalk(seed), seed);
      if (outcome === 'finished') continue;
      expect([outcome, error]).toEqual(['finding', undefined]);
      expect(buggy?.expect).toContain(findings[0].kind);
      return;
    }
    expect.fail('nothing found');
  });

  it.each(fixed)('%s is clean in 500 random walks, in turns and by the clock', (variant) => {
    const schedulers: Scheduler[] = [new ClockFirst(), new RoundRobin()];
    for (let seed = 1; seed <= 500; seed++) schedulers.push(new RandomWalk(seed));
    for (const [seed, scheduler] of schedulers.entries()) {
      const { outcome, findings, error } = run(race, variant, scheduler, seed);
      expect([seed, outcome, error, findings]).toEqual([seed, 'finished', undefined, []]);
    }
  });
});

it('a block is not split under a TLB that aborts where two entries match, though they agree', () => {
  const plan = (variant: string, platform: string) => () =>
    makePlan({
      scenario: splitNoBbm,
      variant: findVariant(splitNoBbm, variant),
      platform: platforms[platform],
      given: {},
    });
  expect(plan('fixed', 'neoverse')).toThrow(/neoverse aborts a lookup that matches two TLB entries/);
  expect(plan('buggy', 'neoverse')).not.toThrow();
  expect(plan('fixed', 'cortex-a9')).not.toThrow();
});
