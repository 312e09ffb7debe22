/** Measures the points of a sweep side by side, and tells of them in their order. */
import { setImmediate } from 'node:timers/promises';
import { TaskPool } from '../../hosts/task-pool.ts';
import { measurePoint, type PointOutcome, type PointTask } from './measure-point.ts';
import type { Sweep, SweepPoint } from './points.ts';

export interface SweepRow {
  readonly point: SweepPoint;
  readonly outcome: PointOutcome;
}

export class PointPool extends TaskPool<PointTask, PointOutcome> {
  /** @param workers threads to use; 0 measures everything in the calling thread */
  constructor(workers: number) {
    super('measurePoint', measureHere, workers);
  }
}

/** Between two points the thread hears of Ctrl-C. */
async function measureHere(task: PointTask): Promise<PointOutcome> {
  await setImmediate();
  return measurePoint(task);
}

/**
 * @param from index of the first point to measure: those before are known already
 * @param tell told of each point, in order; returning false stops
 */
export async function runSweep(
  { experiment, points }: Pick<Sweep, 'experiment' | 'points'>,
  pool: TaskPool<PointTask, PointOutcome>,
  tell: (row: SweepRow) => boolean,
  from = 0,
): Promise<void> {
  const open = points.slice(from);
  const tasks = open.map(({ platform, parameters, seed }) => ({
    ...{ experiment: experiment.name, platform, parameters, seed },
  }));
  await pool.run(tasks, (outcome, i) => tell({ point: open[i], outcome }));
}
