/**
 * The page tables of a guest, in its own memory and in the format of the machine, with guest-physical addresses in
 * their entries. No hardware walks them: the hypervisor reads them to build shadow entries.
 */
import { frameAddress, PTE } from '../../machine/attributes.ts';
import type { Machine } from '../../machine/machine.ts';
import { PAGE_BYTES } from '../../machine/platform.ts';
import type { GuestRam } from './guest-ram.ts';

export interface GuestTables {
  /** Guest-physical address of the root table: the guest's TTBR. */
  readonly rootGpa: number;
  /** First guest-physical address that no table has. */
  readonly freeGpa: number;
}

/** Builds the upper levels for `pages` pages from the guest's address `va` at boot, from guest-physical 0 on. */
export function layGuestTables(machine: Machine, ram: GuestRam, va: number, pages: number): GuestTables {
  const { translation, platform } = machine;
  const { levels, entryBytes } = platform.mmu;
  const rootGpa = 0;
  let freeGpa = Math.max(PAGE_BYTES, (1 << levels[0].bits) * entryBytes);
  for (let page = 0; page < pages; page++) {
    let table = rootGpa;
    for (let level = 0; level < translation.depth; level++) {
      const at = ram.frame + translation.entryAddress(table, level, va + page * PAGE_BYTES);
      let entry = machine.peek(at);
      if ((entry & PTE.VALID) === 0) {
        entry = (freeGpa | PTE.VALID | PTE.TABLE) >>> 0;
        machine.poke(at, entry);
        freeGpa += PAGE_BYTES;
      }
      table = frameAddress(entry);
    }
  }
  return { rootGpa, freeGpa };
}

/** Guest-physical address of the last-level entry of `va`, whose tables must have been laid at boot. */
export function guestEntryOf(machine: Machine, ram: GuestRam, { rootGpa }: GuestTables, va: number): number {
  const { translation } = machine;
  let table = rootGpa;
  for (let level = 0; level < translation.depth; level++) {
    table = frameAddress(machine.peek(ram.frame + translation.entryAddress(table, level, va)));
  }
  return translation.entryAddress(table, translation.depth, va);
}
