/**
 * The kernel's handler of virtual coherency exceptions (R4000SC and R4400SC), as in Linux, arch/mips/kernel/genex.S:
 *
 *     handle_vced: Index_Store_Tag_D (tag 0) at BadVAddr, then Hit_Writeback_Inv_SD
 *     handle_vcei: Hit_Writeback_Inv_SD
 *
 * The first invalidates, without write-back, whatever the L1D has at the index of the access. That loses nothing:
 * before it takes the exception the processor has refilled the primary there, so the line is a copy of the one in
 * question that nobody has stored to, and the one which sat there before has moved to the secondary (MIPS R4000
 * Microprocessor User's Manual, "Virtual Coherency Exception", footnote). The second writes back and invalidates
 * the secondary line and what the primaries hold of it at its old index: after it the access misses everywhere,
 * and its fill notes the new index.
 *
 * By that footnote an instruction fetch too leaves a copy at its new index, which need not be up to date. The
 * manual asks for both indexes to be invalidated; `handle_vcei` relies on the secondary operation for it, which
 * looks at the old index only. Here the new one is invalidated as well.
 */
import { FLUSH, INVALIDATE } from '../machine/cache-maintenance.ts';
import type { CoherencyFault, Cpu, Steps } from '../machine/cpu.ts';

/** For `Vectors.coherencyException`. */
export function* coherencyHandler(cpu: Cpu, { va, pa, fetch }: CoherencyFault): Steps {
  const line = pa >>> cpu.machine.state.lineShift;
  if (!fetch) yield* cpu.maintainSetWay('l1d', cpu.hw.l1d.setOf(va, line), 0, INVALIDATE);
  else if (va === pa) yield* cpu.invalidateFetchPhysical(pa);
  else yield* cpu.invalidateFetch(va);
  yield* cpu.maintainPhysical(pa, FLUSH, 'coherency');
}
