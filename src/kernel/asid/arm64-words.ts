/** Words in memory of the arm64 allocator. */
import type { Machine } from '../../machine/machine.ts';
import type { BootMemory } from '../boot-memory.ts';
import type { SpinLock } from '../spin-lock.ts';
import type { BootAsids } from './allocator.ts';
import { FIRST_GENERATION } from './generation.ts';
import { bootTaken, layNumbers } from './number-map.ts';
import type { TaggedSpace } from './tagged-space.ts';

export interface Arm64Words {
  readonly generationPa: number;
  readonly lock: SpinLock;
  /** Of the numbers that are taken. */
  readonly mapPa: number;
  /** Where the search for a free number goes on. */
  readonly nextPa: number;
  /** By CPU: number and generation in use, 0 since a rollover. */
  readonly activePa: readonly number[];
  /** By CPU: what it was using at the last rollover. */
  readonly reservedPa: readonly number[];
  /** Mask of CPUs that must flush, two words. */
  readonly pendingPa: number;
}

/** @param asids usable numbers */
export function layArm64Words(boot: BootMemory, lock: (name: string) => SpinLock, asids: number): Arm64Words {
  const cpus = boot.machine.state.processors;
  return {
    generationPa: boot.line(),
    lock: lock('ASID'),
    mapPa: layNumbers(boot, asids),
    nextPa: boot.line(),
    activePa: cpus.map(() => boot.line()),
    reservedPa: cpus.map(() => boot.line()),
    pendingPa: boot.line(),
  };
}

/** The state that a run begins in. */
export function bootArm64Numbers(
  machine: Machine,
  words: Arm64Words,
  spaces: readonly TaggedSpace[],
  _asids: number,
  { numbers, running }: BootAsids,
): void {
  machine.poke(words.generationPa, FIRST_GENERATION);
  machine.poke(words.nextPa, 1);
  for (const { index, contextPa } of spaces) {
    const number = numbers[index];
    if (number === 0) continue;
    machine.poke(contextPa, FIRST_GENERATION | number);
    bootTaken(machine, words.mapPa, number);
  }
  for (const [cpu, space] of running.entries()) {
    machine.poke(words.activePa[cpu], FIRST_GENERATION | numbers[space]);
  }
}
