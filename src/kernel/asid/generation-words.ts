/** Words in memory of numbers with generations (see number-generations.ts). */
import type { Machine } from '../../machine/machine.ts';
import type { BootMemory } from '../boot-memory.ts';
import type { SpinLock } from '../spin-lock.ts';
import { FIRST_GENERATION } from './generation.ts';
import { bootTaken, layNumbers } from './number-map.ts';

export interface GenerationWords {
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
}

/** @param numbers usable ones: 1 to this */
export function layGenerations(boot: BootMemory, lock: () => SpinLock, numbers: number): GenerationWords {
  const cpus = boot.machine.state.processors;
  return {
    generationPa: boot.line(),
    lock: lock(),
    mapPa: layNumbers(boot, numbers),
    nextPa: boot.line(),
    activePa: cpus.map(() => boot.line()),
    reservedPa: cpus.map(() => boot.line()),
  };
}

/** Who has which number when the run begins, all of the first generation. */
export interface BootNumbers {
  /** By owner: address of the word with its number and generation. */
  readonly contextPa: readonly number[];
  /** By owner: number from 1 on, 0 if it has none yet. */
  readonly numbers: readonly number[];
  /** By CPU: index of the owner that it runs, -1 if it runs none. */
  readonly running: readonly number[];
}

export function bootGenerations(
  machine: Machine,
  words: GenerationWords,
  { contextPa, numbers, running }: BootNumbers,
): void {
  machine.poke(words.generationPa, FIRST_GENERATION);
  machine.poke(words.nextPa, 1);
  for (const [owner, pa] of contextPa.entries()) {
    const number = numbers[owner];
    if (number === 0) continue;
    machine.poke(pa, FIRST_GENERATION | number);
    bootTaken(machine, words.mapPa, number);
  }
  for (const [cpu, owner] of running.entries()) {
    machine.poke(words.activePa[cpu], FIRST_GENERATION | (owner < 0 ? 0 : numbers[owner]));
  }
}
