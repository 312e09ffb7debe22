/**
 * User threads that have been running when a race begins: their TLBs are warm. There is no paging: what is
 * mapped was mapped at boot, and an access that faults is the end of that access.
 */
import { type Cpu, SegmentationFault, STEP, type Steps, type Vectors } from '../machine/cpu.ts';
import type { Machine } from '../machine/machine.ts';
import { MISS } from '../machine/translation.ts';
import { pageWalk } from '../machine/walker.ts';
import type { AddressSpace } from './address-space.ts';
import { bootAllInto } from './boot-process.ts';
import type { Kernel } from './kernel.ts';
import type { PageEntry } from './mm.ts';

/** Leaves a page's translation in a CPU's TLBs, as a use before the race did. Call after `bootInto`. */
export function bootTouched(machine: Machine, cpu: number, { va, ptePa }: PageEntry): void {
  const found = { pte: machine.peek(ptePa) | 0, ptePa, pteVersion: 0 };
  machine.translation.fill(machine.state.cpus[cpu], va, 0, found, false);
}

/** Puts every CPU into a space, of which all but CPU 0 have used a page. */
export function bootUsers(machine: Machine, space: AddressSpace, page: PageEntry): void {
  bootAllInto(machine, space);
  for (const { index } of machine.state.cpus.slice(1)) bootTouched(machine, index, page);
}

/** The kernel's entry points, with a page-fault handler that repairs nothing. */
export function withoutPaging(kernel: Kernel): Vectors {
  return {
    *fault() {
      return false;
    },
    interrupt: (cpu, vector) => kernel.interrupt(cpu as Cpu, vector),
    refill: (cpu, fault) => kernel.refill(cpu as Cpu, fault),
  };
}

/** Loads a word `times` times, whether or not its page is still there. */
export function* loadRepeatedly(cpu: Cpu, va: number, times: number): Steps {
  for (let i = 0; i < times; i++) yield* unlessFaulting(cpu.load(va));
}

/** Stores 1, 2 .. `times` to a word, whether or not its page is still there and writable. */
export function* storeRepeatedly(cpu: Cpu, va: number, times: number): Steps {
  for (let i = 1; i <= times; i++) yield* unlessFaulting(cpu.store(va, i));
}

/**
 * An access that comes after the page has gone faults: that is what a correct kernel makes of it.
 * @returns true if it did not
 */
export function* unlessFaulting(access: Steps<number>): Steps<boolean> {
  try {
    yield* access;
    return true;
  } catch (error) {
    if (!(error instanceof SegmentationFault)) throw error;
    return false;
  }
}

/**
 * A table walk that the CPU begins on its own, at a point that the program fixes so that schedulers can
 * place it. Whatever it finds, the program does not notice; on a platform with software refill there is none.
 */
export function* speculate(cpu: Cpu, va: number): Steps {
  const { machine, hw } = cpu;
  if (machine.platform.mmu.refill === 'hardware') yield* pageWalk(machine, hw, va, false, false);
}

/**
 * A load on a path that is not taken, as far as its translation goes: it looks the TLB up like any other, and walks
 * only if nothing matches.
 */
export function* speculativeLoad(cpu: Cpu, va: number): Steps {
  const { machine, hw } = cpu;
  yield STEP;
  machine.state.lockCpu(hw);
  const pa = machine.translation.lookup(hw, va, false, false, false);
  machine.state.unlockCpu(hw);
  if (pa === MISS) yield* speculate(cpu, va);
}
