/** Reference counts of frames, each a word on a line of its own: whoever takes the last one away frees it. */
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { Kernel } from './kernel.ts';

/** A frame that several mappings share. */
export interface CountedFrame {
  readonly frame: number;
  /** Physical address of its reference count. */
  readonly countPa: number;
}

export function* getPage(cpu: Cpu, kernel: Kernel, { countPa }: CountedFrame): Steps {
  yield* cpu.modifyPhysical(countPa, (count) => count + 1, kernel.uncached);
}

/** Drops a reference; with the last one the frame goes back to the allocator. */
export function* putPage(cpu: Cpu, kernel: Kernel, { frame, countPa }: CountedFrame): Steps {
  const count = yield* cpu.modifyPhysical(countPa, (old) => (old - 1) >>> 0, kernel.uncached);
  if (count === 1) yield* kernel.frames.free(cpu, frame);
}

export function pageCount(cpu: Cpu, kernel: Kernel, { countPa }: CountedFrame): Steps<number> {
  return cpu.loadPhysical(countPa, 4, kernel.uncached);
}
