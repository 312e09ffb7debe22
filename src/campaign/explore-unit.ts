/**
 * Runs one shard of an exploration. What a search needs to know before it can be cut up is found out by whoever runs
 * a part of it, from the programs alone, so that all cut it alike.
 */
import { Execution } from '../explore/execution.ts';
import { cutPrefixes, type Prefix } from '../explore/prefixes.ts';
import { joinReached, type Reached } from '../explore/reached.ts';
import {
  type Failure,
  footprintsOf,
  isViolation,
  runShard,
  type Shard,
  type ShardResult,
} from '../explore/shard.ts';
import { workloadOf } from '../lab/plan.ts';
import { replayTwice } from '../lab/search.ts';
import { type Cell, exploreJobOf, usualBudgets } from './cells.ts';
import type { ExploreLine } from './line.ts';
import { scheduleText } from './schedule-text.ts';
import type { Entry } from './schema.ts';
import { shardAt } from './seeds.ts';

type Exploration = Exclude<Entry, { readonly kind: 'stress' }>;
type Search = Extract<Entry, { readonly kind: 'dpor' }>;

/** What is known of the cell that this thread works at. */
interface Opened {
  readonly cell: Cell;
  readonly on: Execution;
  /** Of the run that nothing interferes with. */
  readonly lengthSteps: number;
  readonly cut?: { readonly prefixes: readonly Prefix[]; readonly uncached: boolean };
}

let kept: Opened | undefined;

/** @param index of the unit within its cell. @throws NotReproducible */
export async function runExploration(cell: Cell, unit: number, index: number): Promise<ExploreLine> {
  const entry = cell.entry as Exploration;
  if (kept?.cell !== cell) kept = await open(cell, entry);
  const opened = kept;
  const { shards, seed } = shardsOf(entry, opened, index);
  const results: ShardResult[] = [];
  let left = entry.kind === 'dpor' ? entry.maxRuns : 0;
  for (const shard of shards) {
    const result = await run(
      opened,
      shard.kind === 'dpor' ? { ...shard, maxRuns: Math.max(1, left) } : shard,
    );
    left -= result.runs + result.redundant;
    results.push(result);
  }
  const failures = joined(results.flatMap((result) => result.failures));
  for (const { signature, choices } of failures) {
    if (!isViolation(signature)) continue;
    opened.on.listen(true);
    replayTwice(opened.on, choices, signature);
  }
  return lineOf(cell, unit, entry.kind, seed, results, failures);
}

async function open(cell: Cell, entry: Exploration): Promise<Opened> {
  const job = exploreJobOf(cell);
  const on = new Execution(job, await workloadOf(cell.plans[0], job), budgetsOf(cell, entry));
  const lengthSteps = lengthOf(on);
  if (entry.kind !== 'dpor') return { cell, on, lengthSteps };
  const opened = { cell, on, lengthSteps };
  const uncached = entry.uncached ?? (await looksUncached(opened));
  const prefixes = cutPrefixes(on, footprintsOf(on, uncached), entry.parts);
  return { ...opened, cut: { prefixes, uncached } };
}

function budgetsOf(cell: Cell, { walks, prefetches, evictions }: Exploration) {
  const usual = usualBudgets(cell);
  return {
    walk: walks ?? usual.walk,
    prefetch: prefetches ?? usual.prefetch,
    evict: evictions ?? usual.evict,
  };
}

function lengthOf(on: Execution): number {
  on.restart();
  while (on.outcome === undefined) on.take(on.enabled[0]);
  return on.choices;
}

/** Runs that are made to see whether programs go past the caches, before a search is cut. */
const PROBES = 500;

async function looksUncached(opened: Opened): Promise<boolean> {
  const all = { kind: 'dpor', prefix: [], sleep: [], maxRuns: PROBES, uncached: false } as const;
  return (await run(opened, all)).sawUncached;
}

function run({ cell, on }: Opened, shard: Shard): Promise<ShardResult> {
  return runShard({ job: exploreJobOf(cell), budgets: on.budgets, shard });
}

function shardsOf(entry: Exploration, opened: Opened, index: number): { shards: Shard[]; seed?: number } {
  if (entry.kind === 'dpor') return { shards: partOf(entry, opened, index) };
  const { lengthSteps } = opened;
  const { firstSeed, runs } = shardAt(entry.seeds, entry.runsPerShard, index);
  const depth = entry.kind === 'pct' ? entry.depth : 1;
  return { shards: [{ kind: entry.kind, firstSeed, runs, depth, lengthSteps }], seed: firstSeed };
}

/** Every so many of the subtrees: the campaign fixes the number of parts, the programs that of subtrees. */
function partOf({ parts, maxRuns }: Search, { cut }: Opened, index: number): Shard[] {
  if (!cut) throw new Error('the search has not been cut');
  const { prefixes, uncached } = cut;
  return prefixes
    .filter((_, at) => at % parts === index)
    .map(({ prefix, sleep }) => ({ kind: 'dpor', prefix, sleep, maxRuns, uncached }));
}

function joined(failures: readonly Failure[]): Failure[] {
  const bySignature = new Map<string, Failure>();
  for (const failure of failures) {
    const known = bySignature.get(failure.signature);
    bySignature.set(failure.signature, known ? { ...known, count: known.count + failure.count } : failure);
  }
  return [...bySignature.values()];
}

function lineOf(
  { name }: Cell,
  unit: number,
  kind: Exploration['kind'],
  seed: number | undefined,
  results: readonly ShardResult[],
  failures: readonly Failure[],
): ExploreLine {
  const sum = (part: (result: ShardResult) => number) =>
    results.reduce((total, each) => total + part(each), 0);
  const reached = results.reduce<readonly Reached[]>((all, each) => joinReached(all, each.reached), []);
  const isSearch = kind === 'dpor';
  return {
    unit,
    cell: name,
    ...(seed !== undefined && { seed }),
    runs: sum(({ runs }) => runs),
    ...(isSearch && { redundant: sum(({ redundant }) => redundant) }),
    steps: sum(({ steps }) => steps),
    longest: Math.max(0, ...results.map(({ longest }) => longest)),
    ...(isSearch && { complete: results.every(({ complete, sawUncached }) => complete && !sawUncached) }),
    ...(results.some(({ sawUncached }) => sawUncached && isSearch) && { wentUncached: true }),
    failures: failures.map(({ signature, count, seed: first, choices }) => ({
      signature,
      count,
      ...(first !== undefined && { seed: first }),
      choices: scheduleText(choices),
    })),
    ...(reached.length > 0 && {
      reached: Object.fromEntries(reached.map((each) => [each.name, each.count])),
    }),
  };
}
