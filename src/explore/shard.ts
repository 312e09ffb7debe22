/**
 * A part of an exploration as plain data: what goes to a worker of the pool, or is run right here. Parts are
 * cut without regard to the number of workers, and each is run to its end whatever others find.
 */
import { kindNames } from '../checker/finding.ts';
import type { Job } from '../hosts/job.ts';
import { loadWorkload } from '../hosts/session.ts';
import { COUNT } from '../machine/registers.ts';
import { BoundedRun, type Costs, type Neighbour } from './bounded.ts';
import { runWith } from './chooser.ts';
import { Dpor } from './dpor.ts';
import { type Budgets, Execution } from './execution.ts';
import { Footprints } from './footprint.ts';
import { Pct } from './pct.ts';
import { UniformWalk } from './random-walk.ts';
import { goalOf, hasReachedGoal, type Reached, ReachedTally, reachedSignature } from './reached.ts';

/** Runs with consecutive seeds. */
interface SampleShard {
  readonly kind: 'random' | 'pct';
  readonly firstSeed: number;
  readonly runs: number;
  /** PCT: see Pct. */
  readonly depth: number;
  readonly lengthSteps: number;
}

/** Schedules given by what they deviate in. */
interface BoundedShard {
  readonly kind: 'bounded';
  readonly items: readonly Neighbour[];
  readonly most: Costs;
}

/** Every schedule after a prefix, up to equivalence. */
interface DporShard {
  readonly kind: 'dpor';
  readonly prefix: readonly number[];
  /** Choices that sleep after the prefix: choice, then its footprint. */
  readonly sleep: readonly (readonly [number, readonly number[]])[];
  readonly maxRuns: number;
  /** Programs go past the caches. */
  readonly uncached: boolean;
}

export type Shard = SampleShard | BoundedShard | DporShard;

export interface ShardTask {
  readonly job: Job;
  readonly budgets: Budgets;
  readonly shard: Shard;
}

/** A way for runs to fail, and the first run that did. */
export interface Failure {
  /** `finding stale-translation`, `deadlock`, `step-limit`, `error ...`; `reached ...` is none, see reached.ts */
  readonly signature: string;
  readonly choices: readonly number[];
  readonly count: number;
  /** Sampling: the seed. */
  readonly seed?: number;
}

export interface ShardResult {
  readonly runs: number;
  readonly redundant: number;
  readonly steps: number;
  readonly longest: number;
  /** Nothing in the shard was left out. */
  readonly complete: boolean;
  readonly failures: readonly Failure[];
  /** States that were reached, in the order in which they were. */
  readonly reached: readonly Reached[];
  /** Bounded: schedules to go on with. */
  readonly neighbours: readonly Neighbour[];
  /** Programs went past the caches, which the search had not reckoned with. */
  readonly sawUncached: boolean;
}

/** How a run ended, as a name; undefined if as it should. */
export function signatureOf(on: Execution): string | undefined {
  const { outcome, job } = on;
  if (job.goal !== undefined && hasReachedGoal(on)) return reachedSignature(job.goal);
  if (outcome === 'finished') return undefined;
  if (outcome === 'finding') return `finding ${on.result().findings[0].kind}`;
  if (outcome === 'error') return `error ${on.result().error?.split('\n')[0] ?? ''}`;
  return outcome ?? 'unfinished';
}

/** True for a signature that is a violation, and not a bound or a broken program. */
export function isViolation(signature: string): boolean {
  return signature === 'deadlock' || kindNames.some((kind) => signature === `finding ${kind}`);
}

class Tally {
  readonly reached = new ReachedTally();
  runs = 0;
  steps = 0;
  longest = 0;
  private readonly failures = new Map<string, { choices: readonly number[]; count: number; seed?: number }>();

  note(on: Execution, choices: readonly number[], seed?: number): void {
    this.runs++;
    this.steps += on.choices;
    this.longest = Math.max(this.longest, on.choices);
    this.reached.note(on, choices, seed);
    const signature = signatureOf(on);
    if (signature === undefined || goalOf(signature) !== undefined) return;
    const known = this.failures.get(signature);
    if (known) known.count++;
    else
      this.failures.set(signature, { choices: [...choices], count: 1, ...(seed !== undefined && { seed }) });
  }

