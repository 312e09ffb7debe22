/** Worker of the pools that run lockstep machines side by side. */
import type { PointOutcome, PointTask } from '../src/lab/sweep/measure-point.ts';

export { runShard } from '../src/explore/shard.ts';
export { runTask } from '../src/lab/lockstep-task.ts';

/** The experiments are loaded by those who measure. */
export async function measurePoint(task: PointTask): Promise<PointOutcome> {
  const { measurePoint: measure } = await import('../src/lab/sweep/measure-point.ts');
  return measure(task);
}
