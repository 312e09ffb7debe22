/**
 * Rules that every allocator keeps, looked at in the step in which they become decidable: when a space starts
 * using a number on a CPU (the last register is written) and when it stops. What a check reads it says in an event,
 * so that the order of two steps that a rule depends on counts as one that matters.
 *
 * Who uses what is kept in words of memory that no program knows. The rules are those of Catalin Marinas's TLA+
 * model of the arm64 allocator (kernel-tla, asidalloc.tla): ASIDs are unique among CPUs, and TLBs hold nothing of
 * another task under the ASID that runs.
 */
import { ASID_RULE } from '../../checker/asid-rules.ts';
import type { Checker } from '../../checker/checker.ts';
import type { Cpu } from '../../machine/cpu.ts';
import { EVENT } from '../../machine/events.ts';
import type { Machine } from '../../machine/machine.ts';
import { PAGE_BYTES } from '../../machine/platform.ts';
import { CTL } from '../../machine/registers.ts';
import { ENTRY } from '../../machine/tlb.ts';
import type { BootMemory } from '../boot-memory.ts';

export interface InvariantsLayout {
  /** By CPU, two words: number in use (0: none), index of the space. */
  readonly runningPa: number;
  /** By number, two words: the whole identifier that it was last used under, index + 1 of the space. */
  readonly usersPa: number;
  readonly perCpu: boolean;
  readonly asids: number;
}

/** One use of a number by a space on a CPU. */
export interface AsidUse {
  readonly space: NumberOwner;
  /** The number as the register has it. */
  readonly number: number;
  /** Number and generation; one such is never used by two spaces. -1: numbers have no generation here. */
  readonly id: number;
  /** Address of the word whose low bits say which number is the space's own now; 0: there is none. */
  readonly currentPa: number;
  /** Bits of that word that are the number. */
  readonly mask: number;
  /** No other CPU may run another space with that number now, in whatever generation it was given. */
  readonly isExclusive: boolean;
}

/** Where a number stands: in a register and in the tags of TLB entries, and which rules are about it. */
export interface NumberTags {
  /** Index of the control word that holds the running number. */
  readonly register: number;
  /** Word of a TLB entry with the physical address of a table word of the number's owner. */
  readonly tableWord: number;
  /** The number that a tag has. */
  numberOf(tag: number): number;
  readonly rules: {
    readonly SHARED: number;
    readonly NOT_OWN: number;
    readonly LEFT_OVER: number;
    readonly LEFT_OVER_TABLE: number;
  };
}

const asidTags: NumberTags = {
  register: CTL.ASID,
  tableWord: ENTRY.PTE_PA,
  numberOf: (tag) => tag,
  rules: ASID_RULE,
};

/** What a number belongs to. */
export interface NumberOwner {
  /** Position among the owners, from 0. */
  readonly index: number;
  /** Physical addresses of the pages that its tables are in. */
  readonly tables: readonly number[];
}

export function layInvariants(
  boot: BootMemory,
  scope: 'global' | 'per-cpu',
  asids: number,
): InvariantsLayout {
  const { lineBytes } = boot.machine.platform;
  const cpus = boot.machine.state.processors.length;
  const perCpu = scope === 'per-cpu';
  return {
    runningPa: boot.bytes(cpus * 8, lineBytes),
    usersPa: boot.bytes((perCpu ? cpus : 1) * (asids + 1) * 8, lineBytes),
    perCpu,
    asids,
  };
}

export class AsidInvariants {
  private readonly machine: Machine;
  private readonly checker: Checker;
  private readonly layout: InvariantsLayout;
  private readonly tags: NumberTags;
  /** Whose table a page is: index of the space. */
  private readonly owners = new Map<number, number>();

  /** @param tags default: those of ASIDs */
  constructor(
    machine: Machine,
    checker: Checker,
    layout: InvariantsLayout,
    spaces: readonly NumberOwner[],
    tags: NumberTags = asidTags,
  ) {
    this.machine = machine;
    this.checker = checker;
    this.layout = layout;
    this.tags = tags;
    for (const { index, tables } of spaces) for (const page of tables) this.owners.set(page, index);
  }

