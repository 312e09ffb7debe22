/**
 * Processes that exist before anything runs: pages mapped, tables written, CPUs already in their address
 * space. A race starts where it begins, and an exploration of its schedules is not spent on setting it up.
 */
import { frameAddress } from '../machine/attributes.ts';
import type { Machine } from '../machine/machine.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../machine/platform.ts';
import { CTL } from '../machine/registers.ts';
import type { AddressSpace } from './address-space.ts';
import type { BootMemory } from './boot-memory.ts';
import { layTables } from './page-table.ts';

/** What a page is mapped to at boot. */
export interface BootPage {
  readonly va: number;
  /** Physical address of its frame. */
  readonly frame: number;
  /** Physical address of its last-level table entry. */
  readonly ptePa: number;
}

/**
 * Maps `pages` pages from `va` to fresh frames and enters them as one area of the space.
 * @param permissions PTE bits
 */
export function bootMap(
  boot: BootMemory,
  space: AddressSpace,
  va: number,
  pages: number,
  permissions: number,
): BootPage[] {
  layTables(boot, space.root, va, pages);
  const { machine } = boot;
  bootArea(machine, space, va >>> PAGE_SHIFT, pages, permissions);
  return Array.from({ length: pages }, (_, i) => {
    const at = va + i * PAGE_BYTES;
    const frame = boot.pages(1);
    const ptePa = bootEntryOf(machine, space, at);
    machine.poke(ptePa, (frame | permissions) >>> 0);
    return { va: at, frame, ptePa };
  });
}

/** Physical address of the entry of `va` at a level, by default the last one; the levels above must be there. */
export function bootEntryOf(
  machine: Machine,
  space: Pick<AddressSpace, 'root'>,
  va: number,
  level = machine.translation.depth,
): number {
  const { translation } = machine;
  let table = space.root;
  for (let above = 0; above < level; above++) {
    table = frameAddress(machine.peek(translation.entryAddress(table, above, va)));
  }
  return translation.entryAddress(table, level, va);
}

function bootArea(
  machine: Machine,
  space: AddressSpace,
  startPage: number,
  pages: number,
  permissions: number,
): void {
  let at = space.areasPa;
  while (machine.peek(at + 4) !== 0) at += 12;
  machine.poke(at, startPage);
  machine.poke(at + 4, startPage + pages);
  machine.poke(at + 8, permissions);
}

/** Puts a CPU into a space, as if it had switched to it long ago. */
export function bootInto(machine: Machine, cpu: number, space: AddressSpace): void {
  const { ctl } = machine.state.cpus[cpu];
  ctl[CTL.ROOT] = space.root;
  ctl[CTL.ASID] = space.asid;
  ctl[CTL.MMU_ON] = 1;
  const mask = space.cpuMaskPa + (cpu >> 5) * 4;
  machine.poke(mask, (machine.peek(mask) | (1 << (cpu & 31))) >>> 0);
}

/** Puts every CPU into a space. */
export function bootAllInto(machine: Machine, space: AddressSpace): void {
  for (const { index } of machine.state.cpus) bootInto(machine, index, space);
}
