/**
 * Stage-2 tables in simulated memory: from intermediate physical addresses (IPA) to physical ones. Entries have the
 * form of stage 1 (machine/attributes.ts) and are written the way the platform's kernel writes its own tables, since
 * the same walker reads them; how the address is cut into levels is the platform's (`virtualization.stage2Levels`).
 *
 * Nothing here invalidates a TLB: what has to follow a change is the affair of vm.ts.
 */

import type { BootMemory } from '../kernel/boot-memory.ts';
import type { PageTable } from '../kernel/page-table.ts';
import { frameAddress, PTE } from '../machine/attributes.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { Machine } from '../machine/machine.ts';
import { PAGE_BYTES, PAGE_SHIFT, type Platform } from '../machine/platform.ts';

/** Width of a page number, bits. */
const PAGE_NUMBER_BITS = 20;

interface Level {
  readonly shift: number;
  readonly mask: number;
}

/** How a platform cuts an IPA into table indices. @throws Error on a platform without stage 2 */
export function stage2Levels({ name, virtualization }: Platform): Level[] {
  if (!virtualization) throw new Error(`${name} has no stage 2: use a platform with 'virtualization'`);
  let shift = PAGE_NUMBER_BITS;
  return virtualization.stage2Levels.map(({ bits }) => {
    shift -= bits;
    return { shift, mask: (1 << bits) - 1 };
  });
}

/** Physical address of the entry for an IPA in the table at `table`. */
export function stage2EntryAddress(
  platform: Platform,
  { shift, mask }: Level,
  table: number,
  ipa: number,
): number {
  return table + (((ipa >>> PAGE_SHIFT) >>> shift) & mask) * platform.mmu.entryBytes;
}

/** Takes a root table that maps nothing. @returns its physical address */
export function layStage2Root(boot: BootMemory): number {
  const { platform } = boot.machine;
  const [{ mask }] = stage2Levels(platform);
  return boot.pages(Math.max(1, ((mask + 1) * platform.mmu.entryBytes) / PAGE_BYTES));
}

/**
 * Physical address of the leaf entry for an IPA, with the tables above it built if they are missing.
 * @param boot absent: nothing is built
 * @throws Error if a table is missing and there is no boot memory
 */
export function bootStage2Entry(machine: Machine, root: number, ipa: number, boot?: BootMemory): number {
  const { platform } = machine;
  const levels = stage2Levels(platform);
  let table = root;
  for (const level of levels.slice(0, -1)) {
    const at = stage2EntryAddress(platform, level, table, ipa);
    let entry = machine.peek(at);
    if ((entry & PTE.VALID) === 0) {
      if (!boot) throw new Error(`stage 2 has no table for IPA 0x${ipa.toString(16)}`);
      entry = (boot.pages(1) | PTE.VALID | PTE.TABLE) >>> 0;
      machine.poke(at, entry);
    }
    table = frameAddress(entry);
  }
  return stage2EntryAddress(platform, levels[levels.length - 1], table, ipa);
}

/** Physical addresses of all pages that the tables under a root are in. */
export function stage2Pages(machine: Machine, root: number): number[] {
  const { platform } = machine;
  const { entryBytes } = platform.mmu;
  const levels = stage2Levels(platform);
  const pages: number[] = [];
  const visit = (table: number, level: number): void => {
    const bytes = (levels[level].mask + 1) * entryBytes;
    for (let page = table; page < table + bytes; page += PAGE_BYTES) pages.push(page);
    if (level === levels.length - 1) return;
    for (let at = table; at < table + bytes; at += entryBytes) {
      const entry = machine.peek(at);
      if ((entry & PTE.VALID) !== 0 && (entry & PTE.TABLE) !== 0) visit(frameAddress(entry), level + 1);
    }
  };
  visit(root, 0);
  return pages;
}

/** Bits of an entry that stay in it while it is hidden from the walker. */
const HIDDEN = PTE.SOFTWARE;

export class Stage2Table {
  /** Physical address of the root table. */
  readonly root: number;
  private readonly platform: Platform;
  private readonly levels: readonly Level[];
  private readonly tables: PageTable;
  private readonly hardwareBits: boolean;

  constructor(tables: PageTable, root: number) {
    this.root = root;
    this.platform = tables.machine.platform;
    this.levels = stage2Levels(this.platform);
    this.tables = tables;
    this.hardwareBits = this.platform.mmu.accessedDirty === 'hardware';
  }

  /** Physical address of the leaf entry for an IPA; -1 if a level above it is missing. */
  *find(cpu: Cpu, ipa: number): Steps<number> {
    let table = this.root;
    for (const level of this.levels.slice(0, -1)) {
      const entry = yield* this.tables.read(cpu, stage2EntryAddress(this.platform, level, table, ipa));
      // What is hidden from the walker is the guest's all the same (XSA-393, CVE-2022-23033).
      if (!isThere(entry) || (entry & PTE.TABLE) === 0) return -1;
      table = frameAddress(entry);
    }
    return stage2EntryAddress(this.platform, this.levels[this.levels.length - 1], table, ipa);
  }

