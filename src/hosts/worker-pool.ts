/** Threads that run tasks, from one file in workers/: how a pool of them is opened and ended. */
import { Piscina } from 'piscina';
import { workerEntry } from './worker-entry.ts';

/** @param entry file in workers/, without its extension. @param workers threads at most */
export function openPool(entry: string, workers: number): Piscina {
  const { url, execArgv } = workerEntry(entry);
  return new Piscina({
    filename: url.href,
    execArgv,
    minThreads: 1,
    maxThreads: workers,
    // Between batches of tasks nobody wants to start the threads again.
    idleTimeout: Number.POSITIVE_INFINITY,
  });
}

/** Ends the threads, also in the middle of a task. */
export async function endPool(pool: Piscina): Promise<void> {
  // A result that was on its way when its thread was ended comes to nobody: no error any more.
  pool.on('error', () => {});
  await pool.destroy();
}
