/**
 * Frames by colour: a page gets a frame whose low frame-number bits equal those of the page, as kernels do
 * for large or virtually indexed caches (page colouring; Kessler and Hill, ACM TOCS 1992). A cache whose
 * ways span several pages is then indexed alike by virtual and by physical addresses.
 *
 * A stack of free frames per colour in simulated memory, under one lock.
 */
import type { Checker } from '../checker/checker.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../machine/platform.ts';
import type { BootMemory } from './boot-memory.ts';
import { type SpinLock, spinLock, spinUnlock } from './spin-lock.ts';

export interface ColouredFramesLayout {
  readonly lock: SpinLock;
  /** A power of two. */
  readonly colours: number;
  /** Per colour: the word that counts its free frames, followed by their numbers. */
  readonly stackPa: readonly number[];
}

/** Lays the allocator out over the rest of memory. Everything else must have been handed out before. */
export function layColouredFrames(boot: BootMemory, lock: SpinLock, colours: number): ColouredFramesLayout {
  const { machine } = boot;
  const frames = machine.platform.memoryBytes >> PAGE_SHIFT;
  const perColour = Math.ceil(frames / colours);
  const stackPa = Array.from({ length: colours }, () =>
    boot.bytes((1 + perColour) * 4, machine.platform.lineBytes),
  );
  const counts = new Int32Array(colours);
  const first = boot.firstFreePage >> PAGE_SHIFT;
  // The lowest frames on top, so that they are used first.
  for (let frame = frames - 1; frame >= first; frame--) {
    const colour = frame & (colours - 1);
    machine.poke(stackPa[colour] + ++counts[colour] * 4, frame);
  }
  for (let colour = 0; colour < colours; colour++) machine.poke(stackPa[colour], counts[colour]);
  return { lock, colours, stackPa };
}

export class ColouredFrames {
  private readonly layout: ColouredFramesLayout;
  private readonly checker: Checker | null;
  private readonly uncached: boolean;

  constructor(layout: ColouredFramesLayout, checker: Checker | null, uncached: boolean) {
    this.layout = layout;
    this.checker = checker;
    this.uncached = uncached;
  }

  /** Physical address of a frame of a page's colour. @throws Error naming the remedy when there is none */
  *allocate(cpu: Cpu, page: number): Steps<number> {
    const { lock, stackPa, colours } = this.layout;
    const stack = stackPa[page & (colours - 1)];
    yield* spinLock(cpu, lock, this.uncached);
    const count = yield* cpu.loadPhysical(stack, 4, this.uncached);
    if (count === 0) {
      throw new Error(
        `out of frames of colour ${page & (colours - 1)} of ${colours}: physical memory must be larger`,
      );
    }
    const frame = yield* cpu.loadPhysical(stack + count * 4, 4, this.uncached);
    yield* cpu.storePhysical(stack, count - 1, 4, this.uncached);
    yield* spinUnlock(cpu, lock, this.uncached);
    return frame * PAGE_BYTES;
  }

  /** Gives a frame back. From here on nothing may reach it by an older translation. */
  *free(cpu: Cpu, pa: number): Steps {
    const { lock, stackPa, colours } = this.layout;
    const frame = pa >>> PAGE_SHIFT;
    const stack = stackPa[frame & (colours - 1)];
    this.checker?.frameFreed(frame);
    yield* spinLock(cpu, lock, this.uncached);
    const count = yield* cpu.loadPhysical(stack, 4, this.uncached);
    yield* cpu.storePhysical(stack + (count + 1) * 4, frame, 4, this.uncached);
    yield* cpu.storePhysical(stack, count + 1, 4, this.uncached);
    yield* spinUnlock(cpu, lock, this.uncached);
  }
}
