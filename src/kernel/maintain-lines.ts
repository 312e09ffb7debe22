/** Cache maintenance of a range of memory by address, line by line. */
import type { LineOperation } from '../machine/cache-maintenance.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { Reach } from '../machine/memory-side.ts';

/**
 * One operation on each line that has a byte of the range: a step a line, and no barrier after them.
 * @param pa physical address, which is that of the kernel's linear mapping
 * @param sizeBytes at least 1
 */
export function* maintainLines(
  cpu: Cpu,
  pa: number,
  sizeBytes: number,
  operation: LineOperation,
  reach: Reach,
): Steps {
  const { lineBytes } = cpu.machine.platform;
  for (let line = pa - (pa % lineBytes); line < pa + sizeBytes; line += lineBytes) {
    yield* cpu.maintainPhysical(line, operation, reach);
  }
}
