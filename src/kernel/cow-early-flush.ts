/**
 * Copy on write as "The Linux Cache Flush Architecture" proposes it for an R4000 with virtual coherency
 * exceptions: the page is flushed from the user's address before the kernel copies it, not after, so that
 * reading it through the kernel's mapping raises none. fork flushes nothing: with physical tags the child
 * finds the parent's lines, which it has at the same address.
 */
import { frameAddress, PTE } from '../machine/attributes.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { CowMapping } from './cow.ts';
import type { FlushArchitecture } from './flush/architecture.ts';
import { spinLock, spinUnlock } from './spin-lock.ts';

/** Places of this file that flush. */
export const EARLY_FLUSH_SITES = {
  'early.user-page':
    'flushCachePage of the user’s address before the copy: the kernel reads what the user stored, from memory',
  'early.copy-to-ram': 'flushPageToRam of the copy: the user finds it in memory',
  'early.tlb': 'flushTlbPage after the entry has changed: nobody reads the old page any more',
} as const;

/** Shares the parent's page with a child, whose entry is empty, read-only on both sides. */
export function* shareReadOnly(
  cpu: Cpu,
  flushes: FlushArchitecture,
  parent: CowMapping,
  child: CowMapping,
): Steps {
  const { kernel } = flushes;
  yield* spinLock(cpu, parent.space.lock, kernel.uncached);
  const shared = ((yield* kernel.tables.read(cpu, parent.ptePa)) & ~PTE.WRITE) >>> 0;
  yield* kernel.tables.write(cpu, parent.ptePa, shared);
  yield* kernel.tables.write(cpu, child.ptePa, shared);
  yield* kernel.flush.page(cpu, parent.space, parent.va);
  yield* spinUnlock(cpu, parent.space.lock, kernel.uncached);
}

/**
 * Gives an address space a copy of a page that it shares.
 * @param words offsets of the words that are in use
 * @returns the frame of the copy
 */
export function* copyAfterFlush(
  cpu: Cpu,
  flushes: FlushArchitecture,
  mapping: CowMapping,
  words: readonly number[],
): Steps<number> {
  const { kernel } = flushes;
  const { space, va, ptePa } = mapping;
  yield* spinLock(cpu, space.lock, kernel.uncached);
  const old = yield* kernel.tables.read(cpu, ptePa);
  const frame = frameAddress(old);
  yield* flushes.at('early.user-page').flushCachePage(cpu, { space, va, frame });
  const copy = yield* kernel.frames.allocate(cpu);
  for (const at of words) {
    const word = yield* cpu.loadPhysical(frame + at);
    yield* cpu.storePhysical(copy + at, word);
  }
  yield* flushes.at('early.copy-to-ram').flushPageToRam(cpu, copy);
  const entry = (copy | (old & 0xfff) | PTE.WRITE | PTE.DIRTY) >>> 0;
  yield* flushes.changeEntry(cpu, mapping, ptePa, old, entry);
  yield* flushes.at('early.tlb').flushTlbPage(cpu, space, va);
  yield* cpu.dsb();
  flushes.settled(cpu, mapping, ptePa);
  yield* spinUnlock(cpu, space.lock, kernel.uncached);
  return copy;
}
