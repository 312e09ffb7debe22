/** One lockstep run as plain data: what goes to a worker of the pool, or is run right here. */
import type { Job, RunResult } from '../hosts/job.ts';
import { runLockstep } from '../hosts/lockstep.ts';
import { loadWorkload } from '../hosts/session.ts';
import { makeScheduler, type SchedulerName } from './schedulers.ts';

export interface LockstepTask {
  readonly job: Job;
  readonly scheduler: SchedulerName;
}

/** Runs it in this thread. @throws Error if the module of the job's programs cannot be loaded */
export async function runTask({ job, scheduler }: LockstepTask): Promise<RunResult> {
  return runLockstep(job, await loadWorkload(job), makeScheduler(scheduler, job.seed));
}