  /** The space that this CPU runs stops running: the first thing that a switch does. */
  leaves(cpu: Cpu): void {
    const at = this.layout.runningPa + cpu.index * 8;
    const number = this.read(at);
    if (number === 0) return;
    this.machine.state.events?.push(EVENT.ASID, cpu.index, this.keyOf(cpu, number), 0, 0);
    this.write(at, 0);
  }

  /** A space runs on this CPU with a number: in the step in which the last of its registers is written. */
  enters(cpu: Cpu, use: AsidUse): void {
    const { space, number } = use;
    const { ctl } = cpu.hw;
    this.machine.state.events?.push(EVENT.ASID, cpu.index, this.keyOf(cpu, number), 1, use.currentPa);
    const at = this.layout.runningPa + cpu.index * 8;
    this.write(at + 4, space.index);
    this.write(at, number);
    this.ownNumber(cpu, use, ctl[this.tags.register]);
    this.oneUser(cpu, use);
    this.nothingLeft(cpu, use);
  }

  /** Key of a number: what uses of it on different CPUs depend on. */
  private keyOf(cpu: Cpu, number: number): number {
    return this.layout.perCpu ? cpu.index * (this.layout.asids + 1) + number : number;
  }

  private ownNumber(cpu: Cpu, { number, currentPa, mask }: AsidUse, register: number): void {
    const { shadow } = this.machine.state;
    const current = currentPa === 0 || !shadow ? number : shadow.value[currentPa >>> 2] & mask;
    if (register !== current) this.checker.violated(cpu.hw, this.tags.rules.NOT_OWN, register, current);
  }

  private oneUser(cpu: Cpu, { space, number, id, isExclusive }: AsidUse): void {
    const at = this.layout.usersPa + this.keyOf(cpu, number) * 8;
    if (id !== -1 && this.read(at) === id && this.read(at + 4) !== space.index + 1) {
      this.checker.violated(cpu.hw, this.tags.rules.SHARED, number, space.index);
    }
    this.write(at, id);
    this.write(at + 4, space.index + 1);
    if (!isExclusive) return;
    for (const { index } of this.machine.state.processors) {
      const other = this.layout.runningPa + index * 8;
      if (index === cpu.index || this.read(other) !== number || this.read(other + 4) === space.index)
        continue;
      this.checker.violated(cpu.hw, this.tags.rules.SHARED, number, space.index, index);
    }
  }

  private nothingLeft(cpu: Cpu, { space, number }: AsidUse): void {
    const { hw, machine } = cpu;
    const { tags } = this;
    if (!machine.translation.hasAsids) return;
    for (const { entries: e } of hw.tlbs) {
      for (let entry = 0; entry < e.length; entry += ENTRY.WORDS) {
        if (e[entry] < 0 || tags.numberOf(e[entry + ENTRY.ASID]) !== number) continue;
        const owner = this.owners.get(pageOf(e[entry + tags.tableWord]));
        if (owner === undefined || owner === space.index) continue;
        this.checker.violated(hw, tags.rules.LEFT_OVER, number, space.index, owner);
        return;
      }
    }
    const table = hw.walkCache?.tablesOf(number).find((each) => {
      const owner = this.owners.get(pageOf(each));
      return owner !== undefined && owner !== space.index;
    });
    if (table === undefined) return;
    const owner = this.owners.get(pageOf(table)) ?? -1;
    this.checker.violated(hw, tags.rules.LEFT_OVER_TABLE, number, space.index, owner);
  }

  private read(pa: number): number {
    return Atomics.load(this.machine.state.memory, pa >>> 2);
  }

  private write(pa: number, word: number): void {
    const { state } = this.machine;
    state.touched?.mark(pa >>> state.lineShift);
    Atomics.store(state.memory, pa >>> 2, word);
  }
}

function pageOf(pa: number): number {
  return ((pa >>> 0) & ~(PAGE_BYTES - 1)) >>> 0;
}
