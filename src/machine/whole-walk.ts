/** A speculative table walk: all of it in one step, and nobody learns of what it finds but the TLBs. */
import { frameAddress, PTE } from './attributes.ts';
import type { CpuState } from './cpu-state.ts';
import type { GuestWalk } from './guest-walk.ts';
import { CTL, TIME } from './registers.ts';
import type { MachineState } from './state.ts';
import type { Translation } from './translation.ts';

/**
 * Walks with the table base and ASID that are in the registers now; takes no time of the CPU. No walk of the
 * program may be under way: a second one would need registers of its own. The CPU's lock is not held.
 */
export function walkWhole(
  m: MachineState,
  translation: Translation,
  guests: GuestWalk | null,
  cpu: CpuState,
  va: number,
  fetch: boolean,
): void {
  const clock = cpu.clock;
  if (guests && cpu.ctl[CTL.GUEST] === 1) {
    guests.speculate(cpu, va, fetch);
    cpu.time[TIME.CLOCK] = clock;
    return;
  }
  let { level, table } = translation.beginWalkStep(cpu, va);
  for (;;) {
    const found = translation.readEntryStep(cpu, va, translation.entryAddress(table, level, va));
    if ((found.pte & PTE.VALID) === 0) break;
    if ((found.pte & PTE.TABLE) !== 0 && level < translation.depth) {
      table = frameAddress(found.pte);
      level++;
      translation.noteTable(cpu, va, level, table);
      continue;
    }
    const usable = m.platform.mmu.accessedDirty === 'ignored' || (found.pte & PTE.ACCESSED) !== 0;
    if (usable && translation.frameExists(found.pte, translation.sizeOf(level))) {
      translation.fillStep(cpu, va, level, found, fetch);
    }
    break;
  }
  translation.endWalk(cpu);
  cpu.time[TIME.CLOCK] = clock;
}
