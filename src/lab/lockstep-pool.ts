/** Lockstep runs side by side, one machine a worker thread. */
import type { RunResult } from '../hosts/job.ts';
import { TaskPool } from '../hosts/task-pool.ts';
import { type LockstepTask, runTask } from './lockstep-task.ts';

export class LockstepPool extends TaskPool<LockstepTask, RunResult> {
  /** @param workers threads to use; 0 runs everything in the calling thread */
  constructor(workers?: number) {
    super('runTask', runTask, workers);
  }
}
