/**
 * Cleans and invalidates a guest's memory by address, as far as memory itself: what its stage-2 table maps, and nothing
 * behind an entry that is not valid. After KVM (arch/arm64/kvm/mmu.c, stage2_flush_vm) and Xen (xen/arch/arm/p2m.c,
 * p2m_cache_flush_range, which skips what lies under an invalid entry of an upper level as a whole).
 */
import { maintainLines } from '../../kernel/maintain-lines.ts';
import { frameAddress, PTE } from '../../machine/attributes.ts';
import { FLUSH } from '../../machine/cache-maintenance.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../../machine/platform.ts';
import { stage2EntryAddress, stage2Levels } from '../stage2-table.ts';
import type { Held } from './emulation.ts';

/** Between two stretches of a long flush others may run. */
export interface Preemption {
  /** Work after which it is asked: 1 for what is skipped, 10 for a page that is flushed (512 in Xen). */
  readonly every: number;
  /** Does somebody else want this CPU? Asked with no lock held. */
  pending(cpu: Cpu): Steps<boolean>;
  /** Runs whoever wants the CPU. @returns false if the vCPU does not go on here, but wherever it runs next */
  yields(cpu: Cpu): Steps<boolean>;
}

/** As Xen. */
export const XEN_PREEMPTS_EVERY = 512;
const FLUSHED = 10;
const SKIPPED = 1;

export interface GuestFlush {
  /** First page of guest memory, counted over its slots. */
  readonly from?: number;
  readonly preemption?: Preemption;
}

/**
 * Flushes all that is mapped.
 * @returns the page to go on from if it was preempted for good, -1 if it is done
 */
export function* flushGuest(cpu: Cpu, held: Held, { from = 0, preemption }: GuestFlush = {}): Steps<number> {
  let next = from;
  while (next >= 0) {
    next = yield* held.vm.locked(cpu, () => flushSome(cpu, held, next, preemption));
    if (next < 0 || preemption === undefined) break;
    if ((yield* preemption.pending(cpu)) && !(yield* preemption.yields(cpu))) return next;
  }
  yield* cpu.dsb();
  // What a guest executes may have been fetched before: Xen, invalidate_icache after the whole range.
  yield* cpu.invalidateFetchAll();
  yield* cpu.dsb();
  return -1;
}

/** @returns the page to go on from after as much work as `preemption` allows at a time; -1: all is done */
function* flushSome(cpu: Cpu, { vm }: Held, from: number, preemption: Preemption | undefined): Steps<number> {
  const most = preemption?.every ?? Number.POSITIVE_INFINITY;
  let first = 0;
  let work = 0;
  for (const { ipa, frames } of vm.layout.slots) {
    for (let page = Math.max(0, from - first); page < frames.length; ) {
      const at = ipa + page * PAGE_BYTES;
      const { entry, pages } = yield* lookUp(cpu, vm.layout.root, vm.table, at);
      if ((entry & PTE.VALID) !== 0) yield* flushPage(cpu, frameAddress(entry));
      work += (entry & PTE.VALID) !== 0 ? FLUSHED : SKIPPED;
      page += pages;
      if (work >= most) return first + page;
    }
    first += frames.length;
  }
  return -1;
}

/** An entry, and how many pages from `ipa` on it stands for: all those behind an entry above that is not valid. */
function* lookUp(
  cpu: Cpu,
  root: number,
  table: Held['vm']['table'],
  ipa: number,
): Steps<{ entry: number; pages: number }> {
  const { platform } = cpu.machine;
  const levels = stage2Levels(platform);
  let at = root;
  for (const [i, level] of levels.entries()) {
    const entry = yield* table.entry(cpu, stage2EntryAddress(platform, level, at, ipa));
    const isLast = i === levels.length - 1;
    if (isLast || (entry & PTE.VALID) === 0) {
      const span = 1 << level.shift;
      return { entry, pages: span - ((ipa >>> PAGE_SHIFT) & (span - 1)) };
    }
    at = frameAddress(entry);
  }
  throw new Error('a table has no levels');
}

/** flush_page_to_ram, kvm_flush_dcache_to_poc: one page by the address at which the host has it. */
export function flushPage(cpu: Cpu, frame: number): Steps {
  return maintainLines(cpu, frame, PAGE_BYTES, FLUSH, 'coherency');
}
