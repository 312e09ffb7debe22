/**
 * A page of a file that is mapped shared: unmapping it and writing it back, after zap_pte_range in Linux
 * mm/memory.c, page_mkclean in mm/rmap.c and clear_page_dirty_for_io in mm/page-writeback.c. A write is safe
 * if the page is marked dirty after it: by its entry's dirty bit or by the mark on the page. The disk is
 * memory that write-back copies to.
 */
import { PTE } from '../machine/attributes.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import { lockTables, type Mm, type PageEntry, unlockTables } from './mm.ts';
import { MmuGather } from './mmu-gather.ts';

export interface FilePage {
  /** Physical address of its frame. */
  readonly frame: number;
  /** Physical address of the word that is 1 while the page must be written to disk. */
  readonly dirtyPa: number;
  /** Physical address of its block on disk. */
  readonly disk: number;
}

export interface ZapPolicy {
  /** Wrong: the page-table lock is dropped while CPUs may still write through the entry that was cleared. */
  readonly flushAfterUnlock?: boolean;
}

/** Unmaps a page of a file. The page itself stays: it belongs to the file. */
export function* zapFilePage(
  cpu: Cpu,
  mm: Mm,
  entry: PageEntry,
  { dirtyPa }: FilePage,
  policy: ZapPolicy,
): Steps {
  const gather = new MmuGather(mm);
  yield* lockTables(cpu, mm);
  const old = yield* gather.clearEntry(cpu, entry);
  if ((old & PTE.DIRTY) !== 0) yield* cpu.storePhysical(dirtyPa, 1, 4, mm.kernel.uncached);
  if (!policy.flushAfterUnlock) yield* gather.flushTlb(cpu);
  yield* unlockTables(cpu, mm);
  yield* gather.finish(cpu);
  mm.checker?.contract(cpu, entry.ptePa);
}

/**
 * Write-protects a page and clears its dirty bit, so that the next write faults and marks it dirty again.
 * When it returns nobody writes to the page. @returns true if the entry had been dirty
 */
function* makeClean(cpu: Cpu, mm: Mm, { va, ptePa }: PageEntry): Steps<boolean> {
  const { kernel, space, checker } = mm;
  yield* lockTables(cpu, mm);
  let entry = yield* kernel.tables.read(cpu, ptePa);
  if ((entry & PTE.VALID) !== 0 && (entry & (PTE.WRITE | PTE.DIRTY)) !== 0) {
    entry = yield* kernel.tables.exchange(cpu, ptePa, (now) => (now & ~(PTE.WRITE | PTE.DIRTY)) >>> 0);
    yield* kernel.flush.page(cpu, space, va);
  }
  checker?.contract(cpu, ptePa);
  yield* unlockTables(cpu, mm);
  return (entry & PTE.VALID) !== 0 && (entry & PTE.DIRTY) !== 0;
}

/** Writes the first `bytes` bytes of a page, a multiple of four, to disk if it is dirty. */
export function* writeBack(cpu: Cpu, mm: Mm, entry: PageEntry, page: FilePage, bytes: number): Steps {
  const { uncached } = mm.kernel;
  const wasDirty = yield* makeClean(cpu, mm, entry);
  const marked = yield* cpu.modifyPhysical(page.dirtyPa, () => 0, uncached);
  if (!wasDirty && marked === 0) return;
  for (let at = 0; at < bytes; at += 4) {
    const word = yield* cpu.loadPhysical(page.frame + at, 4, uncached);
    yield* cpu.storePhysical(page.disk + at, word, 4, uncached);
  }
}
