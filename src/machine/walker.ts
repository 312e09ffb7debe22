/**
 * The hardware table walker of a CPU: one step per level, the update of accessed and dirty bits, then the
 * fill. A TLB invalidate that arrives meanwhile cancels it and it starts again.
 */
import { frameAddress, PTE } from './attributes.ts';
import type { CpuState } from './cpu-state.ts';
import type { Machine } from './machine.ts';
import type { FaultKind } from './translation.ts';
import type { WalkResult } from './walk-steps.ts';

/** @returns why the access faults, or undefined when the TLB has been filled */
export function* pageWalk(
  machine: Machine,
  hw: CpuState,
  va: number,
  write: boolean,
  fetch: boolean,
): Generator<number, FaultKind | undefined, void> {
  const { translation } = machine;
  for (;;) {
    yield 0;
    let { level, table } = translation.beginWalkStep(hw, va);
    let found: WalkResult;
    for (;;) {
      yield 0;
      found = translation.readEntryStep(hw, va, translation.entryAddress(table, level, va));
      const isTable = (found.pte & PTE.TABLE) !== 0 && level < translation.depth;
      if ((found.pte & PTE.VALID) === 0 || !isTable) break;
      table = frameAddress(found.pte);
      level++;
      translation.noteTable(hw, va, level, table);
    }
    // What a cancelled walk reads from then on may be no table any more.
    if (translation.isCancelled(hw)) continue;
    const fault = leafFault(machine, found, level);
    if (fault) {
      translation.endWalk(hw);
      return fault;
    }
    const bits = missingBits(machine, found.pte, write);
    if (bits !== 0) {
      yield 0;
      const before = found.pte;
      found = translation.setBitsStep(hw, found, bits);
      // Somebody changed the entry between the read and the update: the walk is void.
      if ((found.pte | 0) !== (before | bits | 0)) continue;
    }
    yield 0;
    if (translation.fillStep(hw, va, level, found, fetch)) return undefined;
  }
}

/** `pageWalk`, all of it in one step of whoever calls it. */
export function walkAtOnce(machine: Machine, hw: CpuState, va: number, write: boolean, fetch: boolean) {
  const walk = pageWalk(machine, hw, va, write, fetch);
  let step = walk.next();
  while (step.done !== true) step = walk.next();
  return step.value;
}

function leafFault(machine: Machine, found: WalkResult, level: number): FaultKind | undefined {
  const { translation, platform } = machine;
  if ((found.pte & PTE.VALID) === 0) return 'translation';
  if (!translation.frameExists(found.pte, translation.sizeOf(level))) return 'bus';
  const accessed = (found.pte & PTE.ACCESSED) !== 0;
  if (platform.mmu.accessedDirty === 'software' && !accessed) return 'access-flag';
  return undefined;
}

/** Accessed and dirty bits that the walker itself must set for this access. */
function missingBits(machine: Machine, pte: number, write: boolean): number {
  if (machine.platform.mmu.accessedDirty !== 'hardware') return 0;
  const want = PTE.ACCESSED | (write && (pte & PTE.WRITE) !== 0 ? PTE.DIRTY : 0);
  return want & ~pte;
}
