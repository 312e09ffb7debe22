/**
 * Address spaces whose ASID an allocator hands out as they run. `asid` of the plain space is not theirs: which
 * number is, stands in the allocator's words.
 */
import { frameAddress, PTE } from '../../machine/attributes.ts';
import type { Machine } from '../../machine/machine.ts';
import { PAGE_BYTES } from '../../machine/platform.ts';
import type { AddressSpace } from '../address-space.ts';
import type { BootMemory } from '../boot-memory.ts';
import { layTables } from '../page-table.ts';

export interface TaggedSpace extends AddressSpace {
  /** Position among the spaces, from 0. */
  readonly index: number;
  /** Line for the words of an allocator that gives a space one number for all CPUs. */
  readonly contextPa: number;
  /** By CPU, the line for the words of one that gives it a number for each CPU. */
  readonly cpuContextPa: readonly number[];
  /** Physical addresses of the pages that its tables are in; complete once `noteTables` has been called. */
  readonly tables: readonly number[];
}

/** A page of a space that was mapped at boot, in a frame of its own. */
export interface TaggedPage {
  readonly va: number;
  readonly frame: number;
  readonly ptePa: number;
}

/** @param perCpu lines for a number on each CPU are wanted */
export function layTaggedSpaces(
  boot: BootMemory,
  spaces: readonly AddressSpace[],
  perCpu: boolean,
): TaggedSpace[] {
  const cpus = boot.machine.state.processors;
  return spaces.map((space, index) => ({
    ...space,
    asid: 0,
    index,
    contextPa: boot.line(),
    cpuContextPa: perCpu ? cpus.map(() => boot.line()) : [],
    tables: [],
  }));
}

/**
 * Maps one page to a frame whose every word is the space's index + 1: whoever loads from it learns whose it is.
 * @param permissions PTE bits
 */
export function bootOwnPage(
  boot: BootMemory,
  space: TaggedSpace,
  va: number,
  permissions: number,
): TaggedPage {
  const { machine } = boot;
  layTables(boot, space.root, va, 1);
  const { translation } = machine;
  let table = space.root;
  for (let level = 0; level < translation.depth; level++) {
    table = frameAddress(machine.peek(translation.entryAddress(table, level, va)));
  }
  const ptePa = translation.entryAddress(table, translation.depth, va);
  const frame = boot.pages(1);
  machine.poke(ptePa, (frame | permissions) >>> 0);
  for (let at = frame; at < frame + PAGE_BYTES; at += 4) machine.poke(at, space.index + 1);
  return { va, frame, ptePa };
}

/** A root table that maps nothing. */
export function layReservedRoot(boot: BootMemory): number {
  const { levels, entryBytes } = boot.machine.platform.mmu;
  return boot.pages(Math.max(1, ((1 << levels[0].bits) * entryBytes) / PAGE_BYTES));
}

/** Notes which pages the tables of a space are in, once they have been laid out. */
export function noteTables(machine: Machine, space: TaggedSpace): TaggedSpace {
  const tables: number[] = [];
  const { levels, entryBytes } = machine.platform.mmu;
  const visit = (table: number, level: number) => {
    const bytes = (1 << levels[level].bits) * entryBytes;
    for (let page = table; page < table + bytes; page += PAGE_BYTES) tables.push(page);
    if (level === machine.translation.depth) return;
    for (let at = table; at < table + bytes; at += entryBytes) {
      const entry = machine.peek(at);
      if ((entry & PTE.VALID) !== 0 && (entry & PTE.TABLE) !== 0) visit(frameAddress(entry), level + 1);
    }
  };
  visit(space.root, 0);
  return { ...space, tables };
}
