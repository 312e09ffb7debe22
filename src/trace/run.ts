/** Runs traces on a machine, and says what its caches, TLBs and clocks did. */

import type { Job, RunResult } from '../hosts/job.ts';
import { runLockstep } from '../hosts/lockstep.ts';
import { ClockFirst } from '../hosts/schedulers/clock-first.ts';
import type { Scheduler } from '../hosts/schedulers/scheduler.ts';
import { ThreadsHost } from '../hosts/threads.ts';
import type { Mechanism } from '../kernel/tlb-flush.ts';
import { STREAM } from '../machine/bulk-fetch.ts';
import type { Platform } from '../machine/platform.ts';
import { STREAM_NOTES, TRACE_NOTE } from './notes.ts';
import { coloursOf } from './platform.ts';
import type { TraceFormat } from './reader.ts';
import { StreamedTraces } from './source.ts';
import { TraceError } from './trace-error.ts';
import { Simultaneous, Turns } from './turns.ts';
import { createWorkload, type PlacedTrace, placeTraces, type TraceParameters } from './workload.ts';

/** Who goes first: the smallest clock, each in turn, or all at the same time (see turns.ts). */
export const traceOrders = ['clock', 'turns', 'sync'] as const;
export type TraceOrder = (typeof traceOrders)[number];

export interface KernelAtWork {
  readonly munmapEvery: number;
  readonly forkEvery: number;
  readonly migrateEvery: number;
  readonly switchEvery: number;
  readonly pages: number;
}

export const KERNEL_AT_REST: KernelAtWork = {
  munmapEvery: 0,
  forkEvery: 0,
  migrateEvery: 0,
  switchEvery: 0,
  pages: 1,
};

export interface TraceRun {
  readonly platform: Platform;
  readonly paths: readonly string[];
  readonly cpus: number;
  readonly host: 'lockstep' | 'threads';
  readonly order: TraceOrder;
  /** All traces in one address space, or each in its own. */
  readonly spaces: 'one' | 'each';
  /** Count an access in both lines that it touches. */
  readonly split: boolean;
  readonly format?: TraceFormat | undefined;
  readonly checked: boolean;
  readonly seed: number;
  readonly mechanism: Mechanism;
  readonly work: KernelAtWork;
  readonly maxSeconds: number;
  readonly progress: boolean;
}

/** A run of traces, one a CPU, in one address space on lockstep, undisturbed and unchecked, but for `changes`. */
export function plainRun(
  platform: Platform,
  paths: readonly string[],
  changes: Partial<TraceRun> = {},
): TraceRun {
  return {
    platform,
    paths,
    cpus: paths.length,
    host: 'lockstep',
    order: 'clock',
    spaces: 'one',
    split: true,
    checked: false,
    seed: 1,
    mechanism: 'cross-call',
    work: KERNEL_AT_REST,
    maxSeconds: 3600,
    progress: false,
    ...changes,
  };
}

/** What one CPU did for its program; kernel and walker apart where named. */
export interface CpuCounts {
  readonly cpu: number;
  readonly fetches: number;
  readonly reads: number;
  readonly writes: number;
  readonly fetchMisses: number;
  readonly readMisses: number;
  readonly writeMisses: number;
  readonly l1iEvictions: number;
  /** Hits and misses of the L1D, without the stores that had to ask first for a line they shared. */
  readonly l1dHits: number;
  readonly l1dMisses: number;
  readonly upgrades: number;
  readonly l1dEvictions: number;
  readonly l1dDirtyEvictions: number;
  readonly l1dDirtyAtEnd: number;
  readonly l2Hits: number;
  readonly l2Evictions: number;
  readonly sharedHits: number;
  readonly memoryReads: number;
  readonly writeBacks: number;
  readonly invalidationsReceived: number;
  readonly downgrades: number;
  /** Fills that another CPU's cache held a copy of, and those whose data came from it. */
  readonly heldElsewhere: number;
  readonly cacheToCache: number;
  readonly dirtySupplied: number;
  readonly tlbMisses: number;
  readonly secondTlbHits: number;
  readonly walks: number;
  readonly faults: number;
  readonly pagesMapped: number;
  readonly pagesCopied: number;
  readonly shootdowns: number;
  readonly shootdownCycles: number;
  readonly shootdownPages: number;
  readonly ipisSent: number;
  readonly interrupts: number;
  readonly broadcasts: number;
  readonly switches: number;
  readonly syncMisses: number;
  readonly syncUpgrades: number;
  readonly syncInvalidations: number;
  readonly syncDowngrades: number;
  readonly cycles: number;
  readonly milliseconds: number;
}

export interface TraceResult {
  readonly run: TraceRun;
  readonly outcome: RunResult['outcome'];
  readonly findingCount: number;
  readonly error?: string | undefined;
  readonly cpus: readonly CpuCounts[];
  /** Wall time, reading included. */
  readonly seconds: number;
}

/** Accesses in one step where CPUs run by their clocks: few, so that they interleave; many for one CPU. */
const STEP_ACCESSES = 32;
const STEP_ACCESSES_ALONE = 4096;

const schedulers: Record<TraceOrder, () => Scheduler> = {
  clock: () => new ClockFirst(),
  turns: () => new Turns(),
  sync: () => new Simultaneous(),
};

/** @throws TraceError what is wrong with a trace or with what was asked */
export async function runTrace(run: TraceRun): Promise<TraceResult> {
  const began = performance.now();
  const { platform, split, format, progress } = run;
  const options = { lineBytes: platform.lineBytes, split, format, progress };
  const streamed = await StreamedTraces.open(run.paths, options);
  try {
    const traces = streamed.feeds.map((feed, i) => ({
      feed,
      cpu: i % run.cpus,
      space: run.spaces === 'each' ? i : 0,
    }));
    const result = await runPlaced(run, traces);
    const error = result.error === undefined ? undefined : traceErrorOf(result.error);
    if (error !== undefined) throw new TraceError(error);
    return summarise(run, result, (performance.now() - began) / 1000);
  } finally {
    await streamed.close();
  }
}

