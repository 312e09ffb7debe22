/**
 * Interrupts between CPUs: a sent IPI is in flight until it is delivered, then pending until the target
 * takes it at a step where its interrupts are enabled. Vectors are bits of a word; a vector that is sent
 * twice before it is taken arrives once, as on the hardware.
 */
import type { Coherence } from './coherence.ts';
import type { CpuState } from './cpu-state.ts';
import { EVENT } from './events.ts';
import { discardFetched } from './fetched.ts';
import { COUNT, CTL, TIME } from './registers.ts';
import type { MachineState } from './state.ts';

export class Interrupts {
  private readonly m: MachineState;
  private readonly coherence: Coherence;
  private readonly delayed: boolean;

  constructor(state: MachineState, coherence: Coherence) {
    this.m = state;
    this.coherence = coherence;
    this.delayed = state.platform.agents.includes('ipi');
  }

  /** Sends `vector` (0..31) to `target`: one step of the sender. */
  sendStep(cpu: CpuState, target: CpuState, vector: number): void {
    const { costs } = this.m.platform;
    this.m.events?.push(EVENT.IPI_SENT, target.index, vector, cpu.index, 0);
    cpu.count(COUNT.ipisSent);
    cpu.charge(costs.ipiSendCycles);
    const there = Atomics.load(target.ctl, CTL.IRQ_IN_FLIGHT) | Atomics.load(target.ctl, CTL.IRQ_PENDING);
    // One that is on its way already arrives when it would have: the second becomes one with it.
    if ((there & (1 << vector)) === 0) {
      const latency = this.m.sockets?.ipiLatencyCycles(cpu, target) ?? costs.ipiLatencyCycles;
      target.time[TIME.IRQ + vector] = cpu.clock + latency;
    }
    Atomics.or(target.ctl, this.delayed ? CTL.IRQ_IN_FLIGHT : CTL.IRQ_PENDING, 1 << vector);
    this.m.noteAgents(target);
    Atomics.add(target.ctl, CTL.EVENT, 1);
    this.coherence.notify(target);
  }

  /** Delivers one vector that is in flight; nothing happens if it is not. */
  deliverStep(target: CpuState, vector: number): void {
    const bit = 1 << vector;
    if ((Atomics.load(target.ctl, CTL.IRQ_IN_FLIGHT) & bit) === 0) return;
    this.m.events?.push(EVENT.IPI_DELIVERED, target.index, vector, 0, 0);
    // Never in neither place: who looks for a deadlock must see it.
    Atomics.or(target.ctl, CTL.IRQ_PENDING, bit);
    Atomics.and(target.ctl, CTL.IRQ_IN_FLIGHT, ~bit);
    this.m.noteAgents(target);
  }

  /** True if the CPU takes interrupts: they are not masked, and it has handlers. */
  static isOpen({ ctl }: CpuState): boolean {
    return Atomics.load(ctl, CTL.IRQ_MASKED) === 0 && ctl[CTL.NO_VECTORS] === 0;
  }

  /** True if the CPU would take an interrupt at its next step. */
  static mayTake(cpu: CpuState): boolean {
    return Interrupts.isOpen(cpu) && Atomics.load(cpu.ctl, CTL.IRQ_PENDING) !== 0;
  }

  /** Takes the lowest pending vector and charges the entry. Call only if `mayTake`. */
  take(cpu: CpuState): number {
    const pending = Atomics.load(cpu.ctl, CTL.IRQ_PENDING);
    const vector = 31 - Math.clz32(pending & -pending);
    Atomics.and(cpu.ctl, CTL.IRQ_PENDING, ~(1 << vector));
    this.m.events?.push(EVENT.IPI_TAKEN, cpu.index, vector, 0, 0);
    cpu.mergeClock(cpu.time[TIME.IRQ + vector]);
    cpu.count(COUNT.interrupts);
    discardFetched(cpu);
    cpu.charge(this.m.platform.costs.interruptEntryCycles);
    return vector;
  }

  /** A CPU wakes from a sleep: not before the interrupt that wakes it has arrived. */
  wakeStep(cpu: CpuState): void {
    const pending = Atomics.load(cpu.ctl, CTL.IRQ_PENDING);
    if (pending !== 0) cpu.mergeClock(cpu.time[TIME.IRQ + 31 - Math.clz32(pending & -pending)]);
  }

  /** The vectors in flight to a CPU, as bits. */
  static inFlight(cpu: CpuState): number {
    return Atomics.load(cpu.ctl, CTL.IRQ_IN_FLIGHT);
  }
}
