/**
 * Freeing of page-table pages. A table that has been unlinked is still known to whoever read the entry above
 * it before: to walkers of the hardware until the flush is complete, and to lockless walkers of the kernel
 * until they leave it, which no flush makes them do. So a table is freed at once only where nobody walks
 * without a lock; elsewhere after an IPI, which a walker holds off by masking interrupts, or deferred until
 * every walker has said that it is out. After Linux mm/mmu_gather.c and include/asm-generic/tlb.h; there
 * RCU defers, here a word per CPU does (Desnoyers et al., "User-Level Implementations of Read-Copy Update",
 * IEEE TPDS 2012).
 */
import { frameAddress, PTE } from '../machine/attributes.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { Machine } from '../machine/machine.ts';
import type { AddressSpace } from './address-space.ts';
import type { BootMemory } from './boot-memory.ts';
import { type CallFunction, otherProcessors } from './cross-call.ts';
import type { Mm } from './mm.ts';

export type TableFreeing = 'at-once' | 'after-ipi' | 'deferred';

export interface TableFreeLayout {
  /** Per CPU: the line with the word that is odd while the CPU walks without a lock. */
  readonly walkingPa: readonly number[];
}

export function layTableFree(boot: BootMemory, cpus: number): TableFreeLayout {
  return { walkingPa: Array.from({ length: cpus }, () => boot.line()) };
}

/** A last-level table that is no longer part of an address space. */
export interface UnlinkedTable {
  /** Physical address of its page. */
  readonly table: number;
  /** Physical address of the entry that pointed to it. */
  readonly entryPa: number;
}

/** Physical address of the last-level table for `va` as it is at boot. */
export function bootTableOf(machine: Machine, space: AddressSpace, va: number): number {
  const { translation } = machine;
  let table = space.root;
  for (let level = 0; level < translation.depth; level++) {
    table = frameAddress(machine.peek(translation.entryAddress(table, level, va)));
  }
  return table;
}

/** Function of a cross call that does nothing: that the target has taken the interrupt is the point. */
export const callNothing: CallFunction = function* () {};

/**
 * Takes the last-level table for `va` out of the tables; its entries have been cleared. The entry above it is
 * a plain store: the flush that must follow waits for it.
 * @throws Error if there is no such table
 */
export function* unlinkTable(cpu: Cpu, { kernel, space }: Mm, va: number): Steps<UnlinkedTable> {
  const { tables, machine } = kernel;
  const entryPa = yield* tables.find(cpu, space.root, va, machine.translation.depth - 1);
  const entry = entryPa < 0 ? 0 : yield* tables.read(cpu, entryPa);
  if ((entry & PTE.TABLE) === 0) throw new Error(`${space.name} has no table for 0x${va.toString(16)}`);
  yield* tables.write(cpu, entryPa, 0);
  return { table: frameAddress(entry), entryPa };
}

export class TableFree {
  private readonly layout: TableFreeLayout;
  private readonly freeing: TableFreeing;
  private readonly callNothing: number;

  /** @param callNumber of `callNothing` among the kernel's cross calls; only for 'after-ipi' */
  constructor(layout: TableFreeLayout, freeing: TableFreeing, callNumber = -1) {
    this.layout = layout;
    this.freeing = freeing;
    this.callNothing = callNumber;
  }

  /**
   * Gives the page of a table back that has been unlinked and flushed.
   * @returns how many walkers it has found on their way and waited for; 0 where it asks nobody
   */
  *free(cpu: Cpu, { kernel }: Mm, { table }: UnlinkedTable): Steps<number> {
    const waitedFor = this.freeing === 'deferred' ? yield* this.awaitWalkers(cpu, kernel.uncached) : 0;
    if (this.freeing === 'after-ipi') {
      yield* kernel.calls.call(cpu, otherProcessors(cpu), this.callNothing, 0, 0, 0);
    }
    yield* kernel.frames.free(cpu, table);
    return waitedFor;
  }

  /** A walk without a lock begins on this CPU; interrupts are masked. */
  *enterWalk(cpu: Cpu, uncached: boolean): Steps {
    if (this.freeing !== 'deferred') return;
    yield* this.toggle(cpu, uncached);
    // Seen before the first entry is read, or the freer might look in between and not wait.
    yield* cpu.dmb();
  }

  /** The walk is over: what it read may be freed. */
  *leaveWalk(cpu: Cpu, uncached: boolean): Steps {
    if (this.freeing !== 'deferred') return;
    yield* cpu.dmb();
    yield* this.toggle(cpu, uncached);
  }

  private *toggle(cpu: Cpu, uncached: boolean): Steps {
    const pa = this.layout.walkingPa[cpu.index];
    const count = yield* cpu.loadPhysical(pa, 4, uncached);
    yield* cpu.storePhysical(pa, count + 1, 4, uncached);
  }

  /** Waits for the walks that are under way; one that begins now no longer finds the table. */
  private *awaitWalkers(cpu: Cpu, uncached: boolean): Steps<number> {
    let waitedFor = 0;
    for (const other of otherProcessors(cpu)) {
      const pa = this.layout.walkingPa[other];
      const seen = yield* cpu.loadPhysical(pa, 4, uncached);
      if ((seen & 1) === 0) continue;
      waitedFor++;
      const why = `CPU ${other} to leave the tables that it walks`;
      yield* cpu.waitUntil(pa, (now) => now !== seen, { why, from: other, uncached });
    }
    return waitedFor;
  }
}
