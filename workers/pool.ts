/** Worker of the pools that run lockstep machines side by side. */
export { runShard } from '../src/explore/shard.ts';
export { runTask } from '../src/lab/lockstep-task.ts';
