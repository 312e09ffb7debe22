/**
 * Deadlock among simulated CPUs. A CPU that waits for a store names the CPU that alone can make it; a
 * chain of such waits that closes on itself cannot be broken unless an interrupt handler may still run.
 */
import type { CpuState } from '../machine/cpu-state.ts';
import { Interrupts } from '../machine/interrupts.ts';
import { CTL, RUN_FINISHED, RUN_RUNNING, RUN_WATCH } from '../machine/registers.ts';
import type { MachineState } from '../machine/state.ts';
import { isAnswered } from './waits.ts';

/**
 * The CPUs of a cycle of waits that goes through `start`, or undefined. With threads the others go on
 * while they are looked at, so they are looked at twice: who slept all the time in between stored nothing,
 * and if by then nobody's wait has been answered, nobody's will be.
 */
export function waitCycle(state: MachineState, start: number): number[] | undefined {
  const { cpus } = state;
  const wakes = cpus.map((cpu) => Atomics.load(cpu.ctl, CTL.WAKES));
  const cycle = closedChain(state, start);
  if (!cycle) return undefined;
  const still = cycle.every((at) => isStuck(cpus[at]) && Atomics.load(cpus[at].ctl, CTL.WAKES) === wakes[at]);
  return still ? cycle : undefined;
}

/** The first cycle of waits in the order of the CPUs. Nothing may move meanwhile. */
export function firstWaitCycle(state: MachineState): number[] | undefined {
  for (const { index } of state.cpus) {
    const cycle = waitCycle(state, index);
    if (cycle) return cycle;
  }
  return undefined;
}

/** Nothing that is under way can move any CPU on; what its own thread could have done, it has done. */
export function nobodyCanMove(state: MachineState): boolean {
  return state.cpus.every((cpu) => {
    const { ctl } = cpu;
    if (Interrupts.inFlight(cpu) !== 0 || Interrupts.mayTake(cpu) || cpu.buffered > 0) return false;
    return Atomics.load(ctl, CTL.RUN) !== RUN_RUNNING && !isAnswered(ctl);
  });
}

/** The CPU's program has ended, and no handler runs on it. */
export function isEnded(ctl: Int32Array): boolean {
  return Atomics.load(ctl, CTL.RUN) === RUN_FINISHED;
}

function closedChain(state: MachineState, start: number): number[] | undefined {
  const path: number[] = [];
  let at = start;
  for (;;) {
    const cpu = state.cpus[at];
    if (!isStuck(cpu)) return undefined;
    path.push(at);
    const holder = cpu.ctl[CTL.WAITS_FOR_HOLDER] - 1;
    const named = holder < 0 ? cpu.ctl[CTL.WAITS_FOR] : Atomics.load(state.holders, holder);
    if (named === 0) return undefined;
    at = Math.abs(named) - 1;
    // The interrupt that it needs may come from anybody, now or later.
    if (named < 0 && Interrupts.isOpen(state.cpus[at])) return undefined;
    const seen = path.indexOf(at);
    if (seen >= 0) return path.slice(seen);
  }
}

/** Waits for a store, has not seen one, and will not run a handler either. */
function isStuck(cpu: CpuState): boolean {
  const { ctl } = cpu;
  if (Atomics.load(ctl, CTL.RUN) !== RUN_WATCH || Atomics.load(ctl, CTL.WATCH_HIT) !== 0) return false;
  // A store that still drains may be the one that somebody waits for.
  if (Atomics.load(ctl, CTL.STORES_IN) !== Atomics.load(ctl, CTL.STORES_OUT)) return false;
  if (!Interrupts.isOpen(cpu)) return true;
  // In the order in which an interrupt travels, so that one that is delivered just now is seen twice, not never.
  return Interrupts.inFlight(cpu) === 0 && Atomics.load(ctl, CTL.IRQ_PENDING) === 0;
}
