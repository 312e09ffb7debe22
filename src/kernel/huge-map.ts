/**
 * Blocks: entries above the last level that map memory themselves. Putting one where a table was, or a table
 * where one was, changes the size of the pages in between, and until the old entries have left the TLBs a
 * lookup may find both. Either the old mapping is broken and flushed before the new one is made
 * (break-before-make; Arm ARM, "Using break-before-make when updating translation table entries"), or, where
 * two equal translations do no harm, they are kept equal until the flush.
 */
import { PTE } from '../machine/attributes.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import { PAGE_BYTES } from '../machine/platform.ts';
import type { AddressSpace } from './address-space.ts';
import type { BootMemory } from './boot-memory.ts';
import { bootEntryOf } from './boot-process.ts';
import type { Mm, PageEntry } from './mm.ts';
import { layTables } from './page-table.ts';
import { bootTableOf } from './table-free.ts';

/**
 * Maps `pages` fresh frames into the linear mapping at boot, page by page.
 * @param base virtual address of physical address 0, a multiple of a block
 * @param permissions PTE bits
 */
export function bootLinearPages(
  boot: BootMemory,
  space: AddressSpace,
  base: number,
  pages: number,
  permissions: number,
): PageEntry[] {
  const { machine } = boot;
  const frames = boot.pages(pages);
  layTables(boot, space.root, base + frames, pages);
  return Array.from({ length: pages }, (_, i) => {
    const frame = frames + i * PAGE_BYTES;
    const va = base + frame;
    const table = bootTableOf(machine, space, va);
    const ptePa = machine.translation.entryAddress(table, machine.translation.depth, va);
    machine.poke(ptePa, (frame | permissions) >>> 0);
    return { va, ptePa };
  });
}

export interface BootBlock {
  /** Physical address of the block's entry. */
  readonly entryPa: number;
  /** Physical address of a table that is not linked, with entries that map the same memory alike. */
  readonly table: number;
}

/** Maps the lowest block of memory at `base` at boot; arguments as `bootLinearPages`. */
export function bootLinearBlock(
  boot: BootMemory,
  space: AddressSpace,
  base: number,
  permissions: number,
): BootBlock {
  const { machine } = boot;
  const { translation } = machine;
  layTables(boot, space.root, base, 1);
  const table = bootTableOf(machine, space, base);
  const entryPa = bootEntryOf(machine, space, base, translation.depth - 1);
  machine.poke(entryPa, permissions);
  for (let page = 0; page < 1 << translation.sizeOf(translation.depth - 1); page++) {
    const va = base + page * PAGE_BYTES;
    const frame = page * PAGE_BYTES;
    machine.poke(translation.entryAddress(table, translation.depth, va), (frame | permissions) >>> 0);
  }
  return { entryPa, table };
}

/**
 * Maps a block where a table is, as a huge vmap does.
 * @param used the pages of the block that are in use: others cannot be in any TLB
 * @param block the new entry
 */
export function* mapBlock(
  cpu: Cpu,
  { kernel, space, checker }: Mm,
  used: { readonly va: number; readonly pages: number },
  block: number,
  breakBeforeMake: boolean,
): Steps {
  const { tables, machine, flush } = kernel;
  const at = yield* tables.find(cpu, space.root, used.va, machine.translation.depth - 1);
  if (breakBeforeMake) {
    yield* tables.write(cpu, at, 0);
    yield* flush.range(cpu, space, used.va, used.pages);
    yield* tables.write(cpu, at, block);
    yield* cpu.dsb();
  } else {
    yield* tables.write(cpu, at, block);
    yield* flush.range(cpu, space, used.va, used.pages);
  }
  checker?.contract(cpu, at);
}

/**
 * Changes the permissions of one page in a block, which is split for it.
 * @param table entries that map the memory of the block like the block does
 * @param remove PTE bits that the page loses
 * @param flushBetween flush after the split, before the page begins to differ from the block
 */
export function* changeInBlock(
  cpu: Cpu,
  { kernel, space, checker }: Mm,
  va: number,
  table: number,
  remove: number,
  flushBetween: boolean,
): Steps {
  const { tables, machine, flush } = kernel;
  const { translation } = machine;
  const at = yield* tables.find(cpu, space.root, va, translation.depth - 1);
  yield* tables.write(cpu, at, (table | PTE.VALID | PTE.TABLE) >>> 0);
  if (flushBetween) {
    yield* flush.all(cpu);
    checker?.contract(cpu, at);
  }
  const ptePa = translation.entryAddress(table, translation.depth, va);
  // Atomic: the walker may be setting the dirty bit.
  yield* tables.exchange(cpu, ptePa, (pte) => (pte & ~remove) >>> 0);
  yield* flush.page(cpu, space, va);
  checker?.contract(cpu, at);
  checker?.contract(cpu, ptePa);
}
