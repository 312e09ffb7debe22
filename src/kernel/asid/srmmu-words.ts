/** The words of the SPARC allocator (see srmmu.ts), and how they are when the run begins. */
import type { Machine } from '../../machine/machine.ts';
import type { BootMemory } from '../boot-memory.ts';
import type { SpinLock } from '../spin-lock.ts';
import type { BootAsids } from './allocator.ts';
import { bootContextLists, CONTEXT } from './context-lists.ts';
import type { TaggedSpace } from './tagged-space.ts';

/** mm->context of a space that has none. */
export const NO_CONTEXT = 0;

export interface SrmmuWords {
  readonly lock: SpinLock;
  /** srmmu_context_table: where the tables of each context are. */
  readonly tablePa: number;
  /** ctx_list_pool: see CONTEXT. */
  readonly poolPa: number;
  /** How many contexts have been taken from their spaces. */
  readonly takenPa: number;
  /** By CPU: index + 1 of the space that it runs or is going to run. */
  readonly currentPa: readonly number[];
}

export function laySrmmu(boot: BootMemory, lock: SpinLock, asids: number): SrmmuWords {
  const { lineBytes } = boot.machine.platform;
  return {
    lock,
    tablePa: boot.bytes((asids + 1) * 4, lineBytes),
    poolPa: boot.bytes((asids + 2) * CONTEXT.BYTES, lineBytes),
    takenPa: boot.line(),
    currentPa: boot.machine.state.processors.map(() => boot.line()),
  };
}

export function bootContexts(
  machine: Machine,
  { tablePa, poolPa, currentPa }: SrmmuWords,
  spaces: readonly TaggedSpace[],
  asids: number,
  { numbers, running }: BootAsids,
): void {
  const owners = Array.from({ length: asids }, (_, i) => numbers.indexOf(i + 1) + 1);
  bootContextLists(machine, poolPa, owners);
  for (const { index, contextPa, root } of spaces) {
    machine.poke(contextPa, numbers[index]);
    if (numbers[index] !== NO_CONTEXT) machine.poke(tablePa + numbers[index] * 4, root);
  }
  for (const [cpu, space] of running.entries()) machine.poke(currentPa[cpu], space + 1);
}
