/**
 * All ASIDs have been given out, and one is given to another address space: whatever is found by it must go first
 * (flush_context and check_and_switch_context in Linux arch/arm/mm/context.c, which have no user's tables in use
 * meanwhile; alloc_context in arch/sparc/mm/srmmu.c, which steals a context).
 */
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { AddressSpace } from './address-space.ts';
import type { FlushArchitecture } from './flush/architecture.ts';

/** Places of this file that flush. */
export const ROLLOVER_SITES = {
  'rollover.cache': 'flushCacheMm of the space that loses its ASID: no line of data is found by it',
  'rollover.tlb': 'flushTlbMm of that space: no translation is found by it',
  'rollover.icache': 'flushIcacheAsids: no instruction is found by it',
} as const;

/**
 * Runs a space with the ASID of the one that has run until now, which must not run again with it. The TLB is
 * flushed when the old tables are out of reach: until then the walker may fill it from them.
 */
export function* takeAsid(cpu: Cpu, flushes: FlushArchitecture, from: AddressSpace, to: AddressSpace): Steps {
  yield* flushes.at('rollover.cache').flushCacheMm(cpu, from);
  yield* flushes.kernel.switchMm(cpu, { ...to, asid: from.asid });
  yield* flushes.at('rollover.tlb').flushTlbMm(cpu, from);
  yield* flushes.at('rollover.icache').flushIcacheAsids(cpu);
}