/**
 * Runs traces that are already in feeds.
 * @param threads the threads host to use, kept for the next run; a new one where left out
 */
export async function runPlaced(
  run: TraceRun,
  traces: readonly PlacedTrace[],
  threads?: ThreadsHost,
): Promise<RunResult> {
  const job = jobOf(run, placeTraces(traces));
  if (run.host === 'lockstep') {
    return runLockstep(job, createWorkload(job.source.parameters), schedulers[run.order]());
  }
  const host = threads ?? new ThreadsHost();
  try {
    return await host.run(job);
  } finally {
    if (!threads) await host.close();
  }
}

/** The job of a run whose traces are placed. */
function jobOf(run: TraceRun, placed: number): Job {
  const { platform, work } = run;
  const turns = run.host === 'lockstep' && run.order !== 'clock';
  const parameters: TraceParameters = {
    run: placed,
    perStep: run.cpus > 1 && run.host === 'lockstep' ? STEP_ACCESSES : STEP_ACCESSES_ALONE,
    turns,
    spaces: run.spaces,
    mechanism: run.mechanism,
    colours: coloursOf(platform),
    munmapEvery: work.munmapEvery,
    forkEvery: work.forkEvery,
    migrateEvery: work.migrateEvery,
    switchEvery: work.switchEvery,
    pages: work.pages,
  };
  const module = new URL(`./workload${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)
    .href;
  return {
    platform,
    cpus: run.cpus,
    source: { module, parameters },
    seed: run.seed,
    checked: run.checked,
    quantumCycles: 1e15,
    maxSteps: Number.MAX_SAFE_INTEGER,
    maxSeconds: run.maxSeconds,
  };
}

/** The message of a TraceError that came out of a run as the text of its stack. */
function traceErrorOf(stack: string): string | undefined {
  const first = stack.split('\n')[0];
  if (first.startsWith('Error: out of frames')) {
    return `${first.slice('Error: '.length)}: the traces touch more than the 256 MB that a trace run has, cut them`;
  }
  return first.startsWith('TraceError: ') ? first.slice('TraceError: '.length) : undefined;
}

/** Adds up what a run's CPUs counted. */
export function summarise(run: TraceRun, result: RunResult, seconds: number): TraceResult {
  const cpus = result.cpus.map(({ counters, notes, clockCycles }, cpu): CpuCounts => {
    const note = (index: number) => notes[index] ?? 0;
    const stream = (index: number) => note(STREAM_NOTES.from + index);
    const accesses = stream(STREAM.LOADS) + stream(STREAM.STORES);
    const l1dMisses = stream(STREAM.LOAD_MISSES) + stream(STREAM.STORE_MISSES);
    return {
      cpu,
      fetches: stream(STREAM.FETCHES),
      reads: stream(STREAM.LOADS),
      writes: stream(STREAM.STORES),
      fetchMisses: stream(STREAM.FETCH_MISSES),
      readMisses: stream(STREAM.LOAD_MISSES),
      writeMisses: stream(STREAM.STORE_MISSES),
      l1iEvictions: stream(STREAM.FETCH_EVICTIONS),
      l1dHits: accesses - l1dMisses,
      l1dMisses,
      upgrades: counters.upgrades,
      l1dEvictions: counters.evictions - counters.l2Evictions,
      l1dDirtyEvictions: counters.dirtyEvictions,
      l1dDirtyAtEnd: note(TRACE_NOTE.DIRTY_AT_END),
      l2Hits: counters.l2Hits,
      l2Evictions: counters.l2Evictions,
      sharedHits: counters.sharedHits,
      memoryReads: counters.memoryReads,
      writeBacks: counters.writeBacks,
      invalidationsReceived: counters.invalidationsReceived,
      downgrades: counters.downgrades,
      heldElsewhere: counters.missesHeldElsewhere,
      cacheToCache: counters.cacheToCache,
      dirtySupplied: counters.dirtySupplied,
      tlbMisses: counters.tlbMisses,
      secondTlbHits: counters.secondTlbHits,
      walks: counters.walks,
      faults: counters.faults,
      pagesMapped: note(TRACE_NOTE.PAGES_MAPPED),
      pagesCopied: note(TRACE_NOTE.PAGES_COPIED),
      shootdowns: note(TRACE_NOTE.SHOOTDOWNS),
      shootdownCycles: note(TRACE_NOTE.SHOOTDOWN_CYCLES),
      shootdownPages: note(TRACE_NOTE.SHOOTDOWN_PAGES),
      ipisSent: counters.ipisSent,
      interrupts: counters.interrupts,
      broadcasts: counters.broadcastsIssued,
      switches: note(TRACE_NOTE.SWITCHES),
      syncMisses: note(TRACE_NOTE.SYNC_MISSES),
      syncUpgrades: note(TRACE_NOTE.SYNC_UPGRADES),
      syncInvalidations: note(TRACE_NOTE.SYNC_INVALIDATIONS),
      syncDowngrades: note(TRACE_NOTE.SYNC_DOWNGRADES),
      cycles: clockCycles - note(TRACE_NOTE.BEGAN_CYCLES),
      milliseconds: note(TRACE_NOTE.MILLISECONDS),
    };
  });
  const { outcome, findingCount, error } = result;
  return { run, outcome, findingCount, error, cpus, seconds };
}
