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
  /** Bounded: the costs that were searched completely, if any. */
  readonly searched?: Costs;
  /** Steps of the undisturbed run, and actors in it: what PCT's bound is computed from. */
  readonly lengthSteps: number;
  readonly actors: number;
}

/** Runs of a sampling shard; schedules of a bounded one. */
const CHUNK = 256;
/** Runs that are tried in one piece before a DPOR exploration is cut up. */
const IN_ONE_PIECE = 2000;
const PREFIXES = 32;

/** @throws Error if the module of the job's programs cannot be loaded */
export async function explore(job: Job, options: ExploreOptions): Promise<ExploreReport> {
  const explorer = new Explorer(job, options, new Execution(job, await loadWorkload(job), options.budgets));
  try {
    return await explorer.run();
  } finally {
    await explorer.close();
  }
}

class Explorer {
  private readonly job: Job;
  private readonly options: ExploreOptions;
  private readonly on: Execution;
  private readonly pool: TaskPool<ShardTask, ShardResult>;
  private readonly failures = new Map<string, Failure>();
  private runs = 0;
  private redundant = 0;
  private steps = 0;
  private longest = 0;
  private stopped = false;
  private cut = 0;
  private uncached = false;

  constructor(job: Job, options: ExploreOptions, on: Execution) {
    this.job = job;
    this.options = options;
    this.on = on;
    this.pool = new TaskPool('runShard', runShard, options.workers);
  }

  close(): Promise<void> {
    return this.pool.close();
  }

  async run(): Promise<ExploreReport> {
    const { strategy } = this.options;
    const actors = new Set(this.undisturbed());
    const lengthSteps = this.on.choices;
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
    for (let first = 0; first < runs; first += CHUNK) {
      const size = Math.min(CHUNK, runs - first);
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
          if (this.stopped) return searched;
        }
        levels.delete(`${preemptions},${delays}`);
        searched = { preemptions, delays };
        if ([...this.failures.keys()].some(isViolation)) return searched;
      }
    }
    return searched;
  }

  private async boundedLevel(items: readonly Neighbour[], levels: Map<string, Neighbour[]>): Promise<void> {
    const { most, runs } = this.options;
    const shards: Shard[] = [];
    for (let at = 0; at < items.length; at += CHUNK) {
      shards.push({ kind: 'bounded', items: items.slice(at, at + CHUNK), most });
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
      if (this.again()) continue;
      if (this.stopped || !whole) return false;
      if (whole.complete || this.runs + this.redundant >= runs) return whole.complete;
      this.forget();
      let complete = true;
      const prefixes = cutPrefixes(this.on, footprintsOf(this.on, uncached), PREFIXES);
      const shards = prefixes.map(
        ({ prefix, sleep }): Shard => ({ kind: 'dpor', prefix, sleep, maxRuns: runs, uncached }),
      );
      await this.runShards(shards, (result) => {
        complete &&= result.complete;
      });
      if (!this.again()) return complete && !this.stopped;
    }
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

  private forget(): void {
    this.runs = 0;
    this.redundant = 0;
    this.steps = 0;
    this.longest = 0;
    this.failures.clear();
  }

  private async runShards(shards: readonly Shard[], tell: (result: ShardResult) => void): Promise<void> {
    const { job, options } = this;
    const { budgets, checkpoint } = options;
    const first = this.cut;
    this.cut += shards.length;
    let known = 0;
    for (; known < shards.length && !this.stopped; known++) {
      const result = checkpoint?.result(first + known);
      if (!result) break;
      this.add(result, tell);
    }
    const tasks = shards.slice(known).map((shard) => ({ job, budgets, shard }));
    await this.pool.run(tasks, (result, index) => {
      checkpoint?.add(first + known + index, result);
      this.add(result, tell);
      return !this.stopped;
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
    tell(result);
    if (this.options.onProgress?.(this.runs + this.redundant, this.failures.size) === false)
      this.stopped = true;
  }
}
