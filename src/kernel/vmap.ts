/**
 * Mappings of the kernel's own that come and go: frames at addresses of the vmalloc area, one at a time, and slots
 * for short use (pkmap) that are given back together. All address spaces share the table that has their entries, so
 * one store changes what every context sees; but each may have a translation of its own in the TLBs.
 *
 * After vmalloc_area_pages and vfree in Linux 2.4 (mm/vmalloc.c: flush_cache_all, then the entries, then
 * flush_tlb_all; today flush_cache_vunmap and flush_tlb_kernel_range) and flush_all_zero_pkmaps (mm/highmem.c).
 */
import { PTE } from '../machine/attributes.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import { PAGE_BYTES, type Platform } from '../machine/platform.ts';
import type { AddressSpace } from './address-space.ts';
import type { BootMemory } from './boot-memory.ts';
import { bootEntryOf } from './boot-process.ts';
import { clearBetween } from './clear-between.ts';
import type { FlushArchitecture } from './flush/architecture.ts';
import { READ_WRITE } from './kernel.ts';
import type { PageEntry } from './mm.ts';
import { layTables } from './page-table.ts';
import { type SpinLock, spinLock, spinUnlock } from './spin-lock.ts';

/** Places of this file that flush. */
export const VMAP_SITES = {
  'vmap.to-ram':
    'flushPageToRam of a frame before it is mapped: what was stored through the linear mapping is in memory, and no line of that is left',
  'vunmap.cache':
    'flushCacheAll before the entry is cleared: what was stored through it is in memory, and no line is left under its address',
  'vunmap.tlb': 'flushTlbKernelRange after that: no context of any CPU has the address any more',
  'pkmap.cache': 'flushCacheAll before the slots are cleared: as vunmap.cache, for all of them',
  'pkmap.tlb': 'flushTlbAll after that: as vunmap.tlb, for all of them',
} as const;

/** Addresses of the kernel's for mappings of single frames. */
export interface KernelArea {
  readonly lock: SpinLock;
  /** Any space: they share the table. */
  readonly space: AddressSpace;
  readonly pages: readonly PageEntry[];
}

/** Lays one table for `pages` pages of the kernel's from `va` into all spaces: none of the pages is mapped. */
export function layKernelArea(
  boot: BootMemory,
  spaces: readonly AddressSpace[],
  va: number,
  pages: number,
  lock: SpinLock,
): KernelArea {
  const { machine } = boot;
  const [space, ...others] = spaces;
  layTables(boot, space.root, va, pages);
  const shared = machine.peek(bootEntryOf(machine, space, va, 0));
  for (const other of others) machine.poke(bootEntryOf(machine, other, va, 0), shared);
  const at = (page: number) => va + page * PAGE_BYTES;
  const entries = Array.from({ length: pages }, (_, page) => ({
    va: at(page),
    ptePa: bootEntryOf(machine, space, at(page)),
  }));
  return { lock, space, pages: entries };
}

/** PTE bits of the kernel's mappings. */
function kernelPermissions({ mmu }: Platform): number {
  return READ_WRITE | (mmu.kernelMappings === 'global' ? PTE.GLOBAL : 0);
}

/** Maps a frame at a page of an area where nothing is mapped. */
export function* vmap(
  cpu: Cpu,
  flushes: FlushArchitecture,
  { lock, space }: KernelArea,
  { va, ptePa }: PageEntry,
  frame: number,
): Steps {
  const { kernel } = flushes;
  yield* spinLock(cpu, lock, kernel.uncached);
  yield* flushes.at('vmap.to-ram').flushPageToRam(cpu, frame);
  const entry = (frame | kernelPermissions(kernel.machine.platform)) >>> 0;
  yield* flushes.changeEntry(cpu, { space, va }, ptePa, 0, entry);
  yield* cpu.dsb();
  yield* spinUnlock(cpu, lock, kernel.uncached);
}

/**
 * Unmaps one page.
 * @param running wrong unless the kernel's translations are global: only translations of this space are flushed
 * @returns physical address of its frame, which nobody reaches by the address any more
 */
export function* vunmap(
  cpu: Cpu,
  flushes: FlushArchitecture,
  area: KernelArea,
  page: PageEntry,
  running?: AddressSpace,
): Steps<number> {
  const calls = flushes.at('vunmap.tlb');
  const [frame] = yield* clearBetween(
    cpu,
    flushes,
    { ...area, pages: [page] },
    {
      cache: () => flushes.at('vunmap.cache').flushCacheAll(cpu),
      tlb: () =>
        running ? calls.flushTlbRange(cpu, running, page.va, 1) : calls.flushTlbKernelRange(cpu, page.va, 1),
    },
  );
  return frame;
}

/** Gives slots back, all at once. @returns as `vunmap`, for each */
export function* flushPkmaps(
  cpu: Cpu,
  flushes: FlushArchitecture,
  area: KernelArea,
  slots: readonly PageEntry[],
): Steps<number[]> {
  return yield* clearBetween(
    cpu,
    flushes,
    { ...area, pages: slots },
    {
      cache: () => flushes.at('pkmap.cache').flushCacheAll(cpu),
      tlb: () => flushes.at('pkmap.tlb').flushTlbAll(cpu),
    },
  );
}
