/** What a round of `shootdown-bench.ts` is made of, what it leaves, and where things are in memory. */
import type { BootPage } from '../../../kernel/boot-process.ts';
import type { KernelLayout } from '../../../kernel/kernel.ts';
import type { EarlyCallLayout } from '../../../kernel/shootdown/early-call.ts';
import type { LazyBatchLayout } from '../../../kernel/shootdown/lazy-batch.ts';
import type { ShootdownName } from '../../../kernel/shootdown/mechanisms.ts';
import type { MeetingLayout } from './meeting.ts';

/** What a round is made of. */
export interface ShootdownBench {
  readonly mechanism: ShootdownName;
  /** CPUs from the last one down that run another process. */
  readonly bystanders: number;
  /** CPUs from 0 on that take pages away, at the same time. */
  readonly initiators: number;
  /** Pages that each of them takes away. */
  readonly pages: number;
  /** Pages that each CPU uses besides. */
  readonly ownPages: number;
  readonly rounds: number;
  /** See `ShootdownParts`. */
  readonly passes: number;
  /** Users go on using the pages while they are taken away, and their frames are given to somebody else. */
  readonly isBusy?: boolean;
  /**
   * For tests of the mechanisms: frames are free as soon as the initiator goes on, whatever the mechanism still owes;
   * or who is called acknowledges and flushes nothing.
   */
  readonly wrong?: 'frees-at-once' | 'forgets-flush';
}

/** Figures in a CPU's notes: sums over the measured rounds. */
export const BENCH_NOTE = {
  /** Initiator: from clearing the first entry until it may go on. */
  CYCLES: 0,
  /** Initiator: until no CPU uses an older translation. */
  COMPLETE: 1,
  /** Everybody: cycles lost to interrupts, stolen by broadcasts, spent flushing at ticks. */
  LOST: 2,
  /** Everybody: table walks, and cycles, of using all pages again; less those when nothing was flushed. */
  WALKS: 3,
  REFILL: 4,
} as const;

/** Virtual address of the first initiator's pages, and of those that each CPU uses besides. */
export const SHARED = 0x4000_0000;
export const OWN = 0x2000_0000;

export interface ShootdownLayout {
  readonly kernel: KernelLayout;
  readonly early: EarlyCallLayout | null;
  readonly lazy: LazyBatchLayout | null;
  readonly meeting: MeetingLayout;
  /** By initiator. */
  readonly taken: readonly (readonly BootPage[])[];
}

/** The number of the first CPU that runs another process. */
export function firstBystander(cpus: number, { bystanders }: ShootdownBench): number {
  return cpus - bystanders;
}
