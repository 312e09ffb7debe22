import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { limitsOf } from '../../src/campaign/cells.ts';
import { firstFailures } from '../../src/campaign/first-failure.ts';
import { headerOf } from '../../src/campaign/header.ts';
import { Journal } from '../../src/campaign/journal.ts';
import { decodeLine, type ExploreLine, isStress } from '../../src/campaign/line.ts';
import { mergeJournals } from '../../src/campaign/merge.ts';
import { type CampaignPlan, PlanMismatch } from '../../src/campaign/plan.ts';
import { runLocally } from '../../src/campaign/run-locally.ts';
import { runUnit } from '../../src/campaign/run-unit.ts';
import { Summary } from '../../src/campaign/summary.ts';
import { runUnits } from '../../src/campaign/unit-task.ts';
import { explore } from '../../src/explore/explorer.ts';
import { decodeToken } from '../../src/explore/token.ts';
import { replayOn } from '../../src/lab/expectation.ts';
import { LockstepPool } from '../../src/lab/lockstep-pool.ts';
import { jobOf } from '../../src/lab/plan.ts';
import { defaultBudgets, exploreLimits } from '../../src/lab/search.ts';
import { stressVariant } from '../../src/lab/stress.ts';
import { findScenario } from '../../src/scenarios/index.ts';
import { ALL, linesIn, ownFolder, planOf, runPlan, stressEntry } from './small-campaign.ts';

const folder = ownFolder();
let count = 0;
const fresh = () => join(folder, `${++count}.ndjson`);

let plan: CampaignPlan;
let whole: string[];

// Threads that start from source, while other tests run.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

beforeAll(async () => {
  const schedules = { scenarios: ['reclaim-batch'], variants: ['buggy'] };
  plan = await planOf([
    stressEntry(16),
    { kind: 'random', ...schedules, seeds: [{ from: 5, to: 34 }], runsPerShard: 12 },
    { kind: 'pct', ...schedules, seeds: [{ from: 1, to: 30 }], runsPerShard: 10 },
    { kind: 'dpor', ...schedules, parts: 3, maxRuns: 60 },
  ]);
  whole = (await runPlan(plan, fresh())).sort();
});

describe('a campaign', () => {
  it('says the same on any number of threads', async () => {
    expect(whole).toHaveLength(plan.units);
    expect((await runPlan(plan, fresh(), { workers: 2 })).sort()).toEqual(whole);
  });

  it('says the same in parts that are merged', async () => {
    const paths = [fresh(), fresh()];
    for (const [i, path] of paths.entries()) await runPlan(plan, path, { share: { index: i + 1, of: 2 } });
    const output = fresh();
    const { done, duplicates } = await mergeJournals(paths, output);
    expect({ done, duplicates }).toEqual({ done: plan.units, duplicates: 0 });
    expect(linesIn(output).sort()).toEqual(whole);
    // There is nothing left to do.
    expect((await runPlan(plan, output)).sort()).toEqual(whole);
  });

  it('goes on where it was stopped, and runs nothing again', async () => {
    const path = fresh();
    const abort = new AbortController();
    const header = headerOf(plan);
    let journal = await Journal.open(path, header, () => abort.abort());
    await runLocally(plan, journal, { workers: 0, share: ALL, signal: abort.signal });
    await journal.close();
    const before = journal.done.size;
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThan(plan.units);
    const told: number[] = [];
    journal = await Journal.open(path, header, ({ unit }) => told.push(unit));
    expect(told).toHaveLength(before);
    await runLocally(plan, journal, { workers: 0, share: ALL, signal: new AbortController().signal });
    await journal.close();
    expect(new Set(told).size).toBe(told.length);
    expect(linesIn(path).sort()).toEqual(whole);
    // Lines come in pieces, and reach the disk in larger ones.
    expect(journal.syncs).toBeLessThan(plan.units - before);
  });

  it('is not run by a flushlab that plans it otherwise', async () => {
    const { campaign } = plan;
    const other = { campaign, plan: '0'.repeat(64), units: [0] };
    await expect(runUnits(other)).rejects.toThrow(PlanMismatch);
  });
});

