/**
 * Deadlock among simulated CPUs. A CPU that waits for a store names the CPU that alone can make it; a
 * chain of such waits that closes on itself cannot be broken unless an interrupt handler may still run.
 */
import type { CpuState } from '../machine/cpu-state.ts';
import { Interrupts } from '../machine/interrupts.ts';
import { CTL, RUN_WATCH } from '../machine/registers.ts';

/** The CPUs of a cycle of waits that goes through `start`, or undefined. */
export function waitCycle(cpus: readonly CpuState[], start: number): number[] | undefined {
  const path: number[] = [];
  let at = start;
  for (;;) {
    const cpu = cpus[at];
    if (!isStuck(cpu)) return undefined;
    path.push(at);
    at = cpu.ctl[CTL.WAITS_FOR] - 1;
    if (at < 0) return undefined;
    const seen = path.indexOf(at);
    if (seen >= 0) return path.slice(seen);
  }
}

/** Waits for a store, has not seen one, and will not run a handler either. */
function isStuck(cpu: CpuState): boolean {
  const { ctl } = cpu;
  if (Atomics.load(ctl, CTL.RUN) !== RUN_WATCH || Atomics.load(ctl, CTL.WATCH_HIT) !== 0) return false;
  if (ctl[CTL.IRQ_MASKED] > 0) return true;
  return Atomics.load(ctl, CTL.IRQ_PENDING) === 0 && Interrupts.inFlight(cpu) === 0;
}
