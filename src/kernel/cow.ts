/**
 * fork and copy on write, with the flushes of Linux 2.0 and 2.2 (kernel/fork.c, dup_mmap, and mm/memory.c,
 * copy_page_range and do_wp_page) and in their order, as "The Linux Cache Flush Architecture" uses them for its
 * example.
 */
import { frameAddress, PTE } from '../machine/attributes.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { FlushArchitecture } from './flush/architecture.ts';
import type { UserPage } from './flush/interfaces.ts';
import { type CountedFrame, getPage, pageCount, putPage } from './page-count.ts';
import { spinLock, spinUnlock } from './spin-lock.ts';

/** Places of this file that flush. */
export const COW_SITES = {
  'fork.cache': 'flushCacheMm before the parent’s entries become read-only: dirty lines reach memory',
  'fork.tlb': 'flushTlbMm after that: no CPU goes on writing to what is shared now',
  'cow.old-to-ram': 'flushPageToRam of the old page after the copy: no line of the kernel’s mapping is left',
  'cow.new-to-ram': 'flushPageToRam of the new page after the copy: the user finds the copy in memory',
  'cow.cache': 'flushCachePage before the entry changes: no line of the old page is found under its address',
  'cow.tlb': 'flushTlbPage after the entry has changed: nobody reads the old page any more',
  'cow.own': 'flushTlbPage after a page that nobody else has became writable: its store is not refused again',
} as const;

/** A page of one address space and its entry. */
export interface CowMapping extends Pick<UserPage, 'space' | 'va'> {
  readonly ptePa: number;
}

/** A page that a child is to share with its parent. The child's entry is empty before. */
export interface ForkedPage {
  readonly parent: CowMapping;
  readonly child: CowMapping;
  readonly page: CountedFrame;
}

/** Shares pages of one parent with a child, read-only on both sides. */
export function* forkPages(cpu: Cpu, flushes: FlushArchitecture, pages: readonly ForkedPage[]): Steps {
  const { kernel } = flushes;
  const { space } = pages[0].parent;
  yield* spinLock(cpu, space.lock, kernel.uncached);
  yield* flushes.at('fork.cache').flushCacheMm(cpu, space);
  for (const { parent, child, page } of pages) {
    const old = yield* kernel.tables.read(cpu, parent.ptePa);
    const shared = (old & ~PTE.WRITE) >>> 0;
    yield* flushes.changeEntry(cpu, parent, parent.ptePa, old, shared);
    yield* getPage(cpu, kernel, page);
    yield* flushes.changeEntry(cpu, child, child.ptePa, 0, shared);
  }
  yield* flushes.at('fork.tlb').flushTlbMm(cpu, space);
  yield* cpu.dsb();
  for (const { parent } of pages) flushes.settled(cpu, parent, parent.ptePa);
  yield* spinUnlock(cpu, space.lock, kernel.uncached);
}

export interface CowOptions {
  /** Byte offsets of the words of the page that are in use: the others are not copied. */
  readonly offsets: readonly number[];
  /** Wrong, and what the document shows: the old page's reference is dropped before the TLB flush. */
  readonly freeBeforeFlush?: boolean;
  /** Wrong: flushPageToRam writes back, and leaves the lines of the kernel's mapping where they are. */
  readonly keepsKernelLines?: boolean;
  /** What other CPUs are given time for between the change of the entry and the TLB flush. */
  readonly window?: () => Steps;
}

/**
 * A store to a shared page has faulted: gives the address space a copy of its own, made through the
 * kernel's mappings; or the page itself, if nobody else has it any more.
 * @returns the frame that the page is mapped to now
 */
export function* breakCow(
  cpu: Cpu,
  flushes: FlushArchitecture,
  mapping: CowMapping,
  page: CountedFrame,
  options: CowOptions,
): Steps<number> {
  const { kernel } = flushes;
  const { space, ptePa } = mapping;
  yield* spinLock(cpu, space.lock, kernel.uncached);
  const old = yield* kernel.tables.read(cpu, ptePa);
  const isOwn = frameAddress(old) !== page.frame || (yield* pageCount(cpu, kernel, page)) === 1;
  const frame = isOwn
    ? yield* makeWritable(cpu, flushes, mapping, old)
    : yield* replaceByCopy(cpu, flushes, mapping, page, old, options);
  yield* spinUnlock(cpu, space.lock, kernel.uncached);
  return frame;
}

function* makeWritable(
  cpu: Cpu,
  flushes: FlushArchitecture,
  mapping: CowMapping,
  old: number,
): Steps<number> {
  const { space, va, ptePa } = mapping;
  yield* flushes.changeEntry(cpu, mapping, ptePa, old, (old | PTE.WRITE | PTE.DIRTY) >>> 0);
  yield* flushes.at('cow.own').flushTlbPage(cpu, space, va);
  yield* cpu.dsb();
  return frameAddress(old);
}

function* replaceByCopy(
  cpu: Cpu,
  flushes: FlushArchitecture,
  mapping: CowMapping,
  page: CountedFrame,
  old: number,
  { offsets, freeBeforeFlush = false, keepsKernelLines = false, window }: CowOptions,
): Steps<number> {
  const { kernel } = flushes;
  const { space, va, ptePa } = mapping;
  const copy = yield* kernel.frames.allocate(cpu);
  for (const offset of offsets) {
    const word = yield* cpu.loadPhysical(page.frame + offset);
    yield* cpu.storePhysical(copy + offset, word);
  }
  if (keepsKernelLines) {
    yield* kernel.caches.cleanKernelPage(cpu, page.frame);
    yield* kernel.caches.cleanKernelPage(cpu, copy);
  } else {
    yield* flushes.at('cow.old-to-ram').flushPageToRam(cpu, page.frame);
    yield* flushes.at('cow.new-to-ram').flushPageToRam(cpu, copy);
  }
  yield* flushes.at('cow.cache').flushCachePage(cpu, { space, va, frame: page.frame });
  const entry = (copy | (old & 0xfff) | PTE.WRITE | PTE.DIRTY) >>> 0;
  yield* flushes.changeEntry(cpu, mapping, ptePa, old, entry);
  if (freeBeforeFlush) yield* putPage(cpu, kernel, page);
  if (window) yield* window();
  yield* flushes.at('cow.tlb').flushTlbPage(cpu, space, va);
  yield* cpu.dsb();
  flushes.settled(cpu, mapping, ptePa);
  if (!freeBeforeFlush) yield* putPage(cpu, kernel, page);
  return copy;
}