  /** Like `find`, but builds what is missing from zeroed frames that `allocate` gives. */
  *build(cpu: Cpu, ipa: number, allocate: (cpu: Cpu) => Steps<number>): Steps<number> {
    let table = this.root;
    for (const level of this.levels.slice(0, -1)) {
      const at = stage2EntryAddress(this.platform, level, table, ipa);
      let entry = yield* this.tables.read(cpu, at);
      if (!isThere(entry)) {
        const frame = yield* allocate(cpu);
        yield* this.zero(cpu, frame);
        entry = (frame | PTE.VALID | PTE.TABLE) >>> 0;
        yield* this.tables.write(cpu, at, entry);
      }
      table = frameAddress(entry);
    }
    return stage2EntryAddress(this.platform, this.levels[this.levels.length - 1], table, ipa);
  }

  /** An entry of any level, by its physical address. */
  entry(cpu: Cpu, ptePa: number): Steps<number> {
    return this.tables.read(cpu, ptePa);
  }

  /** The walk of a CPU by software. @returns the leaf entry, 0 if there is none */
  *read(cpu: Cpu, ipa: number): Steps<number> {
    const ptePa = yield* this.find(cpu, ipa);
    return ptePa < 0 ? 0 : yield* this.tables.read(cpu, ptePa);
  }

  /** Writes a leaf that was invalid; a barrier is to follow before a guest may rely on it. */
  *write(cpu: Cpu, ptePa: number, entry: number): Steps {
    yield* this.tables.write(cpu, ptePa, entry);
  }

  /**
   * Makes a leaf invalid, atomically where the walker may still set a bit in it.
   * @returns what it was; 0 if it was invalid
   */
  *clear(cpu: Cpu, ptePa: number): Steps<number> {
    const old = yield* this.tables.read(cpu, ptePa);
    if (old === 0) return 0;
    const settled = (old & PTE.ACCESSED) !== 0 && ((old & PTE.DIRTY) !== 0 || (old & PTE.WRITE) === 0);
    if (this.hardwareBits && !settled) return yield* this.tables.exchange(cpu, ptePa, () => 0);
    yield* this.tables.write(cpu, ptePa, 0);
    return old;
  }

  /**
   * Makes an entry, of any level, invalid and keeps what it says: the next access faults, and `reveal` brings it back.
   * It is how a hypervisor learns which pages a guest uses.
   * @returns what it was; 0 if there was nothing to hide
   */
  *hide(cpu: Cpu, ptePa: number): Steps<number> {
    return yield* this.change(cpu, ptePa, (entry) =>
      (entry & PTE.VALID) === 0 ? undefined : ((entry & ~PTE.VALID) | HIDDEN) >>> 0,
    );
  }

  /** Makes a hidden leaf valid again. @returns true if it was hidden */
  *reveal(cpu: Cpu, ptePa: number): Steps<boolean> {
    const old = yield* this.change(cpu, ptePa, (entry) =>
      isHidden(entry) ? ((entry & ~HIDDEN) | PTE.VALID) >>> 0 : undefined,
    );
    return isHidden(old);
  }

  /** Takes bits away from a leaf, such as PTE.ACCESSED or PTE.WRITE, and adds others. @returns what it was */
  *setBits(cpu: Cpu, ptePa: number, bits: { readonly clear?: number; readonly set?: number }): Steps<number> {
    const { clear = 0, set = 0 } = bits;
    return yield* this.change(cpu, ptePa, (entry) => ((entry & ~clear) | set) >>> 0);
  }

  private *change(cpu: Cpu, ptePa: number, change: (entry: number) => number | undefined): Steps<number> {
    return yield* this.tables.exchange(cpu, ptePa, change);
  }

  private *zero(cpu: Cpu, frame: number): Steps {
    const { lineBytes } = this.platform;
    yield* cpu.fillPhysical(frame, PAGE_BYTES, 0, this.tables.readsUncached);
    for (let at = frame; at < frame + PAGE_BYTES; at += lineBytes) yield* this.tables.clean(cpu, at);
    yield* cpu.dsb();
  }
}

/** An entry that `Stage2Table.hide` has hidden. */
export function isHidden(entry: number): boolean {
  return (entry & (PTE.VALID | HIDDEN)) === HIDDEN;
}

/** Does an entry say where it leads, whether the walker may see it or not? */
const isThere = (entry: number): boolean => (entry & PTE.VALID) !== 0 || isHidden(entry);
