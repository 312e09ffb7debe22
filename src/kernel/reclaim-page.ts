/**
 * Takes a page away from a user, as reclaim does before it writes the page out and gives its frame to somebody
 * else (try_to_unmap_one in Linux mm/rmap.c: flush_cache_page, ptep_clear_flush), and maps another one in its
 * place. The order of the three is what the flush interfaces ask for; two wrong ones are kept to be shown.
 */
import { frameAddress, PTE } from '../machine/attributes.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { FlushArchitecture } from './flush/architecture.ts';
import type { Mapping } from './rmap.ts';
import { spinLock, spinUnlock } from './spin-lock.ts';

/** Places of this file that flush. */
export const RECLAIM_PAGE_SITES = {
  'reclaim.cache':
    'flushCachePage before the entry is cleared: what the user stored is in memory, and no line of the page is left',
  'reclaim.tlb': 'flushTlbPage after the entry was cleared: nobody has a way to the page any more',
} as const;

/** A page of a user and its entry. */
interface MappedPage extends Mapping {
  readonly ptePa: number;
}

export interface ReclaimOptions {
  /** Wrong but for 'right': the TLB is flushed before the rest, or the cache after it. */
  readonly order: 'right' | 'tlb-first' | 'cache-last';
  /** What others do before the entry is cleared and, with 'tlb-first', after the TLB flush. */
  readonly meanwhile: () => Steps;
}

/** @returns physical address of the frame, which is the kernel's from now on */
export function* reclaimPage(
  cpu: Cpu,
  flushes: FlushArchitecture,
  page: MappedPage,
  { order, meanwhile }: ReclaimOptions,
): Steps<number> {
  const { kernel } = flushes;
  const { space, va, ptePa } = page;
  yield* spinLock(cpu, space.lock, kernel.uncached);
  const old = yield* kernel.tables.read(cpu, ptePa);
  const frame = frameAddress(old);
  const flushCache = () => flushes.at('reclaim.cache').flushCachePage(cpu, { space, va, frame });
  const flushTlb = () => flushes.at('reclaim.tlb').flushTlbPage(cpu, space, va);
  if (order === 'tlb-first') yield* flushTlb();
  yield* meanwhile();
  if (order !== 'cache-last') yield* flushCache();
  yield* flushes.changeEntry(cpu, page, ptePa, old, 0);
  if (order !== 'tlb-first') yield* flushTlb();
  if (order === 'cache-last') yield* flushCache();
  yield* cpu.dsb();
  flushes.settled(cpu, page, ptePa);
  yield* spinUnlock(cpu, space.lock, kernel.uncached);
  return frame;
}

/**
 * Maps a frame where nothing is mapped. No flush: TLBs keep no entry that is not valid.
 * @param permissions PTE bits
 */
export function* mapFrame(
  cpu: Cpu,
  flushes: FlushArchitecture,
  page: MappedPage,
  frame: number,
  permissions: number,
): Steps {
  const { kernel } = flushes;
  const { space, ptePa } = page;
  yield* spinLock(cpu, space.lock, kernel.uncached);
  yield* flushes.changeEntry(cpu, page, ptePa, 0, (frame | permissions | PTE.VALID) >>> 0);
  yield* cpu.dsb();
  yield* spinUnlock(cpu, space.lock, kernel.uncached);
}
