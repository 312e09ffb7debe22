/** Whose a virtually tagged line is. */
import type { CpuState } from './cpu-state.ts';
import { KERNEL_BASE } from './platform.ts';
import { CTL } from './registers.ts';
import type { MachineState } from './state.ts';

/**
 * ASID that a line is filled with: that of the context which runs, or -1, everybody's, for the kernel's lines
 * (its own addresses and those of its linear mapping) where the platform has them global.
 * @param va address of the access
 * @param line physical line number
 */
export function asidOfLine(m: MachineState, cpu: CpuState, va: number, line: number): number {
  const { kernelMappings } = m.platform.mmu;
  const isKernel = va >>> 0 >= KERNEL_BASE || va >>> m.lineShift === line;
  return isKernel && kernelMappings === 'global' ? -1 : cpu.ctl[CTL.ASID];
}
