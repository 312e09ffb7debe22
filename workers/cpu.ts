/**
 * Thread of one simulated CPU. Comlink carries orders and reports; while a program runs the thread
 * answers nothing, and everything it shares goes through the machine's buffer.
 */
import { parentPort } from 'node:worker_threads';
import { expose } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import type { Job } from '../src/hosts/job.ts';
import { Recorder } from '../src/hosts/recording.ts';
import { loadWorkload, Session } from '../src/hosts/session.ts';
import { Slots } from '../src/hosts/slots.ts';
import { ThreadCpu, type ThreadReport } from '../src/hosts/thread-cpu.ts';

let attached: ThreadCpu | null = null;

const api = {
  /** Builds this thread's view of a machine and starts its CPU's program, up to the first step. */
  async attach(
    job: Job,
    buffer: SharedArrayBuffer,
    layout: unknown,
    cpu: number,
    slots: Int32Array | null,
    recording: SharedArrayBuffer | null,
  ): Promise<string | undefined> {
    try {
      const session = Session.attach(job, await loadWorkload(job), buffer, layout);
      const recorder = recording ? new Recorder(recording) : null;
      attached = new ThreadCpu(session, cpu, slots ? new Slots(slots) : null, recorder);
      return undefined;
    } catch (error) {
      return error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
  },

  /** Runs to the end of the run and lets go of the machine. */
  run(): ThreadReport {
    const cpu = attached;
    attached = null;
    return cpu ? cpu.run() : { error: 'run without attach' };
  },
};

export type CpuThreadApi = typeof api;

if (parentPort) expose(api, nodeEndpoint(parentPort));
