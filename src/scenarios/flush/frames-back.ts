/** What becomes of frames whose mapping has gone: written out, freed, and the kernel's next buffers. */
import type { FlushArchitecture } from '../../kernel/flush/architecture.ts';
import { fillFrame } from '../../kernel/map-filled.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';

/**
 * Reads frames through the kernel's linear mapping, frees them, and takes as many for buffers, which are the same
 * ones: those that are freed last are handed out first.
 * @param offsets bytes from the beginning of a frame to the words that are in use
 * @returns physical addresses of the buffers, filled with `value`
 */
export function* writeOutAndReuse(
  cpu: Cpu,
  { kernel: { frames: allocator } }: FlushArchitecture,
  frames: readonly number[],
  offsets: readonly number[],
  value: number,
): Steps<number[]> {
  yield* readBuffers(cpu, frames, offsets);
  for (const frame of frames) yield* allocator.free(cpu, frame);
  const buffers: number[] = [];
  for (const _ of frames) {
    const buffer = yield* allocator.allocate(cpu);
    yield* fillFrame(cpu, buffer, offsets, value);
    buffers.push(buffer);
  }
  yield* cpu.dsb();
  return buffers;
}

/** Reads buffers of the kernel's through its linear mapping. */
export function* readBuffers(cpu: Cpu, buffers: readonly number[], offsets: readonly number[]): Steps {
  for (const buffer of buffers) for (const offset of offsets) yield* cpu.loadPhysical(buffer + offset);
}
