/**
 * Explores the schedules of one job: cuts the work into shards, has them run side by side, and puts together
 * what they found in the order in which they were cut. So nothing depends on the number of workers.
 */
import type { Job } from '../hosts/job.ts';
import { loadWorkload } from '../hosts/session.ts';
import { TaskPool } from '../hosts/task-pool.ts';
import type { Costs, Neighbour } from './bounded.ts';
import type { Checkpoint } from './checkpoint.ts';
import { type Budgets, Execution } from './execution.ts';
import { cutPrefixes } from './prefixes.ts';
import { joinReached, type Reached } from './reached.ts';
import {
  type Failure,
  footprintsOf,
  isViolation,
  runShard,
  type Shard,
  type ShardResult,
  type ShardTask,
} from './shard.ts';

export const strategies = ['pct', 'random', 'bounded', 'dpor'] as const;
export type Strategy = (typeof strategies)[number];

export interface ExploreOptions {
  readonly strategy: Strategy;
  /** First seed of the sampling strategies: any integer. */
  readonly seed: number;
  /** Runs to make at most; sampling makes just as many. */
  readonly runs: number;
  /** PCT: ordering constraints that the bug needs, from 1. */
  readonly depth: number;
  readonly budgets: Budgets;
  /** Bounded: most preemptions and delays that are searched for. */
  readonly most: Costs;
  /** Threads; 0: this one. */
  readonly workers: number;
  readonly checkpoint?: Checkpoint | undefined;
  /** Stops at once, in the middle of whatever runs on workers: that part is as if it had not begun. */
  readonly signal?: AbortSignal | undefined;
  /** Told of the totals now and then; returning false stops. */
  onProgress?(runs: number, failures: number): boolean;
}

export interface ExploreReport {
  readonly strategy: Strategy;
  readonly runs: number;
  /** DPOR: runs cut short because an equivalent one had been seen. */
  readonly redundant: number;
  readonly steps: number;
  /** Steps of the longest run. */
  readonly longest: number;
  /** DPOR: every schedule up to equivalence; bounded: every schedule within the costs. Sampling: false. */
  readonly complete: boolean;
  /** Stopped from outside. */
  readonly stopped: boolean;
  /** Ways to fail, violations first, each with the first run that did. */
  readonly failures: readonly Failure[];
  /** States that the scenario declares reachable, in its order, each with the first run that came to it. */
  readonly reached: readonly Reached[];
  /** Bounded: the costs that were searched completely, if any. */
  readonly searched?: Costs;
  /** Steps of the undisturbed run, and actors in it: what PCT's bound is computed from. */
  readonly lengthSteps: number;
  readonly actors: number;
}

/** Steps of a sampling shard or a bounded one, about, and its runs at most: small enough to be told of soon. */
const CHUNK_STEPS = 32_768;
const CHUNK = 256;
/** Runs that are tried in one piece before a DPOR exploration is cut up. */
const IN_ONE_PIECE = 2000;
const PREFIXES = 32;

type ShardPool = TaskPool<ShardTask, ShardResult>;

/** Threads for explorations, to be closed by whoever has them. @param workers 0: everything in this thread */
export function openShardPool(workers: number): ShardPool {
  return new TaskPool('runShard', runShard, workers);
}

/**
 * @param shared threads of a series of explorations, in place of `options.workers` of its own
 * @throws Error if the module of the job's programs cannot be loaded
 */
export async function explore(job: Job, options: ExploreOptions, shared?: ShardPool): Promise<ExploreReport> {
  const on = new Execution(job, await loadWorkload(job), options.budgets);
  const pool = shared ?? openShardPool(options.workers);
  try {
    return await new Explorer(job, options, on, pool).run();
  } finally {
    if (pool !== shared) await pool.close();
  }
}

class Explorer {
  private readonly job: Job;
  private readonly options: ExploreOptions;
  private readonly on: Execution;
  private readonly pool: ShardPool;
  private readonly failures = new Map<string, Failure>();
  private runs = 0;
  private redundant = 0;
  private steps = 0;
  private longest = 0;
  private stopped = false;
  private reached: readonly Reached[] = [];
  private cut = 0;
  private uncached = false;
  private lengthSteps = 1;
  /** As many runs have been made as were allowed, and there are more. */
  private spent = false;

