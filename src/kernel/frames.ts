/**
 * The frame allocator: a stack of free frames in simulated memory under a spin lock. Last in, first out,
 * so a frame freed too early is in use again at once.
 */
import type { Checker } from '../checker/checker.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../machine/platform.ts';
import type { BootMemory } from './boot-memory.ts';
import { type SpinLock, spinLock, spinUnlock } from './spin-lock.ts';

export interface FramesLayout {
  readonly lock: SpinLock;
  /** Word that counts the free frames, and the array of their numbers. */
  readonly countPa: number;
  readonly stackPa: number;
}

/** Lays the allocator out over the rest of memory. Everything else must have been handed out before. */
export function layFrames(boot: BootMemory, lock: SpinLock): FramesLayout {
  const { machine } = boot;
  const countPa = boot.line();
  // Room for every frame there is: those of pages that were mapped at boot come back as well.
  const most = machine.platform.memoryBytes >> PAGE_SHIFT;
  const stackPa = boot.bytes(most * 4, 4);
  const first = boot.firstFreePage >> PAGE_SHIFT;
  const last = machine.platform.memoryBytes >> PAGE_SHIFT;
  for (let frame = first; frame < last; frame++) machine.poke(stackPa + (last - 1 - frame) * 4, frame);
  machine.poke(countPa, last - first);
  return { lock, countPa, stackPa };
}

export class Frames {
  private readonly layout: FramesLayout;
  private readonly checker: Checker | null;
  private readonly uncached: boolean;

  constructor(layout: FramesLayout, checker: Checker | null, uncached: boolean) {
    this.layout = layout;
    this.checker = checker;
    this.uncached = uncached;
  }

  /** Physical address of a frame taken. @throws Error when there is none: a scenario that asks for too much */
  *allocate(cpu: Cpu): Steps<number> {
    const { lock, countPa, stackPa } = this.layout;
    yield* spinLock(cpu, lock, this.uncached);
    const count = yield* cpu.loadPhysical(countPa, 4, this.uncached);
    if (count === 0) throw new Error('out of frames: the scenario needs a platform with more memoryBytes');
    const frame = yield* cpu.loadPhysical(stackPa + (count - 1) * 4, 4, this.uncached);
    yield* cpu.storePhysical(countPa, count - 1, 4, this.uncached);
    yield* spinUnlock(cpu, lock, this.uncached);
    return frame * PAGE_BYTES;
  }

  /** Gives a frame back. From here on nothing may reach it by an older translation. */
  *free(cpu: Cpu, pa: number): Steps {
    const { lock, countPa, stackPa } = this.layout;
    this.checker?.frameFreed(pa >>> PAGE_SHIFT);
    yield* spinLock(cpu, lock, this.uncached);
    const count = yield* cpu.loadPhysical(countPa, 4, this.uncached);
    yield* cpu.storePhysical(stackPa + count * 4, pa >>> PAGE_SHIFT, 4, this.uncached);
    yield* cpu.storePhysical(countPa, count + 1, 4, this.uncached);
    yield* spinUnlock(cpu, lock, this.uncached);
  }
}
