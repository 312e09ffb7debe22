/**
 * What holds for every flush scenario: on every built-in platform each variant shows what its expectation says,
 * and every flush that the right variant makes is needed on some platform, or listed with the reason.
 */
import { afterAll, describe, expect, it } from 'vitest';
import type { Job, RunResult } from '../../src/hosts/job.ts';
import { runLockstep } from '../../src/hosts/lockstep.ts';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import { ThreadsHost } from '../../src/hosts/threads.ts';
import { tooFewCpus } from '../../src/lab/matrix.ts';
import { jobOf, makePlan } from '../../src/lab/plan.ts';
import type { Platform } from '../../src/machine/platform.ts';
import { platforms } from '../../src/platforms/index.ts';
import type { Parameters } from '../../src/program/workload.ts';
import type { DefinedScenario } from '../../src/scenarios/define.ts';
import type { FlushScenario } from '../../src/scenarios/flush/define-flush.ts';
import type { Variant } from '../../src/scenarios/scenario.ts';

const SEEDS = [1, 2, 3];
const THREAD_RUNS = 3;

interface HowToRun {
  readonly seed?: number;
  readonly cpus?: number;
  readonly given?: Parameters;
  readonly keepGoing?: boolean;
}

export function jobFor(
  scenario: DefinedScenario,
  variant: Variant,
  platform: Platform,
  { seed = 1, cpus, given = {}, keepGoing = false }: HowToRun,
): Job {
  const plan = makePlan({ scenario, variant, platform, cpus, given });
  const limits = {
    checked: true,
    keepGoing,
    quantumCycles: 10_000,
    maxSteps: scenario.maxSteps,
    maxSeconds: 60,
  };
  return jobOf(plan, limits, seed);
}

/** One run on lockstep, schedule and agents at random. */
export function runFlush(
  scenario: DefinedScenario,
  variant: Variant,
  platform: Platform,
  how: HowToRun = {},
): RunResult {
  const job = jobFor(scenario, variant, platform, how);
  return runLockstep(job, scenario.createWorkload(job.source.parameters), new RandomWalk(job.seed));
}

/** What a run has shown, in the terms of an expectation. */
export function shown({ outcome, findings, error }: RunResult): string {
  return outcome === 'finding' ? findings[0].kind : (error ?? (outcome === 'finished' ? 'clean' : outcome));
}

/** @returns in words, how runs of a variant on a platform differ from what is expected; none: they do not */
export function disagreements(
  scenario: DefinedScenario,
  variant: Variant,
  platform: Platform,
  seeds: readonly number[] = SEEDS,
): string[] {
  const expected = variant.expectOn?.(platform).expect ?? variant.expect;
  const got = seeds.map((seed) => shown(runFlush(scenario, variant, platform, { seed })));
  const isExpected = (kind: string) =>
    expected === 'clean' ? kind === 'clean' : (expected as readonly string[]).includes(kind);
  const wrong = got.filter((kind) => !isExpected(kind));
  // A random eviction may write a dirty line back in time: then that run shows nothing.
  const hidden = expected !== 'clean' && wrong.every((kind) => kind === 'clean') && wrong.length < got.length;
  return hidden
    ? []
    : wrong.map((kind) => `${variant.name} on ${platform.name}: ${kind} instead of ${expected}`);
}

const all = Object.values(platforms);
/** Built-in platforms that can run a variant. */
export const supported = (scenario: DefinedScenario, variant: Variant) =>
  all.filter(
    (platform) => (variant.unsupported?.(platform) ?? tooFewCpus(scenario, variant, platform)) === undefined,
  );

function rightOf({ variants, right }: FlushScenario): Variant {
  return variants.find((variant) => variant.name === right) ?? expect.fail(right);
}

/** Platforms on which the right variant fails without the call of a site. */
export function neededOn(scenario: FlushScenario, site: string): string[] {
  const right = rightOf(scenario);
  return supported(scenario, right)
    .filter((platform) => shown(runFlush(scenario, right, platform, { given: { omit: site } })) !== 'clean')
    .map(({ name }) => name);
}

/** The tests that every flush scenario must pass. */
export function describeFlushScenario(scenario: FlushScenario): void {
  describe(scenario.name, () => {
    // First, because threads that start compile, in a process of their own: a system refuses to fork one that has mapped
    // the memories of hundreds of machines, until these are collected.
    const host = new ThreadsHost();
    afterAll(() => host.close());
    it('the right one is clean on threads', { timeout: 60_000 }, async () => {
      const right = rightOf(scenario);
      for (const platform of supported(scenario, right)) {
        for (let seed = 1; seed <= THREAD_RUNS; seed++) {
          const result = await host.run(jobFor(scenario, right, platform, { seed }));
          expect([platform.name, seed, shown(result)]).toEqual([platform.name, seed, 'clean']);
        }
      }
    });

    for (const variant of scenario.variants) {
      const platformsOf = supported(scenario, variant);
      it.each(platformsOf)(`${variant.name} shows what is expected of it on $name`, (platform) => {
        expect(disagreements(scenario, variant, platform)).toEqual([]);
      });
      it(`${variant.name} has a reason for every platform`, () => {
        const reasons = platformsOf.map((platform) => variant.expectOn?.(platform).reason ?? '');
        for (const reason of reasons) expect(reason).toMatch(/\w+ \w+/);
      });
      it(`${variant.name} gives a source for every fact of a platform`, () => {
        const bare = platformsOf.flatMap((platform) => {
          const { name } = platform;
          const facts = new RegExp(`\\b[a-z][\\w.]* of ${name} is \\S+(?=\\s|$)(?! \\()`, 'g');
          return variant.expectOn?.(platform).reason.match(facts) ?? [];
        });
        expect(bare).toEqual([]);
      });
    }

    it.each(Object.keys(scenario.sites))('the flush at %s is needed, or listed as never needed', (site) => {
      const needed = neededOn(scenario, site);
      if (site in scenario.neverMatters) expect(needed).toEqual([]);
      else expect(needed).not.toEqual([]);
    });

    it('the right one is clean with CPUs to spare', () => {
      const right = rightOf(scenario);
      for (const name of ['hypersparc', 'x86-64']) {
        const platform = platforms[name];
        if (!supported(scenario, right).includes(platform)) continue;
        const got = shown(runFlush(scenario, right, platform, { cpus: 4 }));
        expect([name, got]).toEqual([name, 'clean']);
      }
    });
  });
}
