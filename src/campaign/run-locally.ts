/** A campaign on this machine: a pool of threads, and a journal. */
import type { Journal } from './journal.ts';
import type { UnitLine } from './line.ts';
import type { CampaignPlan } from './plan.ts';
import { PoolClosed, UnitPool } from './unit-pool.ts';
import { type Share, unitsToDo } from './unit-set.ts';

export interface LocalOptions {
  readonly workers: number;
  readonly share: Share;
  /** Stops at once; what has run by then is kept. */
  readonly signal: AbortSignal;
}

/** Lines whose journal is behind: more are not run for it. */
const MOST_WAITING = 20_000;

/**
 * Runs what is not done yet. Returns when all of it is in the journal, or the signal has come and what had been run
 * by then is.
 * @throws CampaignError if the journal cannot be written; Error if flushlab or a program fails
 */
export async function runLocally(
  plan: CampaignPlan,
  journal: Journal,
  { workers, share, signal }: LocalOptions,
): Promise<void> {
  // Threads are not started for nothing.
  if (signal.aborted || unitsToDo(journal.done, share).next().done) return;
  const pool = new UnitPool(workers);
  const stop = () => void pool.close();
  signal.addEventListener('abort', stop, { once: true });
  let waiting = 0;
  let failed: unknown;
  const keep = async (lines: readonly UnitLine[]) => {
    waiting += lines.length;
    const written = journal.add(lines).then(
      () => {
        waiting -= lines.length;
      },
      (error: unknown) => {
        failed = error;
      },
    );
    if (waiting > MOST_WAITING) await written;
    if (failed !== undefined) throw failed;
  };
  const { campaign, hash } = plan;
  try {
    await pool.run({ campaign, plan: hash }, unitsToDo(journal.done, share), keep);
    await journal.add([]);
  } catch (error) {
    if (!(error instanceof PoolClosed && signal.aborted)) throw error;
    await journal.add([]);
  } finally {
    signal.removeEventListener('abort', stop);
    await pool.close();
  }
}