  list(): Failure[] {
    return [...this.failures].map(([signature, failure]) => ({ signature, ...failure }));
  }
}

let kept: { readonly key: string; readonly on: Execution } | undefined;

/** A machine for the job, kept between the shards of one exploration. */
async function executionFor({ job, budgets }: ShardTask): Promise<Execution> {
  const key = JSON.stringify([job, budgets]);
  if (kept?.key !== key) kept = { key, on: new Execution(job, await loadWorkload(job), budgets) };
  return kept.on;
}

/** Runs a shard in this thread. @throws Error if the module of the job's programs cannot be loaded */
export async function runShard(task: ShardTask): Promise<ShardResult> {
  const on = await executionFor(task);
  const { shard } = task;
  switch (shard.kind) {
    case 'bounded':
      return runBounded(on, shard);
    case 'dpor':
      return runDpor(on, shard);
    default:
      return runSamples(on, shard);
  }
}

function runSamples(on: Execution, shard: SampleShard): ShardResult {
  const tally = new Tally();
  on.listen(false);
  for (let seed = shard.firstSeed; seed < shard.firstSeed + shard.runs; seed++) {
    const chooser =
      shard.kind === 'pct' ? new Pct(seed, shard.depth, shard.lengthSteps) : new UniformWalk(seed);
    tally.note(on, runWith(on, chooser), seed);
    if (tally.reached.isGoalReached) break;
  }
  return resultOf(tally, {});
}

function runBounded(on: Execution, shard: BoundedShard): ShardResult {
  const tally = new Tally();
  const neighbours: Neighbour[] = [];
  const run = new BoundedRun(on, shard.most);
  on.listen(false);
  for (const { deviations } of shard.items) {
    run.run(deviations);
    tally.note(on, run.choices);
    if (tally.reached.isGoalReached) break;
    // A run that fails is not gone on from: its neighbours have the same failure behind them.
    if (on.outcome === 'finished' || on.outcome === 'step-limit') neighbours.push(...run.neighbours);
  }
  return resultOf(tally, { neighbours });
}

function runDpor(on: Execution, shard: DporShard): ShardResult {
  const tally = new Tally();
  const footprints = footprintsOf(on, shard.uncached);
  let sawUncached = false;
  const dpor = new Dpor(on, {
    prefix: shard.prefix,
    sleep: new Map(shard.sleep.map(([choice, pairs]) => [choice, Int32Array.from(pairs)])),
    maxRuns: shard.maxRuns,
    footprints,
    onRun: (choices) => {
      tally.note(on, choices);
      sawUncached = footprints.sawTablesChange || (footprints.ignoresCaches && wentPastCaches(on));
      return !sawUncached && !tally.reached.isGoalReached;
    },
  });
  const { complete, redundant } = dpor.run();
  sawUncached ||= footprints.sawTablesChange;
  const limited = tally.list().some(({ signature }) => !isViolation(signature));
  return resultOf(tally, { complete: complete && !limited, redundant, sawUncached });
}

/** How dependent the steps of an execution are on what its caches hold. */
export function footprintsOf(on: Execution, uncached: boolean): Footprints {
  const { prefetch, evict } = on.budgets;
  // Until a run has fetched, which counts as going past the caches: see below.
  const fetches = uncached || (on.job.devices ?? 0) > 0;
  return new Footprints(on.job.platform, prefetch + evict > 0, uncached, fetches, on.view.cpus.length);
}

/** An instruction cache that is told of no stores is such a way past the data caches. */
function wentPastCaches(on: Execution): boolean {
  const { snooped } = on.job.platform.l1i;
  return on.view.cpus.some(
    ({ counters }) => counters[COUNT.uncached] > 0 || (!snooped && counters[COUNT.fetches] > 0),
  );
}

function resultOf(tally: Tally, parts: Partial<ShardResult>): ShardResult {
  const { runs, steps, longest } = tally;
  const failures = tally.list();
  const reached = tally.reached.list();
  const nothing = { redundant: 0, complete: true, neighbours: [], sawUncached: false };
  return { ...nothing, runs, steps, longest, failures, reached, ...parts };
}
