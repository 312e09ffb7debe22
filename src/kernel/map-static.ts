/**
 * Mappings that the kernel makes for itself where nothing was mapped, as create_mapping does in Linux
 * arch/arm/mm/mmu.c: a section by one entry of the level above the last, a page by one of the last level. No lock
 * is taken, and no TLB is flushed, for TLBs keep no entry that is not valid; the walker must see the entry, though.
 *
 * In that file __map_init_section has flush_pmd_entry after the entries that it writes; create_36bit_mapping, which
 * writes sixteen of them for a supersection, has not.
 */
import { PTE } from '../machine/attributes.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { AddressSpace } from './address-space.ts';
import type { BootMemory } from './boot-memory.ts';
import { bootEntryOf } from './boot-process.ts';
import type { FlushArchitecture } from './flush/architecture.ts';
import { layTables } from './page-table.ts';
import { bootTableOf } from './table-free.ts';

/** What the kernel does after it has stored an entry. */
export const MAP_STATIC_SITES = {
  'map.section-clean':
    'the clean of the line of a section’s entry (flush_pmd_entry): it is where the walker reads',
  'map.page-clean': 'the clean of the line of a page’s entry (set_pte_ext): it is where the walker reads',
  'map.barrier': 'the barrier after that: the store of the entry, or its clean, is complete',
} as const;

type Site = keyof typeof MAP_STATIC_SITES;

/** An address without a mapping, and what to map there. */
export interface StaticMapping {
  readonly va: number;
  /** Physical address of the entry, which is not valid yet. */
  readonly ptePa: number;
  readonly entry: number;
}

/** Writes an entry where there was none. When it returns the address can be used. */
export function* mapStatic(
  cpu: Cpu,
  flushes: FlushArchitecture,
  { ptePa, entry, va }: StaticMapping,
  clean: Site,
): Steps {
  const { tables } = flushes.kernel;
  const old = yield* tables.read(cpu, ptePa);
  if ((old & PTE.VALID) !== 0) throw new Error(`0x${va.toString(16)} is mapped already`);
  yield* tables.store(cpu, ptePa, entry);
  if (flushes.runs(clean)) yield* tables.clean(cpu, ptePa);
  if (flushes.runs('map.barrier')) yield* cpu.dsb();
  flushes.checker?.contract(cpu, ptePa);
}

/**
 * Takes a section out of the tables of a space at boot, to be mapped later: the lowest block of memory, or, where
 * only pages map memory, a table in which one page is mapped.
 * @param va in the section: it will have the memory at `frame`, which must be in the lowest block
 * @param permissions PTE bits
 */
export function layUnmappedSection(
  boot: BootMemory,
  space: AddressSpace,
  va: number,
  frame: number,
  permissions: number,
): StaticMapping {
  const { machine } = boot;
  const { translation, platform } = machine;
  layTables(boot, space.root, va, 1);
  machine.poke(bootEntryOf(machine, space, va), (frame | permissions) >>> 0);
  const ptePa = bootEntryOf(machine, space, va, translation.depth - 1);
  const table = (bootTableOf(machine, space, va) | PTE.VALID | PTE.TABLE) >>> 0;
  machine.poke(ptePa, 0);
  const mapsMemory = platform.mmu.levels[translation.depth - 1].leaf;
  return { va, ptePa, entry: mapsMemory ? permissions >>> 0 : table };
}

/** The tables for a page that is to be mapped later. @param permissions PTE bits */
export function layUnmappedPage(
  boot: BootMemory,
  space: AddressSpace,
  va: number,
  frame: number,
  permissions: number,
): StaticMapping {
  layTables(boot, space.root, va, 1);
  return { va, ptePa: bootEntryOf(boot.machine, space, va), entry: (frame | permissions) >>> 0 };
}
