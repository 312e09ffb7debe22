/**
 * How table base and ASID get into the registers of a CPU. Where they are one register, nothing can come in
 * between. Where they are two, a speculative walk between the writes makes entries of the tables of one address
 * space under the ASID of the other, unless the step in between belongs to neither: ASID 0, which no space has, or
 * a table base that maps nothing of a user's.
 *
 * Linux/ARM: arch/arm/mm/proc-v7.S, cpu_v7_switch_mm, with the reserved ASID (v2.6.38), and arch/arm/mm/context.c,
 * cpu_set_reserved_ttbr0, with a reserved TTBR0 in its place (v3.5; in v3.4 flush_context still sets ASID 0). Catalin
 * Marinas in the thread "Using non-Global mappings for kernel address space", linux-arm-kernel, November 2010.
 *
 * Linux/arm64 has TCR_EL1.A1 set (since v4.16, 7655abb95386, both from memory), so that the ASID of TTBR1_EL1 counts while user tables are in TTBR0_EL1:
 * two registers again, and `reserved-base` is what it does (arch/arm64/include/asm/mmu_context.h, cpu_switch_mm:
 * reserved TTBR0 and ISB; arch/arm64/mm/context.c, cpu_do_switch_mm: ASID into TTBR1, ISB, base into TTBR0, ISB).
 */
import { type Cpu, noSteps, type Steps } from '../../machine/cpu.ts';
import type { Platform } from '../../machine/platform.ts';

/**
 * `one`: one register. `reserved-asid`: ASID 0, ISB, base, ISB, ASID, ISB. `reserved-base`: reserved base, ISB, ASID,
 * ISB, base, ISB. `asid-first`, `base-first`: wrong, one after the other with nothing in between.
 */
export type RegisterOrder = 'one' | 'reserved-asid' | 'reserved-base' | 'asid-first' | 'base-first';

/** The ASID that no address space has. */
export const RESERVED_ASID = 0;

export interface ContextRegisters {
  readonly order: RegisterOrder;
  /** Root table that maps nothing below KERNEL_BASE. */
  readonly reservedRoot: number;
}

/** The order that a platform's kernel uses, if it is not told otherwise. */
export function usualOrder({ mmu }: Platform): RegisterOrder {
  return mmu.splitContextSwitch ? 'reserved-asid' : 'one';
}

/**
 * Writes both.
 * @param written runs in the step in which the last of the two is written
 * @param meanwhile is done in each of the two gaps around what comes in between, with the number of the gap, from 0
 * @throws Error for `one` where they are two registers
 */
export function* writeContext(
  cpu: Cpu,
  { order, reservedRoot }: ContextRegisters,
  root: number,
  asid: number,
  written?: () => void,
  meanwhile: (gap: number) => Steps = noSteps,
): Steps {
  switch (order) {
    case 'one':
      if (cpu.machine.platform.mmu.splitContextSwitch) {
        throw new Error(`${cpu.machine.platform.name}: table base and ASID are two registers, not one`);
      }
      yield* cpu.setContext(root, asid);
      written?.();
      return;
    case 'reserved-asid':
      yield* cpu.writeAsid(RESERVED_ASID);
      yield* cpu.isb();
      yield* meanwhile(0);
      yield* cpu.writeTableBase(root);
      yield* cpu.isb();
      yield* meanwhile(1);
      yield* cpu.writeAsid(asid);
      break;
    case 'reserved-base':
      yield* cpu.writeTableBase(reservedRoot);
      yield* cpu.isb();
      yield* meanwhile(0);
      yield* cpu.writeAsid(asid);
      yield* cpu.isb();
      yield* meanwhile(1);
      yield* cpu.writeTableBase(root);
      break;
    case 'asid-first':
      yield* cpu.writeAsid(asid);
      yield* cpu.writeTableBase(root);
      break;
    case 'base-first':
      yield* cpu.writeTableBase(root);
      yield* cpu.writeAsid(asid);
  }
  written?.();
  yield* cpu.isb();
}

/** Leaves the address space that runs, so that nothing that a walk makes carries its number any more. */
export function* writeReserved(cpu: Cpu, { order, reservedRoot }: ContextRegisters): Steps {
  if (order === 'one') yield* cpu.setContext(reservedRoot, RESERVED_ASID);
  else if (order === 'reserved-base') yield* cpu.writeTableBase(reservedRoot);
  else yield* cpu.writeAsid(RESERVED_ASID);
  yield* cpu.isb();
}
