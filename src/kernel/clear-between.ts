/**
 * The sequence by which mappings go, however many: flush the cache, clear the entries, flush the TLB, all of it
 * under the lock of the table. Which flushes is the caller's.
 */
import { frameAddress } from '../machine/attributes.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { AddressSpace } from './address-space.ts';
import type { FlushArchitecture } from './flush/architecture.ts';
import type { PageEntry } from './mm.ts';
import { type SpinLock, spinLock, spinUnlock } from './spin-lock.ts';

/** Pages that are mapped, in one table under one lock. */
export interface MappedPages {
  readonly lock: SpinLock;
  readonly space: AddressSpace;
  readonly pages: readonly PageEntry[];
}

/** @returns physical addresses of the pages' frames, which nobody reaches through their addresses any more */
export function* clearBetween(
  cpu: Cpu,
  flushes: FlushArchitecture,
  { lock, space, pages }: MappedPages,
  flush: { readonly cache: () => Steps; readonly tlb: () => Steps },
): Steps<number[]> {
  const { kernel } = flushes;
  const frames: number[] = [];
  yield* spinLock(cpu, lock, kernel.uncached);
  yield* flush.cache();
  for (const { va, ptePa } of pages) {
    const old = yield* kernel.tables.read(cpu, ptePa);
    yield* flushes.changeEntry(cpu, { space, va }, ptePa, old, 0);
    frames.push(frameAddress(old));
  }
  yield* flush.tlb();
  yield* cpu.dsb();
  for (const { va, ptePa } of pages) flushes.settled(cpu, { space, va }, ptePa);
  yield* spinUnlock(cpu, lock, kernel.uncached);
  return frames;
}
