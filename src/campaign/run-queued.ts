/**
 * A campaign on whatever machines have workers: puts its parts into a queue on a Redis server, and writes what
 * comes back into the journal. The server is asked again and again rather than listened to: so nothing is missed
 * when it, a worker or this process is killed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Queue } from 'bullmq';
import { CampaignError } from './campaign-file.ts';
import type { Journal } from './journal.ts';
import type { CampaignPlan } from './plan.ts';
import { QUEUE_NAME, QUEUE_PREFIX, type QueueAddress } from './queue-address.ts';
import { QueueConnections } from './queue-connections.ts';
import { type JobData, type JobResult, leftOf, linesOf, partId, partRange, restId } from './queue-job.ts';

/** A worker says that a job cannot be run, in one line. */
export class JobFailed extends Error {}

export interface QueueOptions {
  /** Units of a job. */
  readonly jobRuns: number;
  /** Seconds to wait for a server that answers no more. */
  readonly patienceSeconds: number;
  /** Stops waiting: the jobs stay in the queue. */
  readonly signal: AbortSignal;
  /** Told what somebody should know, in one line. */
  onNotice(text: string): void;
}

/** Jobs in the queue at most: it need not hold a whole campaign. */
const MOST_JOBS = 512;
const POLL_MS = 200;
/** Taking leave of a server takes no longer than this, even if it is gone. */
const CLOSE_MS = 500;
/** How often it is looked whether there are workers while nothing comes. */
const LOOK_MS = 2000;

/** A job of a whole part, or of what is left of one. */
interface Posted {
  readonly id: string;
  readonly part: number;
}

/**
 * Returns when all of the campaign is in the journal, or the signal has come.
 * @throws CampaignError if the server has not answered for too long or the journal cannot be written; JobFailed
 */
export async function runQueued(
  plan: CampaignPlan,
  journal: Journal,
  address: QueueAddress,
  options: QueueOptions,
): Promise<void> {
  const { Queue: BullQueue } = await import('bullmq');
  const connections = new QueueConnections();
  const connection = await connections.open(address);
  const queue: Queue<JobData, JobResult> = new BullQueue(QUEUE_NAME, {
    connection,
    prefix: QUEUE_PREFIX,
    // Nobody listens, and each event of a finished job holds its whole result: 10,000 of them would be kept.
    streams: { events: { maxLen: 0 } },
  });
  queue.on('error', () => {});
  try {
    await new QueueRunner(plan, journal, address, options, queue).run();
  } finally {
    await Promise.race([queue.close().catch(() => {}), sleep(CLOSE_MS)]);
    connections.end();
  }
}

class QueueRunner {
  private readonly plan: CampaignPlan;
  private readonly journal: Journal;
  private readonly address: QueueAddress;
  private readonly options: QueueOptions;
  private readonly queue: Queue<JobData, JobResult>;
  private readonly posted = new Map<number, Posted>();
  private next = 0;
  private lastNews = performance.now();
  private lastLook = performance.now();
  /** Somebody knows that there are no workers. */
  private told = false;

  constructor(
    plan: CampaignPlan,
    journal: Journal,
    address: QueueAddress,
    options: QueueOptions,
    queue: Queue<JobData, JobResult>,
  ) {
    this.plan = plan;
    this.journal = journal;
    this.address = address;
    this.options = options;
    this.queue = queue;
  }

  async run(): Promise<void> {
    const { signal } = this.options;
    const { done } = this.journal;
    while (done.size < done.total && !signal.aborted) {
      await this.answered(this.post());
      await this.answered(this.fetch());
      await this.answered(this.lookForWorkers());
      if (done.size < done.total) await sleep(POLL_MS, undefined, { signal }).catch(() => {});
    }
  }

  /** Waits for the server, but not for ever. @throws CampaignError */
  private async answered<T>(asked: Promise<T>): Promise<T | undefined> {
    const { patienceSeconds, signal } = this.options;
    const over = new AbortController();
    const stop = () => over.abort();
    signal.addEventListener('abort', stop, { once: true });
    // What comes too late is nobody's any more.
    asked.catch(() => {});
    try {
      for (;;) {
        const late = sleep(patienceSeconds * 1000, 'late' as const, { signal: over.signal }).catch(
          () => 'stopped' as const,
        );
        const first = await Promise.race([asked.then((value) => ({ value })), late]);
        if (first === 'stopped') return undefined;
        if (first !== 'late') return first.value;
        // Much has come at once, and takes long to write.
        if (performance.now() - this.lastNews > patienceSeconds * 1000) break;
      }
    } finally {
      signal.removeEventListener('abort', stop);
      over.abort();
    }
    const { shown } = this.address;
    throw new CampaignError(
      `--queue ${shown}: no answer for ${patienceSeconds} s: what has come back is in the journal; run it again to go on`,
    );
  }

