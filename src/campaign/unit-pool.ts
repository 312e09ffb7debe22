/** Threads that run units, in whatever order they become ready; small pieces, so that none is lost with much work. */
import { setImmediate } from 'node:timers/promises';
import type { Piscina } from 'piscina';
import { endPool, openPool } from '../hosts/worker-pool.ts';
import type { UnitLine } from './line.ts';
import { runUnits, type UnitResults, type UnitTask } from './unit-task.ts';

/** A task is to take about this long: longer than handing it over, shorter than anybody minds doing it again. */
const TASK_MS = 150;
const MOST_UNITS = 256;

/** The threads have been ended while they ran. */
export class PoolClosed extends Error {}

export class UnitPool {
  readonly workers: number;
  private readonly pool: Piscina | undefined;
  private closed = false;
  private size = 1;

  /** @param workers threads to use; 0 runs everything in the calling thread */
  constructor(workers: number) {
    this.workers = workers;
    if (workers > 0) this.pool = openPool('campaign-units', workers);
  }

  /**
   * Runs units of one campaign.
   * @param tell told of the lines of each task as it ends, in no order; what it returns is waited for before more
   * is begun than there are threads for
   * @throws PoolClosed if the pool was closed before the end; whatever a unit threw; whatever `tell` threw
   */
  async run(
    plan: Omit<UnitTask, 'units'>,
    units: Iterator<number>,
    tell: (lines: readonly UnitLine[]) => Promise<void>,
  ): Promise<void> {
    let isOver = false;
    const lane = async () => {
      while (!isOver) {
        const task = this.next(units);
        if (task.length === 0) return;
        const { lines, milliseconds } = await this.start({ ...plan, units: task });
        const fit = Math.round((TASK_MS / Math.max(milliseconds, 0.01)) * task.length);
        this.size = Math.max(1, Math.min(fit, 2 * this.size, MOST_UNITS));
        await tell(lines);
      }
    };
    // One more than threads, so that none waits while lines are written.
    const lanes = Array.from({ length: this.pool ? this.workers + 1 : 1 }, () =>
      lane().catch((error: unknown) => {
        isOver = true;
        throw error;
      }),
    );
    const results = await Promise.allSettled(lanes);
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }

  private next(units: Iterator<number>): number[] {
    const task: number[] = [];
    while (task.length < this.size) {
      const { value, done } = units.next();
      if (done) break;
      task.push(value);
    }
    return task;
  }

  private async start(task: UnitTask): Promise<UnitResults> {
    if (this.closed) throw new PoolClosed();
    if (!this.pool) {
      // Between two tasks the thread hears of Ctrl-C.
      await setImmediate();
      return this.closed ? Promise.reject(new PoolClosed()) : runUnits(task);
    }
    try {
      return (await this.pool.run(task, { name: 'runUnits' })) as UnitResults;
    } catch (error) {
      if (this.closed) throw new PoolClosed();
      throw error;
    }
  }

  /** Ends the threads, also in the middle of a unit. */
  async close(): Promise<void> {
    this.closed = true;
    if (this.pool) await endPool(this.pool);
  }
}
