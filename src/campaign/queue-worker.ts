/** A worker of the queue: takes jobs of any campaign, runs their units on its threads, and gives the lines back. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from 'bullmq';
import type { UnitLine } from './line.ts';
import { QUEUE_NAME, QUEUE_PREFIX, type QueueAddress } from './queue-address.ts';
import { QueueConnections } from './queue-connections.ts';
import { type JobData, type JobResult, jobData, resultOf, unitsIn } from './queue-job.ts';
import { PoolClosed, UnitPool } from './unit-pool.ts';

export interface QueueWorkerOptions {
  /** Threads. */
  readonly workers: number;
  /** A job whose worker has not been heard of for so long goes to another one. */
  readonly leaseSeconds: number;
  /** Ends when there has been nothing to do for so long; undefined: never. */
  readonly idleSeconds: number | undefined;
  /** Ends it: jobs that run go back to the queue. */
  readonly signal: AbortSignal;
  /** Told of jobs as they end. */
  onJob(text: string): void;
}

/** The next job is at hand when the last units of one run. */
const JOBS_AT_ONCE = 2;
/** What is never fetched is not kept for ever. */
const KEEP_SECONDS = 14 * 24 * 3600;
/** It is hardly ever a job's fault that its worker was killed. */
const MOST_KILLED = 100;
/** Giving jobs back takes no longer than this, even if the server is gone: they come back by themselves. */
const CLOSE_MS = 3000;

/** Works until it is told to stop, or there is nothing more to do. */
export async function workQueue(address: QueueAddress, options: QueueWorkerOptions): Promise<void> {
  const { Worker, WaitingError } = await import('bullmq');
  const { workers, leaseSeconds, idleSeconds, signal, onJob } = options;
  const connections = new QueueConnections();
  const connection = await connections.open(address);
  const pool = new UnitPool(workers);
  let active = 0;
  let lastActive = performance.now();
  const run = async (job: Job<JobData, JobResult>, token?: string): Promise<JobResult> => {
    active++;
    try {
      const { campaign, plan, ranges } = jobData(job.data);
      const lines: UnitLine[] = [];
      await pool.run({ campaign, plan, builtInOnly: true }, unitsIn(ranges), async (some) => {
        for (const line of some) lines.push(line);
      });
      return resultOf(lines);
    } catch (error) {
      if (!(error instanceof PoolClosed)) throw error;
      await job.moveToWait(token);
      throw new WaitingError();
    } finally {
      active--;
      lastActive = performance.now();
    }
  };
  const worker = new Worker<JobData, JobResult>(QUEUE_NAME, run, {
    connection,
    prefix: QUEUE_PREFIX,
    concurrency: JOBS_AT_ONCE,
    lockDuration: leaseSeconds * 1000,
    stalledInterval: leaseSeconds * 1000,
    maxStalledCount: MOST_KILLED,
    // After a restart of the server there is work at once.
    runRetryDelay: 1000,
    removeOnComplete: { age: KEEP_SECONDS },
    removeOnFail: { age: KEEP_SECONDS },
  });
  // A server that is being restarted: the client tries again by itself.
  worker.on('error', () => {});
  worker.on('completed', (job) => onJob(`${job.id}: done`));
  worker.on('failed', (job, error) => onJob(`${job?.id}: ${error.message.split('\n')[0]}`));
  try {
    await untilOver(signal, () => {
      if (idleSeconds === undefined || active > 0) return false;
      return performance.now() - lastActive > idleSeconds * 1000;
    });
  } finally {
    await pool.close();
    await Promise.race([worker.close(), sleep(CLOSE_MS)]);
    connections.end();
  }
}

async function untilOver(signal: AbortSignal, isIdle: () => boolean): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((over) => {
    const timer = setInterval(() => isIdle() && end(), 100);
    const end = () => {
      clearInterval(timer);
      signal.removeEventListener('abort', end);
      over();
    };
    signal.addEventListener('abort', end, { once: true });
  });
}
