/**
 * Schedules a second: races of the library and one plain scenario of a hundred steps, for each way of choosing
 * schedules, in one thread and in a pool of two; and what more memory costs that no run touches.
 *
 *     node --import ./scripts/register-ts.mjs bench/explore.ts [--only NAME] [--kind KIND] [--schedules N] [--one]
 */
import { parseArgs } from 'node:util';
import { Execution } from '../src/explore/execution.ts';
import { cutPrefixes } from '../src/explore/prefixes.ts';
import { footprintsOf, runShard, type Shard, type ShardTask } from '../src/explore/shard.ts';
import type { Job } from '../src/hosts/job.ts';
import { loadWorkload } from '../src/hosts/session.ts';
import { TaskPool } from '../src/hosts/task-pool.ts';
import { jobOf, makePlan } from '../src/lab/plan.ts';
import { defaultBudgets, exploreLimits } from '../src/lab/search.ts';
import { platforms } from '../src/platforms/index.ts';
import { scenarios } from '../src/scenarios/index.ts';
import type { Scenario } from '../src/scenarios/scenario.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    kind: { type: 'string', default: '' },
    schedules: { type: 'string', default: '4000' },
    one: { type: 'boolean', default: false },
  },
});
const schedules = Number(values.schedules);
const WORKERS = 2;
const GOAL_PER_SECOND = 20_000;
const ROUNDS = 5;

const kinds = ['random', 'pct', 'dpor'] as const;
type Kind = (typeof kinds)[number];
type Work = Omit<ShardTask, 'shard'>;

const median = (list: number[]) => list.sort((a, b) => a - b)[list.length >> 1];
const whole = (n: number) => Math.round(n).toLocaleString('en-US');

/** Work that takes as long for every kind: many small parts, as an exploration has them. */
async function shardsOf({ job, budgets }: Work, kind: Kind): Promise<Shard[]> {
  const on = new Execution(job, await loadWorkload(job), budgets);
  if (kind === 'dpor') {
    const prefixes = cutPrefixes(on, footprintsOf(on, false), 16);
    const maxRuns = Math.ceil(schedules / prefixes.length);
    return prefixes.map(({ prefix, sleep }) => ({ kind, prefix, sleep, maxRuns, uncached: false }));
  }
  let lengthSteps = 0;
  for (; on.outcome === undefined; lengthSteps++) on.take(on.enabled[0]);
  const runs = Math.ceil(schedules / 16);
  return Array.from({ length: 16 }, (_, i) => ({
    kind,
    firstSeed: 1 + i * runs,
    runs,
    depth: 3,
    lengthSteps,
  }));
}

interface Rate {
  /** By processor time: other processes disturb it less. Of the pool's threads together. */
  readonly perSecond: number;
  readonly perWallSecond: number;
  readonly stepsPerRun: number;
}

/** Each round does the same work; the first one warms everything up and does not count. */
async function rateOf(work: Work, shards: readonly Shard[], workers: number): Promise<Rate> {
  const pool = new TaskPool('runShard', runShard, workers);
  const seconds: number[] = [];
  const wallSeconds: number[] = [];
  let schedulesRun = 0;
  let steps = 0;
  let ended = 0;
  const tasks = shards.map((shard) => ({ ...work, shard }));
  for (let round = 0; round <= ROUNDS; round++) {
    schedulesRun = 0;
    steps = 0;
    ended = 0;
    const cpu = process.cpuUsage();
    const began = performance.now();
    await pool.run(tasks, (result) => {
      schedulesRun += result.runs + result.redundant;
      ended += result.runs;
      steps += result.steps;
      return true;
    });
    const { user, system } = process.cpuUsage(cpu);
    if (round === 0) continue;
    seconds.push((user + system) / 1e6);
    wallSeconds.push((performance.now() - began) / 1000);
  }
  await pool.close();
  return {
    perSecond: schedulesRun / median(seconds),
    perWallSecond: schedulesRun / median(wallSeconds),
    stepsPerRun: steps / ended,
  };
}

function raceWork(scenario: Scenario): Work {
  const variant = scenario.variants.find(({ expect }) => expect === 'clean') ?? scenario.variants[0];
  const given = Object.entries(scenario.small?.parameters ?? {}).map(([key, value]) => [key, String(value)]);
  const cpus = scenario.small?.cpus;
  const plan = makePlan({ scenario, variant, cpus, given: Object.fromEntries(given) });
  return { job: jobOf(plan, exploreLimits(plan), 1), budgets: defaultBudgets(plan) };
}

function plainWork(memoryBytes: number): Work {
  const job: Job = {
    platform: { ...platforms['x86-64'], memoryBytes },
    cpus: 2,
    source: { module: new URL('./workloads/hundred-steps.ts', import.meta.url).href, parameters: {} },
    seed: 1,
    checked: true,
    quantumCycles: 1e9,
    maxSteps: 20_000,
    maxSeconds: 3600,
  };
  return { job, budgets: { walk: 0, prefetch: 0, evict: 0 } };
}

const HEADLINE = 'hundred-steps';
const works = new Map<string, Work>([[HEADLINE, plainWork(platforms['x86-64'].memoryBytes)]]);
for (const scenario of scenarios) if (scenario.small) works.set(scenario.name, raceWork(scenario));

console.log(
  `clean variants at their small sizes, checked; ${whole(schedules)} schedules, median of ${ROUNDS}; dpor: with those cut short`,
);
console.log('scenario          kind    steps/run  schedules/s  pool of two  ratio');
for (const [name, work] of works) {
  if (!name.includes(values.only)) continue;
  for (const kind of kinds) {
    if (!kind.includes(values.kind)) continue;
    const shards = await shardsOf(work, kind);
    const one = await rateOf(work, shards, 0);
    const pool = values.one ? undefined : await rateOf(work, shards, WORKERS);
    const line = [
      name.padEnd(17),
      kind.padEnd(7),
      one.stepsPerRun.toFixed(0).padStart(9),
      whole(one.perSecond).padStart(12),
      (pool ? whole(pool.perWallSecond) : '').padStart(11),
      pool ? (pool.perWallSecond / one.perWallSecond).toFixed(2).padStart(6) : '',
    ];
    const goal =
      name === HEADLINE ? `  ${((100 * one.perSecond) / GOAL_PER_SECOND).toFixed(0)} % of the goal` : '';
    console.log(line.join(' ') + goal);
  }
}

const [small, large] = [1 << 20, 1 << 26].map(plainWork);
const shards = await shardsOf(small, 'random');
const [inSmall, inLarge] = [await rateOf(small, shards, 0), await rateOf(large, shards, 0)];
console.log(
  `\n${HEADLINE}, random, 1 MiB of memory: ${whole(inSmall.perSecond)} schedules/s; 64 MiB: ${whole(inLarge.perSecond)}; ratio ${(inSmall.perSecond / inLarge.perSecond).toFixed(2)}`,
);
