/** Worker of the pool that runs lockstep machines side by side. */
export { runTask as default } from '../src/lab/lockstep-task.ts';