  constructor(job: Job, options: ExploreOptions, on: Execution, pool: ShardPool) {
    this.job = job;
    this.options = options;
    this.on = on;
    this.pool = pool;
    const stop = () => {
      this.stopped = true;
      void pool.close();
    };
    if (options.signal?.aborted) stop();
    options.signal?.addEventListener('abort', stop, { once: true });
  }

  async run(): Promise<ExploreReport> {
    const { strategy } = this.options;
    const actors = new Set(this.undisturbed());
    const lengthSteps = this.on.choices;
    this.lengthSteps = lengthSteps;
    const rest = { lengthSteps, actors: actors.size };
    if (strategy === 'bounded') {
      const searched = await this.bounded();
      const { most } = this.options;
      const complete = searched?.preemptions === most.preemptions && searched.delays === most.delays;
      return { ...this.report(complete), ...(searched && { searched }), ...rest };
    }
    if (strategy === 'dpor') return { ...this.report(await this.dpor()), ...rest };
    await this.sample(strategy, lengthSteps);
    return { ...this.report(false), ...rest };
  }

  private report(complete: boolean) {
    const { strategy } = this.options;
    const { runs, redundant, steps, longest, stopped } = this;
    const failures = [...this.failures.values()];
    const ordered = [
      ...failures.filter(({ signature }) => isViolation(signature)),
      ...failures.filter(({ signature }) => !isViolation(signature)),
    ];
    return {
      strategy,
      runs,
      redundant,
      steps,
      longest,
      complete: complete && !stopped,
      stopped,
      failures: ordered,
      reached: this.on.reachable.map(
        (name) => this.reached.find((each) => each.name === name) ?? { name, count: 0, choices: [] },
      ),
    };
  }

  /** Choices of the run that nothing interferes with. */
  private undisturbed(): number[] {
    const { on } = this;
    const choices: number[] = [];
    on.restart();
    while (on.outcome === undefined) {
      choices.push(on.enabled[0]);
      on.take(on.enabled[0]);
    }
    return choices;
  }

  private async sample(kind: 'random' | 'pct', lengthSteps: number): Promise<void> {
    const { seed, runs, depth } = this.options;
    const shards: Shard[] = [];
    const chunk = this.chunkOf(lengthSteps);
    for (let first = 0; first < runs; first += chunk) {
      const size = Math.min(chunk, runs - first);
      shards.push({ kind, firstSeed: seed + first, runs: size, depth, lengthSteps });
    }
    await this.runShards(shards, () => {});
  }

  /** Level by level; returns the costs up to which every schedule was run. */
  private async bounded(): Promise<Costs | undefined> {
    const { most, runs } = this.options;
    const levels = new Map<string, Neighbour[]>();
    levels.set('0,0', [{ deviations: [], preemptions: 0, delays: 0 }]);
    let searched: Costs | undefined;
    for (let preemptions = 0; preemptions <= most.preemptions; preemptions++) {
      for (let delays = 0; delays <= most.delays; delays++) {
        // What costs nothing more is added to the level while it is searched.
        for (let at = 0; ; ) {
          const level = levels.get(`${preemptions},${delays}`) ?? [];
          if (at >= level.length) break;
          const items = level.slice(at, at + Math.max(0, runs - this.runs));
          if (items.length === 0) return searched;
          at += items.length;
          await this.boundedLevel(items, levels);
          if (this.isOver) return searched;
        }
        levels.delete(`${preemptions},${delays}`);
        searched = { preemptions, delays };
        if (this.job.goal === undefined && [...this.failures.keys()].some(isViolation)) return searched;
      }
    }
    return searched;
  }

