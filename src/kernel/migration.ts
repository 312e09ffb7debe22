/**
 * Page migration and the hinting faults of NUMA balancing, after Linux mm/migrate.c, change_protection_range
 * in mm/mprotect.c and ptep_clear_flush in mm/pgtable-generic.c. Hinting makes entries inaccessible and flushes
 * once at the end; migration unmaps a page, copies it and maps the copy, and flushes for the entry that it
 * replaces only if a TLB may still hold it.
 */
import { frameAddress, PTE } from '../machine/attributes.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import { lockTables, type Mm, type PageEntry, unlockTables } from './mm.ts';

/** Without the valid bit the other bits are the kernel's: mapped but not to be used, and under migration. */
const PROT_NONE = PTE.SOFTWARE;
const MIGRATION_ENTRY = 1 << 10;

export interface MigrationPolicy {
  /** Right: whoever replaces an inaccessible entry looks whether its flush is still to come. */
  readonly heedsPendingFlush: boolean;
}

export class Migration {
  private readonly mm: Mm;
  /** Word of the address space that is 1 while entries have changed and TLBs may not have. */
  private readonly flushPendingPa: number;
  private readonly policy: MigrationPolicy;

  constructor(mm: Mm, flushPendingPa: number, policy: MigrationPolicy) {
    this.mm = mm;
    this.flushPendingPa = flushPendingPa;
    this.policy = policy;
  }

  /** Makes pages inaccessible, to learn from the faults who uses them. Pages under migration are left out. */
  *protectForHinting(cpu: Cpu, entries: readonly PageEntry[]): Steps {
    const { kernel, space, checker } = this.mm;
    const changed: PageEntry[] = [];
    // The lock that follows is a barrier: who finds an entry changed finds this word set.
    yield* this.setFlushPending(cpu, 1);
    yield* lockTables(cpu, this.mm);
    for (const entry of entries) {
      if (((yield* kernel.tables.read(cpu, entry.ptePa)) & PTE.VALID) === 0) continue;
      yield* kernel.tables.exchange(cpu, entry.ptePa, (now) => ((now & ~PTE.VALID) | PROT_NONE) >>> 0);
      changed.push(entry);
    }
    yield* unlockTables(cpu, this.mm);
    if (changed.length > 0) yield* kernel.flush.range(cpu, space, entries[0].va, entries.length);
    for (const { ptePa } of changed) checker?.contract(cpu, ptePa);
    yield* this.setFlushPending(cpu, 0);
  }

  private *setFlushPending(cpu: Cpu, pending: number): Steps {
    if (!this.policy.heedsPendingFlush) return;
    yield* cpu.storePhysical(this.flushPendingPa, pending, 4, this.mm.kernel.uncached);
  }

  /**
   * Moves the first `bytes` bytes of a page, a multiple of four, to the frame at `target` and frees its own.
   * Nothing happens if no page is there.
   */
  *migrate(cpu: Cpu, entry: PageEntry, target: number, bytes: number): Steps {
    const { kernel } = this.mm;
    const old = yield* this.unmap(cpu, entry);
    if (old === 0) return;
    for (let at = 0; at < bytes; at += 4) {
      const word = yield* cpu.loadPhysical(frameAddress(old) + at, 4, kernel.uncached);
      yield* cpu.storePhysical(target + at, word, 4, kernel.uncached);
    }
    yield* lockTables(cpu, this.mm);
    yield* kernel.tables.write(cpu, entry.ptePa, (target | (old & 0xfff)) >>> 0);
    yield* unlockTables(cpu, this.mm);
    yield* kernel.frames.free(cpu, frameAddress(old));
  }

  /** Puts a migration entry in the place of a page. From here on nobody reaches it. @returns the old entry */
  private *unmap(cpu: Cpu, { va, ptePa }: PageEntry): Steps<number> {
    const { kernel, space, checker } = this.mm;
    yield* lockTables(cpu, this.mm);
    let old = yield* kernel.tables.read(cpu, ptePa);
    if ((old & (PTE.VALID | PROT_NONE)) === 0) old = 0;
    else {
      old = yield* kernel.tables.exchange(cpu, ptePa, () => MIGRATION_ENTRY);
      if (yield* this.isAccessible(cpu, old)) yield* kernel.flush.page(cpu, space, va);
      checker?.contract(cpu, ptePa);
    }
    yield* unlockTables(cpu, this.mm);
    return old;
  }

  /** May a TLB hold an entry (pte_accessible)? An invalid one only as long as its flush is pending. */
  private *isAccessible(cpu: Cpu, entry: number): Steps<boolean> {
    if ((entry & PTE.VALID) !== 0) return true;
    if (!this.policy.heedsPendingFlush) return false;
    return (yield* cpu.loadPhysical(this.flushPendingPa, 4, this.mm.kernel.uncached)) !== 0;
  }
}
