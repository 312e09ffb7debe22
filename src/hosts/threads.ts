/**
 * The threads host: each simulated CPU in a worker thread of its own, all attached to one buffer and
 * running in parallel. Threads are kept between runs, because starting one takes longer than most runs.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { type Remote, wrap } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import type { CpuThreadApi } from '../../workers/cpu.ts';
import { releaseLock } from '../machine/locks.ts';
import {
  GLOBAL,
  STOP_DEADLOCK,
  STOP_DONE,
  STOP_ERROR,
  STOP_FINDING,
  STOP_REACHED,
  STOP_STEPS,
  STOP_TIME,
} from '../machine/registers.ts';
import type { Job, Outcome, RunResult } from './job.ts';
import { Recorder } from './recording.ts';
import { loadWorkload, Session } from './session.ts';
import { Slots } from './slots.ts';
import { stopRun } from './stop.ts';
import type { ThreadReport } from './thread-cpu.ts';
import { workerEntry } from './worker-entry.ts';

/** How long a stopped thread may take to come back before it is terminated. */
const GRACE_MS = 5000;

interface CpuThread {
  readonly worker: Worker;
  readonly api: Remote<CpuThreadApi>;
  /** Why the thread is no more. */
  death: ThreadReport | undefined;
  /** Who waits for the thread, to be told of its death: only as long as they wait, or each would be kept. */
  readonly mourners: Set<(report: ThreadReport) => void>;
}

export class ThreadsHost {
  private threads: CpuThread[] = [];
  private running = false;

  /** Runs a job to its end. One run at a time. */
  async run(job: Job): Promise<RunResult> {
    if (this.running) throw new Error('this host is running a job already');
    this.running = true;
    try {
      return await this.runExclusively(job.record === true ? { ...job, serialized: true } : job);
    } finally {
      this.running = false;
      for (const { worker } of this.threads) worker.unref();
    }
  }

  private async runExclusively(job: Job): Promise<RunResult> {
    const session = Session.create(job, await loadWorkload(job), true);
    const cores = availableParallelism();
    const slots = job.cpus > cores ? Slots.create(cores) : null;
    this.threads = this.threads.filter((thread) => thread.death === undefined);
    while (this.threads.length < job.cpus) this.threads.push(startThread());
    const threads = this.threads.slice(0, job.cpus);
    for (const { worker } of threads) worker.ref();
    const { buffer } = session.machine;
    const recorder = job.record === true ? Recorder.create() : null;
    const attached = await Promise.all(
      threads.map((thread, cpu) => {
        const answer = thread.api.attach(
          job,
          buffer,
          session.layout,
          cpu,
          slots?.words ?? null,
          recorder?.buffer ?? null,
        );
        return orDeath(thread, answer, (report) => report.error);
      }),
    );
    const failed = attached.find((error) => error !== undefined);
    if (failed !== undefined) {
      await this.close();
      return session.result('error', [], failed);
    }
    const reports = await this.runThreads(session, threads);
    const result = this.conclude(session, reports);
    return recorder ? { ...result, recording: recorder.recording() } : result;
  }

  private async runThreads(session: Session, threads: readonly CpuThread[]): Promise<ThreadReport[]> {
    const { state } = session.machine;
    const runs = threads.map((thread) => {
      const report = orDeath(thread, thread.api.run(), (death) => death);
      // A thread that dies takes its CPU with it: the others would wait for it for ever.
      report.then(({ error }) => {
        if (error === undefined) return;
        stopRun(state, STOP_ERROR);
        // It may have died with the turn. Whoever has it otherwise is not disturbed: nobody acts any more.
        releaseLock(state.global, GLOBAL.TURN);
      });
      return report;
    });
    const all = Promise.all(runs);
    const timeout = setTimeout(() => stopRun(state, STOP_TIME), session.job.maxSeconds * 1000);
    let grace: NodeJS.Timeout | undefined;
    const stuck = new Promise<null>((resolve) => {
      const patience = session.job.maxSeconds * 1000 + GRACE_MS;
      grace = setTimeout(() => resolve(null), patience);
    });
    const reports = await Promise.race([all, stuck]);
    clearTimeout(timeout);
    clearTimeout(grace);
    if (reports) return reports;
    await this.close();
    return threads.map((_, cpu) => ({
      unfinished: { cpu, waitingFor: 'did not come back after the time limit', interruptsMasked: false },
    }));
  }

  private conclude(session: Session, reports: readonly ThreadReport[]): RunResult {
    const unfinished = reports.map((r) => r.unfinished).filter((u) => u !== undefined);
    const error = reports.find((r) => r.error !== undefined)?.error;
    if (error !== undefined) return session.result('error', unfinished, error);
    const { machine, layout, checker, workload } = session;
    const stop = session.stop;
    if (stop === STOP_DONE) {
      try {
        workload.finish?.(machine, layout, checker);
      } catch (thrown) {
        const message = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
        return session.result('error', unfinished, message);
      }
    }
    const found = machine.state.global[GLOBAL.FINDINGS] > 0;
    const outcomes: Record<number, Outcome> = {
      [STOP_DONE]: found ? 'finding' : 'finished',
      [STOP_FINDING]: 'finding',
      [STOP_DEADLOCK]: 'deadlock',
      [STOP_STEPS]: 'step-limit',
      [STOP_TIME]: 'time-limit',
      [STOP_REACHED]: 'reached',
    };
    return session.result(outcomes[stop] ?? 'error', unfinished);
  }

  /** Ends all threads. The host can be used again: it starts new ones. */
  async close(): Promise<void> {
    const threads = this.threads;
    this.threads = [];
    await Promise.all(threads.map(({ worker }) => worker.terminate()));
  }
}

function startThread(): CpuThread {
  const { url, execArgv } = workerEntry('cpu');
  const worker = new Worker(url, { execArgv });
  const api = wrap<CpuThreadApi>(nodeEndpoint(worker));
  const thread: CpuThread = { worker, api, death: undefined, mourners: new Set() };
  const die = (error: string) => {
    thread.death ??= { error };
    for (const tell of thread.mourners) tell(thread.death);
    thread.mourners.clear();
  };
  worker.once('error', (error) => die(`a CPU's thread failed: ${error.stack ?? error.message}`));
  worker.once('exit', (code) => die(`a CPU's thread ended with exit code ${code}`));
  return thread;
}

/** What a thread answers, or what `otherwise` makes of its death if that comes first. */
function orDeath<T>(
  thread: CpuThread,
  answer: Promise<T>,
  otherwise: (report: ThreadReport) => T,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const tell = (report: ThreadReport) => resolve(otherwise(report));
    if (thread.death) tell(thread.death);
    thread.mourners.add(tell);
    answer.then(resolve, reject).finally(() => thread.mourners.delete(tell));
  });
}
