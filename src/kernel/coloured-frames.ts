/**
 * Frames by colour: a page gets a frame whose low frame-number bits equal those of the page, as kernels do
 * for large or virtually indexed caches (page colouring; Kessler and Hill, ACM TOCS 1992). A cache whose
 * ways span several pages is then indexed alike by virtual and by physical addresses.
 *
 * An allocator per colour, all under one lock.
 */
import type { Checker } from '../checker/checker.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import { PAGE_SHIFT } from '../machine/platform.ts';
import type { BootMemory } from './boot-memory.ts';
import { Frames, type FramesLayout, fillStacks } from './frames.ts';
import type { SpinLock } from './spin-lock.ts';

/** One a colour; a power of two of them. */
export type ColouredFramesLayout = readonly FramesLayout[];

/** Lays the allocators out over the rest of memory. Everything else must have been handed out before. */
export function layColouredFrames(boot: BootMemory, lock: SpinLock, colours: number): ColouredFramesLayout {
  const { memoryBytes, lineBytes } = boot.machine.platform;
  const perColour = Math.ceil((memoryBytes >> PAGE_SHIFT) / colours);
  const layout = Array.from({ length: colours }, (_, colour) => {
    // The numbers follow the word that counts them.
    const countPa = boot.bytes((1 + perColour) * 4, lineBytes);
    const exhausted = `out of frames of colour ${colour} of ${colours}: physical memory must be larger`;
    return { lock, countPa, stackPa: countPa + 4, exhausted };
  });
  fillStacks(boot, layout);
  return layout;
}

export class ColouredFrames {
  private readonly colours: readonly Frames[];

  constructor(layout: ColouredFramesLayout, checker: Checker | null, uncached: boolean) {
    this.colours = layout.map((one) => new Frames(one, checker, uncached));
  }

  /** Physical address of a frame of a page's colour. @throws Error naming the remedy when there is none */
  allocate(cpu: Cpu, page: number): Steps<number> {
    return this.of(page).allocate(cpu);
  }

  /** Gives a frame back. From here on nothing may reach it by an older translation. */
  free(cpu: Cpu, pa: number): Steps {
    return this.of(pa >>> PAGE_SHIFT).free(cpu, pa);
  }

  private of(page: number): Frames {
    return this.colours[page & (this.colours.length - 1)];
  }
}
