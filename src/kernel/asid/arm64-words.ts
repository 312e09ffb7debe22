/** Words in memory of the arm64 allocator. */
import type { Machine } from '../../machine/machine.ts';
import type { BootMemory } from '../boot-memory.ts';
import type { SpinLock } from '../spin-lock.ts';
import type { BootAsids } from './allocator.ts';
import { bootGenerations, type GenerationWords, layGenerations } from './generation-words.ts';
import type { TaggedSpace } from './tagged-space.ts';

export interface Arm64Words extends GenerationWords {
  /** Mask of CPUs that must flush, two words. */
  readonly pendingPa: number;
}

/** @param asids usable numbers */
export function layArm64Words(boot: BootMemory, lock: (name: string) => SpinLock, asids: number): Arm64Words {
  return { ...layGenerations(boot, () => lock('ASID'), asids), pendingPa: boot.line() };
}

/** The state that a run begins in. */
export function bootArm64Numbers(
  machine: Machine,
  words: Arm64Words,
  spaces: readonly TaggedSpace[],
  _asids: number,
  at: BootAsids,
): void {
  const contextPa = spaces.map((space) => space.contextPa);
  const numbers = spaces.map(({ index }) => at.numbers[index]);
  bootGenerations(machine, words, { contextPa, numbers, running: at.running });
}