  private async boundedLevel(items: readonly Neighbour[], levels: Map<string, Neighbour[]>): Promise<void> {
    const { most, runs } = this.options;
    const shards: Shard[] = [];
    const chunk = this.chunkOf(this.lengthSteps);
    for (let at = 0; at < items.length; at += chunk) {
      shards.push({ kind: 'bounded', items: items.slice(at, at + chunk), most });
    }
    await this.runShards(shards, ({ neighbours }) => {
      for (const neighbour of neighbours) {
        const key = `${neighbour.preemptions},${neighbour.delays}`;
        const level = levels.get(key) ?? [];
        levels.set(key, level);
        // More than can be run need not be remembered.
        if (level.length <= runs) level.push(neighbour);
      }
    });
  }

  private async dpor(): Promise<boolean> {
    const { runs } = this.options;
    const all = { kind: 'dpor', prefix: [], sleep: [] } as const;
    for (;;) {
      const { uncached } = this;
      let whole: ShardResult | undefined;
      const maxRuns = Math.min(runs, IN_ONE_PIECE);
      await this.runShards([{ ...all, maxRuns, uncached }], (result) => {
        whole = result;
      });
      if (this.isOver) return false;
      if (this.again()) continue;
      if (!whole) return false;
      if (whole.complete || this.runs + this.redundant >= runs) return whole.complete;
      this.forget();
      let complete = true;
      const prefixes = cutPrefixes(this.on, footprintsOf(this.on, uncached), PREFIXES);
      const shards = prefixes.map(
        ({ prefix, sleep }): Shard => ({ kind: 'dpor', prefix, sleep, maxRuns: runs, uncached }),
      );
      let told = 0;
      await this.runShards(shards, (result) => {
        complete &&= result.complete;
        told++;
        // Results come in the order of the shards: where this ends does not depend on who was quick.
        this.spent = told < shards.length && this.runs + this.redundant >= runs;
      });
      if (this.isOver) return false;
      if (!this.again()) return complete;
    }
  }

  private chunkOf(lengthSteps: number): number {
    return Math.min(CHUNK, Math.ceil(CHUNK_STEPS / Math.max(1, lengthSteps)));
  }

  /** True if the search has to start again because programs turned out to go past the caches. */
  private again(): boolean {
    if (!this.sawUncached) return false;
    this.sawUncached = false;
    this.uncached = true;
    this.forget();
    return true;
  }

  private sawUncached = false;

  /** Nothing more is to be run: somebody stopped it, or what the job looks for has been found. */
  private get isOver(): boolean {
    return this.spent || this.stopped || this.reached.some(({ name }) => name === this.job.goal);
  }

  private forget(): void {
    this.runs = 0;
    this.redundant = 0;
    this.steps = 0;
    this.longest = 0;
    this.failures.clear();
    this.reached = [];
  }

  private async runShards(shards: readonly Shard[], tell: (result: ShardResult) => void): Promise<void> {
    const { job, options } = this;
    const { budgets, checkpoint } = options;
    const first = this.cut;
    this.cut += shards.length;
    let known = 0;
    for (; known < shards.length && !this.isOver; known++) {
      const result = checkpoint?.result(first + known);
      if (!result) break;
      this.add(result, tell);
    }
    if (this.isOver) return;
    const tasks = shards.slice(known).map((shard) => ({ job, budgets, shard }));
    await this.pool.run(tasks, (result, index) => {
      checkpoint?.add(first + known + index, result);
      this.add(result, tell);
      return !this.isOver;
    });
  }

  private add(result: ShardResult, tell: (result: ShardResult) => void): void {
    this.runs += result.runs;
    this.redundant += result.redundant;
    this.steps += result.steps;
    this.longest = Math.max(this.longest, result.longest);
    this.sawUncached ||= result.sawUncached;
    for (const failure of result.failures) {
      const known = this.failures.get(failure.signature);
      const count = (known?.count ?? 0) + failure.count;
      this.failures.set(failure.signature, { ...(known ?? failure), count });
    }
    this.reached = joinReached(this.reached, result.reached);
    tell(result);
    if (this.options.onProgress?.(this.runs + this.redundant, this.failures.size) === false)
      this.stopped = true;
  }
}