  /** Puts parts into the queue until there are enough in it. */
  private async post(): Promise<void> {
    const { units, hash } = this.plan;
    const { jobRuns } = this.options;
    const parts = Math.ceil(units / jobRuns);
    const fresh: Posted[] = [];
    for (; this.next < parts && this.posted.size < MOST_JOBS; this.next++) {
      const part = this.next;
      if (this.posted.has(part)) continue;
      const range = partRange(units, jobRuns, part);
      const left = leftOf(this.journal.done, range);
      const id = partId(hash, jobRuns, part);
      if (left.length === 0) {
        await this.forget(id);
        continue;
      }
      const isWhole = left.length === 1 && left[0][0] === range[0] && left[0][1] === range[1];
      // A job that was fetched and not wholly written when this was killed holds the rest as well.
      const known = isWhole || (await this.queue.getJobState(id)) !== 'unknown';
      const posted = { id: known ? id : restId(id, left), part };
      this.posted.set(part, posted);
      fresh.push(posted);
    }
    if (fresh.length === 0) return;
    for (const { id } of fresh) if ((await this.queue.getJobState(id)) === 'failed') await this.forget(id);
    await this.add(fresh);
  }

  private async add(jobs: readonly Posted[]): Promise<void> {
    const { campaign, hash, units } = this.plan;
    const { jobRuns } = this.options;
    await this.queue.addBulk(
      jobs.map(({ id, part }) => {
        const range = partRange(units, jobRuns, part);
        const isWhole = id === partId(hash, jobRuns, part);
        const ranges = isWhole ? [[...range] as [number, number]] : leftOf(this.journal.done, range);
        return { name: campaign.name, data: { campaign, plan: hash, ranges }, opts: { jobId: id } };
      }),
    );
  }

  /** Takes what is finished, writes it, and only then takes it out of the queue. */
  private async fetch(): Promise<void> {
    const lost: Posted[] = [];
    const all = [...this.posted.values()];
    // Asked one after the other, a server far away would take longer to answer than the workers to work.
    const states = await Promise.all(all.map(({ id }) => this.queue.getJobState(id)));
    for (const [i, posted] of all.entries()) {
      if (this.options.signal.aborted) return;
      const state = states[i];
      if (state === 'completed') await this.take(posted);
      else if (state === 'failed') await this.giveUp(posted);
      // The server has lost it, or another one that runs this campaign has taken it.
      else if (state === 'unknown') lost.push(posted);
    }
    if (lost.length > 0) await this.add(lost);
  }

  private async take(posted: Posted): Promise<void> {
    const { units } = this.plan;
    const job = await this.queue.getJob(posted.id);
    if (!job) return;
    const lines = linesOf(job.returnvalue, units);
    if (!lines) throw new JobFailed(`job ${posted.id}: a worker has given back what is no result`);
    await this.journal.add(lines);
    await this.forget(posted.id);
    this.posted.delete(posted.part);
    this.lastNews = performance.now();
    this.told = false;
    // What it did not hold, if anything, is posted as a rest.
    const range = partRange(units, this.options.jobRuns, posted.part);
    if (leftOf(this.journal.done, range).length > 0) this.next = Math.min(this.next, posted.part);
  }

  private async giveUp({ id }: Posted): Promise<void> {
    const job = await this.queue.getJob(id);
    const why = (job?.failedReason ?? 'nobody knows why').split('\n')[0];
    throw new JobFailed(`job ${id}: ${why}: what has come back is in the journal; run it again to try again`);
  }

  private async forget(id: string): Promise<void> {
    // A worker that is at it has the lock: the job goes by its age.
    await this.queue.remove(id).catch(() => 0);
  }

  private async lookForWorkers(): Promise<void> {
    const now = performance.now();
    if (this.told || now - this.lastLook < LOOK_MS || now - this.lastNews < LOOK_MS) return;
    this.lastLook = now;
    if ((await this.queue.getWorkersCount()) > 0) return;
    this.told = true;
    const { shown } = this.address;
    this.options.onNotice(`no worker there: start flushlab campaign work --queue ${shown}, on any machine`);
  }
}
