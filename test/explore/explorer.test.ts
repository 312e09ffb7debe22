import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Checkpoint } from '../../src/explore/checkpoint.ts';
import { Execution } from '../../src/explore/execution.ts';
import { explore, type Strategy } from '../../src/explore/explorer.ts';
import { Policy } from '../../src/explore/policy.ts';
import { cutPrefixes } from '../../src/explore/prefixes.ts';
import { footprintsOf, runShard, type ShardResult, signatureOf } from '../../src/explore/shard.ts';
import { shrink } from '../../src/explore/shrink.ts';
import { loadWorkload } from '../../src/hosts/session.ts';
import { jobOf, makePlan } from '../../src/lab/plan.ts';
import { defaultBudgets, exploreLimits } from '../../src/lab/search.ts';
import { findScenario } from '../../src/scenarios/index.ts';
import { findVariant } from '../../src/scenarios/scenario.ts';
import tinyRace from '../support/tiny-race.ts';

const folder = mkdtempSync(join(tmpdir(), 'flushlab-explorer-'));
afterAll(() => rmSync(folder, { recursive: true }));

function planOf(name: string, variant: string) {
  const scenario = findScenario(name);
  return makePlan({
    scenario,
    variant: findVariant(scenario, variant),
    cpus: scenario.small?.cpus,
    given: scenario.small?.parameters ?? {},
  });
}

const jobFor = (name: string, variant: string) => {
  const plan = planOf(name, variant);
  return { job: jobOf(plan, exploreLimits(plan), 1), budgets: defaultBudgets(plan) };
};

const optionsOf = (strategy: Strategy, workers: number) => ({
  strategy,
  seed: 11,
  runs: 700,
  depth: 3,
  most: { preemptions: 2, delays: 1 },
  workers,
});

describe('what an exploration finds', () => {
  it.each<Strategy>(['pct', 'random', 'bounded', 'dpor'])(
    '%s: does not depend on the number of workers',
    async (strategy) => {
      const { job, budgets } = jobFor('reclaim-batch', 'buggy');
      const reports = [];
      for (const workers of [0, 3])
        reports.push(await explore(job, { ...optionsOf(strategy, workers), budgets }));
      for (const report of reports) expect(report).toEqual(reports[0]);
      expect(reports[0].failures[0].signature).toBe('finding stale-translation');
    },
  );

  it('is the same after a part of it was done before', async () => {
    const { job, budgets } = jobFor('reclaim-batch', 'buggy');
    const whole = await explore(job, { ...optionsOf('pct', 0), budgets });
    const path = join(folder, 'half');
    let shards = 0;
    const half = await explore(job, {
      ...optionsOf('pct', 0),
      budgets,
      checkpoint: new Checkpoint(path, 'k'),
      onProgress: () => ++shards < 3,
    });
    expect(half.stopped).toBe(true);
    const rest = new Checkpoint(path, 'k');
    expect(rest.finished).toBe(3);
    expect(await explore(job, { ...optionsOf('pct', 0), budgets, checkpoint: rest })).toEqual(whole);
  });

  it('is cut up without losing a schedule or running one twice', async () => {
    const given = { stores: '1' };
    const plan = makePlan({ scenario: tinyRace, variant: tinyRace.variants[0], cpus: 3, given });
    const job = jobOf(plan, exploreLimits(plan), 1);
    const budgets = { walk: 1, prefetch: 0, evict: 0 };
    const rest = { kind: 'dpor', maxRuns: 100_000, uncached: false } as const;
    const whole = await runShard({ job, budgets, shard: { ...rest, prefix: [], sleep: [] } });
    const on = new Execution(job, await loadWorkload(job), budgets);
    const parts: ShardResult[] = [];
    for (const prefix of cutPrefixes(on, footprintsOf(on, false), 16)) {
      parts.push(await runShard({ job, budgets, shard: { ...rest, ...prefix } }));
    }
    expect(parts.length).toBeGreaterThanOrEqual(16);
    expect([whole, ...parts].every(({ complete }) => complete)).toBe(true);
    expect(whole.runs).toBeGreaterThan(16);
    expect(parts.reduce((sum, { runs }) => sum + runs, 0)).toBe(whole.runs);
  });

  it('is complete where it had to be cut up', async () => {
    const given = { stores: '1' };
    const plan = makePlan({ scenario: tinyRace, variant: tinyRace.variants[0], cpus: 4, given });
    const job = jobOf(plan, exploreLimits(plan), 1);
    const budgets = { walk: 0, prefetch: 0, evict: 0 };
    const report = await explore(job, { ...optionsOf('dpor', 0), runs: 100_000, budgets });
    // More than are tried in one piece.
    expect(report.runs + report.redundant).toBeGreaterThan(2000);
    expect(report).toMatchObject({ complete: true, failures: [] });
  });
});

describe('a schedule that fails', () => {
  it.each(['mremap-stale', 'zap-dirty', 'split-no-bbm', 'gup-fast'])(
    '%s: shrinks to what the search by cost finds first',
    async (name) => {
      const { job, budgets } = jobFor(name, 'buggy');
      const sampled = await explore(job, { ...optionsOf('pct', 0), budgets });
      const searched = await explore(job, { ...optionsOf('bounded', 0), runs: 50_000, budgets });
      const on = new Execution(job, await loadWorkload(job), budgets);
      const [failure] = sampled.failures;
      const small = shrink(on, failure.choices, failure.signature, 20_000);
      expect(small.minimal).toBe(true);
      const cost = costOf(on, searched.failures[0].choices);
      expect(small).toMatchObject(cost);
      expect(costOf(on, small.choices)).toEqual(cost);
    },
  );
});

/** What a schedule costs, counted anew. */
function costOf(on: Execution, choices: readonly number[]) {
  const policy = new Policy();
  on.restart();
  for (const choice of choices) {
    policy.note(on, choice, policy.choose(on));
    on.take(choice);
  }
  expect(signatureOf(on)).toMatch(/^finding/);
  return { preemptions: policy.preemptions, delays: policy.delays };
}
