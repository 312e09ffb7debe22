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
  /** What to say when there is none left: "out of frames", and the remedy. */
  readonly exhausted: string;
}

/** Lays the allocator out over the rest of memory. Everything else must have been handed out before. */
export function layFrames(boot: BootMemory, lock: SpinLock): FramesLayout {
  const countPa = boot.line();
  // Room for every frame there is: those of pages that were mapped at boot come back as well.
  const most = boot.machine.platform.memoryBytes >> PAGE_SHIFT;
  const stackPa = boot.bytes(most * 4, 4);
  const exhausted = 'out of frames: the scenario needs a platform with more memoryBytes';
  const layout = { lock, countPa, stackPa, exhausted };
  fillStacks(boot, [layout]);
  return layout;
}

/**
 * Deals what is left of memory out, each frame to the stack that its number says, modulo how many there are.
 * The lowest frames are on top, so that they are used first.
 */
export function fillStacks({ machine, firstFreePage }: BootMemory, stacks: readonly FramesLayout[]): void {
  const counts = new Int32Array(stacks.length);
  const first = firstFreePage >> PAGE_SHIFT;
  for (let frame = (machine.platform.memoryBytes >> PAGE_SHIFT) - 1; frame >= first; frame--) {
    const stack = frame % stacks.length;
    machine.poke(stacks[stack].stackPa + counts[stack]++ * 4, frame);
  }
  for (const [stack, { countPa }] of stacks.entries()) machine.poke(countPa, counts[stack]);
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

  /** Physical address of a frame taken. @throws Error when there is none: what runs asks for too much */
  *allocate(cpu: Cpu): Steps<number> {
    const { lock, countPa, stackPa, exhausted } = this.layout;
    yield* spinLock(cpu, lock, this.uncached);
    const count = yield* cpu.loadPhysical(countPa, 4, this.uncached);
    if (count === 0) throw new Error(exhausted);
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
