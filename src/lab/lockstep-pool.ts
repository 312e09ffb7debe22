/**
 * Lockstep runs side by side, one machine a worker thread. What a run finds depends on its task alone, so
 * results come back in the order of the tasks and do not change with the number of workers.
 */
import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import type { RunResult } from '../hosts/job.ts';
import { workerEntry } from '../hosts/worker-entry.ts';
import { type LockstepTask, runTask } from './lockstep-task.ts';

/** Tasks handed to the pool beyond those that run: enough to keep it busy, few enough to stop at once. */
const AHEAD = 2;

export class LockstepPool {
  readonly workers: number;
  private pool: Piscina | null = null;
  private stopped = false;

  /** @param workers threads to use; 0 runs everything in the calling thread */
  constructor(workers: number = availableParallelism()) {
    this.workers = workers;
  }

  /**
   * Runs tasks and tells of each as it ends, in the order of the tasks.
   * @param tell returning false stops the rest
   */
  async run(
    tasks: readonly LockstepTask[],
    tell: (result: RunResult, index: number) => boolean,
  ): Promise<void> {
    const lookahead = this.workers === 0 ? 1 : this.workers + AHEAD;
    const running: Promise<RunResult>[] = [];
    for (let next = 0, told = 0; told < tasks.length && !this.stopped; told++) {
      while (next < tasks.length && running.length < lookahead) running.push(this.start(tasks[next++]));
      const result = await running.shift();
      if (this.stopped || !result || !tell(result, told)) break;
    }
    // What still runs is of no use to anybody, and its rejection on close is not an error.
    for (const rest of running) rest.catch(() => {});
  }

  private start(task: LockstepTask): Promise<RunResult> {
    if (this.workers === 0) return runTask(task);
    const started = this.open().run(task) as Promise<RunResult>;
    // Closing the pool rejects what runs; whoever waits for it learns of the stop instead.
    return started.catch((error: unknown) => {
      if (this.stopped) return undefined as unknown as RunResult;
      throw error;
    });
  }

  private open(): Piscina {
    if (this.pool) return this.pool;
    const { url, execArgv } = workerEntry('pool');
    this.pool = new Piscina({ filename: url.href, execArgv, minThreads: 1, maxThreads: this.workers });
    return this.pool;
  }

  /** Ends the workers, also in the middle of a run. */
  async close(): Promise<void> {
    this.stopped = true;
    const { pool } = this;
    this.pool = null;
    await pool?.destroy();
  }
}
