/**
 * Batched unmapping, after Linux mm/mmu_gather.c and zap_pte_range in mm/memory.c: entries are cleared
 * and their pages collected; one flush covers them all; only then are the pages free. A policy asks for
 * the order that was wrong.
 */
import { frameAddress, PTE } from '../machine/attributes.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import { PAGE_BYTES } from '../machine/platform.ts';
import { lockTables, type Mm, type PageEntry, unlockTables } from './mm.ts';
import type { BatchedFlush } from './reclaim.ts';

export class MmuGather {
  private readonly mm: Mm;
  /** Virtual addresses that the next flush must cover; empty if `endVa` is 0. */
  private startVa = 0;
  private endVa = 0;
  /** Physical addresses of the collected frames. */
  private readonly frames: number[] = [];

  constructor(mm: Mm) {
    this.mm = mm;
  }

  /** Clears an entry and notes its page for the flush. The page-table lock is held. @returns the old entry */
  *clearEntry(cpu: Cpu, { va, ptePa }: PageEntry): Steps<number> {
    const { tables } = this.mm.kernel;
    if (((yield* tables.read(cpu, ptePa)) & PTE.VALID) === 0) return 0;
    const old = yield* tables.exchange(cpu, ptePa, () => 0);
    this.startVa = this.endVa === 0 ? va : Math.min(this.startVa, va);
    this.endVa = Math.max(this.endVa, va + PAGE_BYTES);
    return old;
  }

  /** Collects a frame, by physical address, to be freed after the flush. */
  removePage(frame: number): void {
    this.frames.push(frame);
  }

  /** Flushes what has been cleared since the last flush; the pages stay collected. */
  *flushTlb(cpu: Cpu): Steps {
    if (this.endVa === 0) return;
    const { kernel, space } = this.mm;
    const pages = (this.endVa - this.startVa) / PAGE_BYTES;
    yield* kernel.flush.range(cpu, space, this.startVa, pages);
    this.endVa = 0;
  }

  /** Flushes what is left to flush, and frees the pages. */
  *finish(cpu: Cpu): Steps {
    yield* this.flushTlb(cpu);
    for (const frame of this.frames) yield* this.mm.kernel.frames.free(cpu, frame);
    this.frames.length = 0;
  }
}

/**
 * Unmaps pages wherever one of `entries` has them, and frees their frames, as the punching of a hole does.
 * @param batched who else may have cleared entries and owe a flush for them
 * @returns the entries that had a page
 */
export function* zapPages(
  cpu: Cpu,
  mm: Mm,
  entries: readonly PageEntry[],
  batched?: BatchedFlush,
): Steps<PageEntry[]> {
  const mapped: PageEntry[] = [];
  const gather = new MmuGather(mm);
  yield* lockTables(cpu, mm);
  if (batched) yield* batched.flushPending(cpu);
  for (const entry of entries) {
    const old = yield* gather.clearEntry(cpu, entry);
    if (old === 0) continue;
    gather.removePage(frameAddress(old));
    mapped.push(entry);
  }
  // Under the lock: who finds the entries cleared may then rely on the TLBs (compare Linux 99baac21e458).
  yield* gather.flushTlb(cpu);
  yield* unlockTables(cpu, mm);
  yield* gather.finish(cpu);
  return mapped;
}

/** Unmaps pages for good: when it returns, nothing is reached through `entries`, whoever cleared them. */
export function* unmapPages(cpu: Cpu, mm: Mm, entries: readonly PageEntry[], batched?: BatchedFlush): Steps {
  yield* zapPages(cpu, mm, entries, batched);
  for (const { ptePa } of entries) mm.checker?.contract(cpu, ptePa);
}

export interface ExitPolicy {
  /** Wrong while the tables are still attached somewhere: one flush, then pages are freed without any. */
  readonly flushFirst?: boolean;
}

/** Takes a whole address space down: no thread of it runs any more, so nobody holds the lock either. */
export function* exitMmap(cpu: Cpu, mm: Mm, entries: readonly PageEntry[], policy: ExitPolicy): Steps {
  const { kernel, space, checker } = mm;
  const frames: number[] = [];
  if (policy.flushFirst) yield* kernel.flush.mm(cpu, space);
  for (const { ptePa } of entries) {
    const old = yield* kernel.tables.exchange(cpu, ptePa, () => 0);
    if ((old & PTE.VALID) !== 0) frames.push(frameAddress(old));
  }
  if (!policy.flushFirst) yield* kernel.flush.mm(cpu, space);
  for (const { ptePa } of entries) checker?.contract(cpu, ptePa);
  for (const frame of frames) yield* kernel.frames.free(cpu, frame);
}
