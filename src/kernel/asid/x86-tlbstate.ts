/** The words of the x86 allocator (see x86-pcid.ts): struct tlb_state of Linux/x86, arch/x86/include/asm/tlbflush.h. */
import type { Machine } from '../../machine/machine.ts';
import type { BootMemory } from '../boot-memory.ts';
import type { BootAsids } from './allocator.ts';
import type { TaggedSpace } from './tagged-space.ts';

/** Words of a CPU's cpu_tlbstate, in bytes from its line. */
export const STATE = {
  /** Index + 1 of the space; 0: init_mm, which maps nothing of a user's. */
  LOADED_MM: 0,
  /** Number that it is loaded with. */
  LOADED_NUMBER: 4,
  /** Slots that have been given away. */
  NEXT: 8,
  IS_LAZY: 12,
} as const;
/** LOADED_MM_SWITCHING. */
export const SWITCHING = 0xffff;

export interface X86PcidWords {
  /** By CPU: STATE. */
  readonly statePa: readonly number[];
  /** By CPU: for each number from 1 on ctx_id (index + 1 of the space, 0: none) and tlb_gen. */
  readonly slotsPa: readonly number[];
}

export function laySlots(boot: BootMemory, asids: number): X86PcidWords {
  const { lineBytes } = boot.machine.platform;
  const cpus = boot.machine.state.processors;
  return {
    statePa: cpus.map(() => boot.line()),
    slotsPa: cpus.map(() => boot.bytes((asids + 1) * 8, lineBytes)),
  };
}

/** The first numbers are those of the spaces that have one, on every CPU, and nothing has been flushed. */
export function bootSlots(
  machine: Machine,
  { statePa, slotsPa }: X86PcidWords,
  spaces: readonly TaggedSpace[],
  _asids: number,
  { numbers, running }: BootAsids,
): void {
  for (const { contextPa } of spaces) machine.poke(contextPa, 1);
  for (const [cpu, slots] of slotsPa.entries()) {
    for (const [space, number] of numbers.entries()) {
      if (number === 0) continue;
      machine.poke(slots + number * 8, space + 1);
      machine.poke(slots + number * 8 + 4, 1);
    }
    machine.poke(statePa[cpu] + STATE.NEXT, Math.max(0, ...numbers));
  }
  for (const [cpu, space] of running.entries()) {
    machine.poke(statePa[cpu] + STATE.LOADED_MM, space + 1);
    machine.poke(statePa[cpu] + STATE.LOADED_NUMBER, numbers[space]);
  }
}
