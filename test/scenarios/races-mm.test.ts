import { describe, expect, it } from 'vitest';
import type { Job, RunResult } from '../../src/hosts/job.ts';
import { runLockstep } from '../../src/hosts/lockstep.ts';
import { ClockFirst } from '../../src/hosts/schedulers/clock-first.ts';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import { RoundRobin } from '../../src/hosts/schedulers/round-robin.ts';
import type { Scheduler } from '../../src/hosts/schedulers/scheduler.ts';
import { platformByName } from '../../src/platforms/index.ts';
import type { Parameters } from '../../src/program/workload.ts';
import type { DefinedScenario } from '../../src/scenarios/define.ts';
import mprotectMigrate from '../../src/scenarios/races/mprotect-migrate.ts';
import mremapStale from '../../src/scenarios/races/mremap-stale.ts';
import reclaimBatch from '../../src/scenarios/races/reclaim-batch.ts';
import specRefill from '../../src/scenarios/races/spec-refill.ts';
import zapDirty from '../../src/scenarios/races/zap-dirty.ts';
import { findVariant, resolveParameters } from '../../src/scenarios/scenario.ts';

const SEEDS = 2000;
const races = [mremapStale, mprotectMigrate, zapDirty, reclaimBatch, specRefill] as DefinedScenario[];

interface Size {
  readonly cpus: number;
  readonly given: Parameters;
}
const normal = ({ defaultCpus }: DefinedScenario): Size => ({ cpus: defaultCpus, given: {} });
function small({ defaultCpus, small: size }: DefinedScenario): Size {
  return { cpus: size?.cpus ?? defaultCpus, given: size?.parameters ?? {} };
}

function run(
  race: DefinedScenario,
  variant: string,
  { cpus, given }: Size,
  seed: number,
  scheduler: Scheduler = new RandomWalk(seed),
  platform = race.defaultPlatform(variant),
): RunResult {
  const parameters = { ...resolveParameters(race, given), variant };
  const job: Job = {
    platform: platformByName(platform) ?? expect.fail(platform),
    cpus,
    source: { module: race.module, parameters },
    seed,
    checked: true,
    quantumCycles: 10_000,
    maxSteps: race.maxSteps,
    maxSeconds: 60,
  };
  return runLockstep(job, race.createWorkload(parameters), scheduler);
}

/** The first of `SEEDS` seeds from `start` that shows anything, and what. */
function firstFinding(race: DefinedScenario, size: Size, start: number) {
  for (let seed = start; seed < start + SEEDS; seed++) {
    const { outcome, findings, error } = run(race, 'buggy', size, seed);
    if (outcome !== 'finished') return { outcome, error, kind: findings[0]?.kind };
  }
  return undefined;
}

/** Seeds of a run that was to be clean and was not. */
function unclean(race: DefinedScenario, size: Size, seeds: number, platform?: string) {
  const bad: unknown[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const { outcome, findings, error, unfinished } = run(race, 'fixed', size, seed, undefined, platform);
    if (outcome !== 'finished') bad.push({ seed, outcome, findings, error, unfinished });
  }
  return bad;
}

describe.each(races.map((race) => ({ name: race.name, race })))('$name', ({ race }) => {
  const { expect: kinds } = findVariant(race, 'buggy');

  it.each([
    ['normal', normal],
    ['small', small],
  ])('buggy is found at its %s size', (_, size) => {
    for (const start of [1, 10_001, 20_001]) {
      const found = firstFinding(race, size(race), start);
      expect(found).toMatchObject({ outcome: 'finding', error: undefined });
      expect(kinds).toContain(found?.kind);
    }
  });

  it('fixed is clean for 500 seeds', () => {
    expect(unclean(race, normal(race), 500)).toEqual([]);
  });

  it.each(['x86-64', 'neoverse', 'sun4m', 'sun4d'])('fixed is clean at its small size on %s', (platform) => {
    expect(unclean(race, small(race), 25, platform)).toEqual([]);
  });

  it('fixed finishes in the order of time and in turns', () => {
    for (const scheduler of [new ClockFirst(), new RoundRobin()]) {
      expect(run(race, 'fixed', normal(race), 1, scheduler)).toMatchObject({
        outcome: 'finished',
        findingCount: 0,
      });
    }
  });
});
