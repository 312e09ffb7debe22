/**
 * Page reclaim with a postponed flush, after try_to_unmap and its batch of flushes in Linux mm/rmap.c
 * (TTU_BATCH_FLUSH, tlb_ubc): entries are cleared one by one, one flush serves them all, and pages are freed
 * after it. In between a cleared entry says nothing about the TLBs, so whoever finds one must know that a
 * flush is owed.
 */
import { frameAddress, PTE } from '../machine/attributes.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import { lockTables, type Mm, type PageEntry, unlockTables } from './mm.ts';

/** The word in an address space that says a flush of it is owed (mm->tlb_flush_batched). */
export class BatchedFlush {
  private readonly mm: Mm;
  private readonly batchedPa: number;

  /** @param batchedPa physical address of the word */
  constructor(mm: Mm, batchedPa: number) {
    this.mm = mm;
    this.batchedPa = batchedPa;
  }

  /** Notes that the flush of an entry just cleared is postponed. The page-table lock is held. */
  *note(cpu: Cpu): Steps {
    yield* cpu.storePhysical(this.batchedPa, 1, 4, this.mm.kernel.uncached);
  }

  /** Does the flush that is owed, if one is. The page-table lock is held, so nobody adds to it meanwhile. */
  *flushPending(cpu: Cpu): Steps {
    const { kernel, space } = this.mm;
    if ((yield* cpu.loadPhysical(this.batchedPa, 4, kernel.uncached)) === 0) return;
    yield* kernel.flush.mm(cpu, space);
    yield* cpu.storePhysical(this.batchedPa, 0, 4, kernel.uncached);
  }
}

/** What one reclaiming CPU has unmapped and not yet flushed. */
export class ReclaimBatch {
  private readonly mm: Mm;
  private readonly batched: BatchedFlush | undefined;
  /** Physical addresses of the frames. */
  private readonly frames: number[] = [];

  /** @param batched where the others can see that a flush is owed; without it they cannot, which is wrong */
  constructor(mm: Mm, batched: BatchedFlush | undefined) {
    this.mm = mm;
    this.batched = batched;
  }

  /** Unmaps a page if it is still mapped, and leaves the flush for later. */
  *unmap(cpu: Cpu, { ptePa }: PageEntry): Steps {
    const { mm, batched } = this;
    const { tables } = mm.kernel;
    yield* lockTables(cpu, mm);
    if (((yield* tables.read(cpu, ptePa)) & PTE.VALID) !== 0) {
      const old = yield* tables.exchange(cpu, ptePa, () => 0);
      this.frames.push(frameAddress(old));
      if (batched) yield* batched.note(cpu);
    }
    yield* unlockTables(cpu, mm);
  }

  /** One flush for all that was unmapped; then the pages are free. */
  *flushAndFree(cpu: Cpu): Steps {
    if (this.frames.length === 0) return;
    const { kernel, space } = this.mm;
    yield* kernel.flush.mm(cpu, space);
    for (const frame of this.frames) yield* kernel.frames.free(cpu, frame);
    this.frames.length = 0;
  }
}
