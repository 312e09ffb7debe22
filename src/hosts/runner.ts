/**
 * Turns one CPU's crank: its program, and on top of it whatever interrupt handler it has taken. Both
 * hosts use it, so a program cannot tell them apart.
 */
import { BLOCK, type Cpu, type Steps } from '../machine/cpu.ts';
import { EVENT, type EventLog } from '../machine/events.ts';
import { discardFetched } from '../machine/fetched.ts';
import { Interrupts } from '../machine/interrupts.ts';
import { COUNT, CTL, RUN_BARRIER, RUN_FINISHED, RUN_RUNNING, RUN_WATCH, TIME } from '../machine/registers.ts';
import { isAnswered } from './waits.ts';

export class CpuRunner {
  readonly cpu: Cpu;
  /** The program has ended; the CPU still takes interrupts. */
  finished = false;

  private program: Steps;
  private handler: Steps | null = null;
  private handlerBegan = 0;
  private blocked = false;

  constructor(cpu: Cpu, program: Steps) {
    this.cpu = cpu;
    this.program = program;
  }

  /** True if the CPU can take a step now. */
  isReady(): boolean {
    if (!this.blocked && (this.handler !== null || !this.finished)) return true;
    const { hw } = this.cpu;
    if (this.cpu.vectors !== null && Interrupts.mayTake(hw)) return true;
    return isAnswered(hw.ctl);
  }

  /** When the step that it is ready for happens, in simulated cycles. */
  readyAtCycles(): number {
    const { hw } = this.cpu;
    const { clock, ctl, time } = hw;
    if (!this.blocked && (this.handler !== null || !this.finished)) return clock;
    if (Interrupts.mayTake(hw)) {
      const pending = Atomics.load(ctl, CTL.IRQ_PENDING);
      return Math.max(clock, time[TIME.IRQ + 31 - Math.clz32(pending & -pending)]);
    }
    if (ctl[CTL.RUN] === RUN_WATCH) return Math.max(clock, time[TIME.EVENT]);
    if (ctl[CTL.RUN] === RUN_BARRIER) return Math.max(clock, time[TIME.COMPLETED]);
    return clock;
  }

  /** Its next step, unless an interrupt comes first, does what the write buffer would do by itself. */
  get isDraining(): boolean {
    return this.handler === null && this.cpu.hw.ctl[CTL.DRAINING] === 1;
  }

  get isBlocked(): boolean {
    return this.blocked;
  }

  /** Takes one step. Call only when `isReady`. What the program throws comes out of here. */
  step(): void {
    const { cpu } = this;
    const { hw } = cpu;
    if (hw.ctl[CTL.STOLEN] !== 0) hw.charge(Atomics.exchange(hw.ctl, CTL.STOLEN, 0));
    hw.count(COUNT.steps);
    if (cpu.machine.state.events !== null) this.noteReadiness(cpu.machine.state.events);
    const interrupted = this.handler === null && Interrupts.mayTake(hw) && cpu.vectors !== null;
    if (interrupted) this.handlerBegan = this.readyAtCycles();
    if (this.blocked) {
      // Whatever the program waits for, from now on this CPU does something: said before an interrupt is
      // taken off its mailbox, so that nobody sees a CPU that waits and has nothing to wake it.
      // In this order: who has counted the wake-up sees the CPU wait only if it waits anew.
      Atomics.store(hw.ctl, CTL.RUN, RUN_RUNNING);
      Atomics.add(hw.ctl, CTL.WAKES, 1);
      this.blocked = false;
    }
    if (interrupted && cpu.vectors !== null) {
      const vector = cpu.machine.interrupts.take(hw);
      this.handler = cpu.interruptHandler(cpu.vectors, vector);
      cpu.maskInterrupts();
    }
    if (this.handler !== null) {
      const { value, done } = this.handler.next();
      if (done === true) this.endHandler();
      else this.blocked = value === BLOCK;
      return;
    }
    const { value, done } = this.program.next();
    if (done === true) this.endProgram();
    else this.blocked = value === BLOCK;
  }

  /** Why the CPU can take this step: what else could have let it go on is something that the step depends on. */
  private noteReadiness(events: EventLog): void {
    const { hw, index, machine, vectors } = this.cpu;
    const { ctl } = hw;
    if (this.finished) events.push(EVENT.ENDED, index, 1, 0, 0);
    if (this.handler === null && vectors !== null && ctl[CTL.IRQ_MASKED] === 0) {
      events.push(EVENT.OPEN, index, 0, 0, 0);
    }
    if (this.isDraining) events.push(EVENT.DRAINED, index, ctl[CTL.STORES_IN] - 1, 0, 0);
    if (!this.blocked) return;
    if (ctl[CTL.RUN] === RUN_WATCH) {
      events.push(EVENT.WATCH, index, (ctl[CTL.WATCH] - 1) << machine.state.lineShift, 0, 0);
    } else if (ctl[CTL.RUN] === RUN_BARRIER) {
      events.push(EVENT.BARRIER, index, ctl[CTL.OUTSTANDING], 0, 0);
    }
  }

  /** A CPU does not stop with stores in its buffer. */
  private endProgram(): void {
    const { hw } = this.cpu;
    if (hw.buffered > 0) {
      this.program = this.cpu.drainAll();
      return;
    }
    this.finished = true;
    this.cpu.machine.state.events?.push(EVENT.ENDED, this.cpu.index, 0, 0, 0);
    Atomics.store(hw.ctl, CTL.RUN, RUN_FINISHED);
  }

  /** The interrupted program goes on at its next step; if it waited, it looks again. */
  private endHandler(): void {
    const { hw, machine } = this.cpu;
    hw.charge(machine.platform.costs.interruptExitCycles);
    hw.counters[COUNT.interruptCycles] += hw.clock - this.handlerBegan;
    this.handler = null;
    discardFetched(hw);
    this.cpu.unmaskInterrupts();
    if (this.finished) Atomics.store(hw.ctl, CTL.RUN, RUN_FINISHED);
  }
}
