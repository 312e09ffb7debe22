/**
 * The hypervisor's walk of a guest's tables: the host loads each entry by an address of its own, and before it does
 * so deals with the lines that may hold another copy of the entry. What it has to do there is the subject of "Cache
 * clean of page table entries"; `get_guest_pgtable_entry` and `gva_to_gfn` of arch/arm/kvm/arm_mmu.c are the code.
 */
import { frameAddress, PTE } from '../../machine/attributes.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { PAGE_BYTES } from '../../machine/platform.ts';
import type { GuestLines, LineStep, Reader } from './guest-lines.ts';
import { type GuestRam, isVisible } from './guest-ram.ts';
import type { GuestTables } from './guest-tables.ts';

/** How the host reads what the guest has written. */
export interface ReadPlan {
  readonly reader: Reader;
  /** What is done to the line before it is read, in this order. */
  readonly before: readonly LineStep[];
}

/** What a guest's tables say of a page. */
export interface GuestMapping {
  /** Guest-physical address of the page. */
  readonly gpa: number;
  /** PTE bits of the guest's entry. */
  readonly bits: number;
}

export class GuestWalk {
  private readonly ram: GuestRam;
  private readonly tables: GuestTables;
  private readonly lines: GuestLines;
  private readonly plan: ReadPlan;

  constructor(ram: GuestRam, tables: GuestTables, lines: GuestLines, plan: ReadPlan) {
    this.ram = ram;
    this.tables = tables;
    this.lines = lines;
    this.plan = plan;
  }

  /**
   * What the guest's tables say of an address, read in the emulator's context (gva_to_gfn).
   * @returns undefined if nothing is mapped there, or something that the guest has no memory at
   */
  *translate(cpu: Cpu, va: number): Steps<GuestMapping | undefined> {
    const { translation } = cpu.machine;
    let table = this.tables.rootGpa;
    for (let level = 0; ; level++) {
      const entry = yield* this.read(cpu, translation.entryAddress(table, level, va));
      const gpa = frameAddress(entry);
      if ((entry & PTE.VALID) === 0 || !isVisible(this.ram, gpa)) return undefined;
      if (level === translation.depth) return { gpa, bits: entry & (PAGE_BYTES - 1) };
      if ((entry & PTE.TABLE) === 0) return undefined;
      table = gpa;
    }
  }

  /** Loads a word of the guest's memory (get_guest_pgtable_entry). */
  *read(cpu: Cpu, gpa: number): Steps<number> {
    const { plan, lines, ram } = this;
    for (const step of plan.before) yield* lines.maintain(cpu, gpa, plan.reader, step);
    if (plan.before.length > 0) yield* cpu.dsb();
    return yield* plan.reader === 'linear' ? cpu.loadPhysical(ram.frame + gpa) : cpu.load(ram.userVa + gpa);
  }
}
