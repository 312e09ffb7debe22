/**
 * Many mappings taken away with one flush of either kind: those of a range (munmap), or of a whole address space
 * whose process exits or runs another program (exec). After unmap_region and exit_mmap in Linux 2.4 (mm/mmap.c),
 * whose frames may go back only when the TLB flush is over.
 */
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { AddressSpace } from './address-space.ts';
import { clearBetween } from './clear-between.ts';
import type { FlushArchitecture } from './flush/architecture.ts';
import type { PageEntry } from './mm.ts';

/** Places of this file that flush. */
export const UNMAP_SITES = {
  'range.cache':
    'flushCacheRange before the entries are cleared: what was stored to the pages is in memory, and no line of them is left',
  'range.tlb': 'flushTlbRange after that: nobody has a way to the pages any more',
  'exit.cache': 'flushCacheMm before all entries of a space are cleared: as range.cache, for all its pages',
  'exit.tlb': 'flushTlbMm after that: what runs in the space next finds nothing of what ran before',
} as const;

/**
 * Unmaps pages that lie side by side.
 * @param pages in order; what is not mapped must not be among them
 * @returns physical addresses of their frames, which nobody reaches any more
 */
export function* unmapRange(
  cpu: Cpu,
  flushes: FlushArchitecture,
  space: AddressSpace,
  pages: readonly PageEntry[],
): Steps<number[]> {
  const [{ va }] = pages;
  return yield* clearBetween(
    cpu,
    flushes,
    { lock: space.lock, space, pages },
    {
      cache: () => flushes.at('range.cache').flushCacheRange(cpu, space, va, pages.length),
      tlb: () => flushes.at('range.tlb').flushTlbRange(cpu, space, va, pages.length),
    },
  );
}

/** Unmaps all pages of a space. @returns as `unmapRange` */
export function* unmapSpace(
  cpu: Cpu,
  flushes: FlushArchitecture,
  space: AddressSpace,
  pages: readonly PageEntry[],
): Steps<number[]> {
  return yield* clearBetween(
    cpu,
    flushes,
    { lock: space.lock, space, pages },
    {
      cache: () => flushes.at('exit.cache').flushCacheMm(cpu, space),
      tlb: () => flushes.at('exit.tlb').flushTlbMm(cpu, space),
    },
  );
}
