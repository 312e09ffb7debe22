/**
 * Tasks side by side, one a worker thread. What a task finds depends on the task alone, so results come back
 * in the order of the tasks and do not change with the number of workers.
 */
import { availableParallelism } from 'node:os';
import type { Piscina } from 'piscina';
import { endPool, openPool } from './worker-pool.ts';

/** Tasks handed to the pool beyond those that run: enough to keep it busy, few enough to stop at once. */
const AHEAD = 2;

export class TaskPool<Task, Result> {
  readonly workers: number;
  private readonly name: string;
  private readonly inline: (task: Task) => Promise<Result>;
  private pool: Piscina | null = null;
  private stopped = false;

  /**
   * @param workers threads to use; 0 runs everything in the calling thread
   * @param name export of workers/pool.ts that runs a task
   * @param inline the same function
   */
  constructor(name: string, inline: (task: Task) => Promise<Result>, workers = availableParallelism()) {
    this.name = name;
    this.inline = inline;
    this.workers = workers;
  }

  /**
   * Runs tasks and tells of each as it ends, in the order of the tasks.
   * @param tell returning false stops the rest
   */
  async run(tasks: readonly Task[], tell: (result: Result, index: number) => boolean): Promise<void> {
    const lookahead = this.workers === 0 ? 1 : this.workers + AHEAD;
    const running: Promise<Result>[] = [];
    for (let next = 0, told = 0; told < tasks.length && !this.stopped; told++) {
      while (next < tasks.length && running.length < lookahead) {
        const started = this.start(tasks[next++]);
        // One that fails while an earlier one is waited for is heard of in its turn.
        started.catch(() => {});
        running.push(started);
      }
      const result = await running.shift();
      if (this.stopped || !result || !tell(result, told)) break;
    }
  }

  private start(task: Task): Promise<Result> {
    if (this.workers === 0) return this.inline(task);
    this.pool ??= openPool('pool', this.workers);
    const started = this.pool.run(task, { name: this.name }) as Promise<Result>;
    // Closing the pool rejects what runs; whoever waits for it learns of the stop instead.
    return started.catch((error: unknown) => {
      if (this.stopped) return undefined as unknown as Result;
      throw error;
    });
  }

  /** Ends the workers, also in the middle of a task. */
  async close(): Promise<void> {
    this.stopped = true;
    const { pool } = this;
    this.pool = null;
    if (pool) await endPool(pool);
  }
}