describe('the lines', () => {
  const linesOf = (cell: number) => {
    const { first, units } = plan.cells[cell];
    const lines = whole.map((text) => decodeLine(text, plan.units));
    return lines
      .filter((line) => line !== undefined && line.unit >= first && line.unit < first + units)
      .sort((a, b) => (a?.unit ?? 0) - (b?.unit ?? 0));
  };

  it.each([0, 1])('of a stress are what stress finds (variant %i)', async (variant) => {
    const cell = plan.cells[variant];
    const pool = new LockstepPool(0);
    const seen: string[] = [];
    let before = 0;
    await stressVariant(
      cell.plans,
      { pool, scheduler: 'random' },
      {
        limits: limitsOf(cell, cell.plans[0]),
        runs: 16,
        seed: 1,
        isStopped: () => false,
        onRun: ({ found, steps }) => {
          seen.push(`${seen.length + 1} ${found > 0 ? found : 0} ${steps - before}`);
          before = steps;
          return true;
        },
      },
    );
    let found = 0;
    const lines = linesOf(variant).map((line) => {
      if (!line || !isStress(line)) return '';
      if (line.verdict === 'found') found++;
      return `${line.seed} ${found} ${line.steps}`;
    });
    expect(lines).toEqual(seen);
  });

  it.each([
    [2, 'random', 5],
    [3, 'pct', 1],
  ] as const)(
    'of samples add up to an exploration of the same seeds (%i, %s)',
    async (index, strategy, seed) => {
      const cell = plan.cells[index];
      const lines = linesOf(index) as ExploreLine[];
      const [one] = cell.plans;
      const job = jobOf(one, exploreLimits(one), seed);
      const report = await explore(job, {
        strategy,
        seed,
        runs: 30,
        depth: 3,
        budgets: defaultBudgets(one),
        most: { preemptions: 0, delays: 0 },
        workers: 0,
      });
      const sum = (of: (line: ExploreLine) => number) => lines.reduce((total, line) => total + of(line), 0);
      expect(sum(({ runs }) => runs)).toBe(report.runs);
      expect(sum(({ steps }) => steps)).toBe(report.steps);
      const counts: Record<string, number> = {};
      for (const { signature, count: runs } of lines.flatMap(({ failures }) => failures)) {
        counts[signature] = (counts[signature] ?? 0) + runs;
      }
      expect(counts).toEqual(
        Object.fromEntries(report.failures.map(({ signature, count: runs }) => [signature, runs])),
      );
      expect(report.failures.length).toBeGreaterThan(0);
    },
  );

  it('of a search leave nothing out, whatever the number of parts', async () => {
    const entry = {
      kind: 'dpor',
      scenarios: ['./test/support/tiny-race.ts'],
      variants: ['fixed', 'buggy', 'stuck'],
    };
    const signatures = { fixed: [], buggy: ['finding stale-translation'], stuck: ['deadlock'] };
    for (const parts of [1, 7]) {
      const { cells } = await planOf([{ ...entry, parts }]);
      const seen: Record<string, string[]> = {};
      for (const cell of cells) {
        const lines: ExploreLine[] = [];
        for (let i = 0; i < cell.units; i++) lines.push((await runUnit(cell, cell.first + i)) as ExploreLine);
        expect(lines.every(({ complete }) => complete)).toBe(true);
        const found = lines.flatMap(({ failures }) => failures.map(({ signature }) => signature));
        seen[cell.plans[0].variant.name] = [...new Set(found)];
      }
      expect(seen).toEqual(signatures);
    }
  });

  it('hold the schedule that failed: it fails again', async () => {
    const summary = new Summary(headerOf(plan));
    for (const text of whole) {
      const line = decodeLine(text, plan.units);
      if (line) summary.add(line);
    }
    const shown = await firstFailures(summary);
    const failed = summary.cells.filter(({ first }) => first !== undefined);
    expect([...shown.keys()]).toEqual(failed.map(({ cell }) => cell.name));
    expect(shown.get('reclaim-batch/buggy/x86-64')).toMatch(
      /^flushlab run reclaim-batch --variant buggy --seed \d+$/,
    );
    for (const kind of ['random', 'pct', 'dpor']) {
      const word = shown.get(`reclaim-batch/buggy/x86-64 ${kind}`)?.replace('flushlab replay ', '') ?? '';
      const token = decodeToken(word);
      const { signature, choices } = await replayOn(findScenario('reclaim-batch'), token);
      expect(signature).toBe('finding stale-translation');
      expect(choices).toEqual(token.choices);
    }
  });
});
