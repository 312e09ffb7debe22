/**
 * The loop of one simulated CPU in its own thread: steps while it can, lets the hardware's agents act at
 * random in between, sleeps when it waits.
 */

import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import type { CpuState } from '../machine/cpu-state.ts';
import { Interrupts } from '../machine/interrupts.ts';
import { acquireLock, releaseLock } from '../machine/locks.ts';
import type { AgentName } from '../machine/platform.ts';
import {
  CTL,
  GLOBAL,
  RUN_BARRIER,
  RUN_FINISHED,
  RUN_RUNNING,
  RUN_WATCH,
  STOP_DEADLOCK,
  STOP_DONE,
  STOP_ERROR,
  STOP_NONE,
  STOP_STEPS,
} from '../machine/registers.ts';
import type { MachineState } from '../machine/state.ts';
import { waitCycle } from './deadlock.ts';
import { progressAgents, type Unfinished } from './job.ts';
import type { CpuRunner } from './runner.ts';
import { Session } from './session.ts';
import type { Slots } from './slots.ts';

/** Steps between two looks at the time. */
const STEPS_A_LOOK = 16;
/** Longest time a thread keeps its slot while others want one: a change over costs the caches of the core. */
const SLICE_MS = 16;
/** The same where races are looked for: short, and drawn anew each time. */
const CHECKED_SLICE_MS = 1;
/** Longest sleep: a safety net, every wake-up is notified. */
const NAP_MS = 100;

export interface ThreadReport {
  readonly unfinished?: Unfinished;
  readonly error?: string;
}

/** Wakes every CPU's thread so that it sees a stop. */
export function wakeAll(state: MachineState): void {
  for (const cpu of state.cpus) {
    Atomics.add(cpu.ctl, CTL.EVENT, 1);
    Atomics.notify(cpu.ctl, CTL.EVENT);
  }
}

export class ThreadCpu {
  private readonly session: Session;
  private readonly runner: CpuRunner;
  private readonly slots: Slots | null;
  private readonly random: RandomGenerator;
  private readonly disturbers: readonly AgentName[];
  private readonly state: MachineState;
  private readonly index: number;
  private readonly maxSteps: number;
  private sliceEnd = 0;
  private nextLookCycles = 0;
  private ended = false;

  constructor(session: Session, index: number, slots: Slots | null) {
    const { job, machine } = session;
    this.session = session;
    this.index = index;
    this.slots = slots;
    this.state = machine.state;
    this.random = xoroshiro128plus(job.seed * 64 + index);
    this.disturbers = machine.agents.names.filter((name) => !progressAgents.includes(name));
    this.maxSteps = Math.ceil(job.maxSteps / job.cpus);
    machine.coherence.notify = (cpu) => {
      Atomics.notify(cpu.ctl, CTL.EVENT);
    };
    // Only a CPU's own thread drains its stores, unless all others stand still.
    if (job.serialized !== true) machine.tlb.awaitDrain = () => this.awaitDrain();
    this.runner = session.start(index);
  }

  /** Runs until every CPU's program has ended or something stops the run. */
  run(): ThreadReport {
    this.slots?.acquire(this.index);
    this.sliceEnd = performance.now() + this.slice();
    let error: string | undefined;
    try {
      this.loop();
    } catch (thrown) {
      error = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
      this.stop(STOP_ERROR);
    }
    this.slots?.release();
    const unfinished = Session.unfinished(this.runner);
    return { ...(unfinished && { unfinished }), ...(error !== undefined && { error }) };
  }

  private loop(): void {
    const { runner, state } = this;
    const { global } = state;
    const serialized = this.session.job.serialized === true;
    for (let steps = 1; Atomics.load(global, GLOBAL.STOP) === STOP_NONE; steps++) {
      if (runner.finished && !this.ended && this.markEnded()) return;
      const seen = Atomics.load(runner.cpu.hw.ctl, CTL.EVENT);
      if (!runner.isReady()) {
        this.settle();
        if (!runner.isReady()) this.sleep(seen);
        continue;
      }
      if (serialized) acquireLock(global, GLOBAL.TURN);
      this.agents();
      // An agent may have taken away what made the CPU ready; nothing else can.
      if (runner.isReady()) runner.step();
      if (serialized) releaseLock(global, GLOBAL.TURN);
      if (runner.cpu.hw.clock >= this.nextLookCycles) this.keepTime();
      if (steps % STEPS_A_LOOK === 0) this.shareCores();
      if (steps > this.maxSteps) this.stop(STOP_STEPS);
    }
  }

  /** Returns true if this was the last program. */
  private markEnded(): boolean {
    this.ended = true;
    if (Atomics.add(this.state.global, GLOBAL.ENDED, 1) + 1 < this.session.job.cpus) return false;
    this.stop(STOP_DONE);
    return true;
  }

  private stop(reason: number): void {
    Atomics.compareExchange(this.state.global, GLOBAL.STOP, STOP_NONE, reason);
    wakeAll(this.state);
  }

  /** Every few steps the hardware does something of its own. */
  private agents(): void {
    const bits = this.random.next() >>> 0;
    if ((bits & 3) !== 0) return;
    const { agents } = this.session.machine;
    const { names } = agents;
    if (names.length === 0) return;
    const { cpus } = this.state;
    const own = cpus[this.index];
    if ((bits & 0xfc) === 0 && this.disturbers.length > 0) {
      const agent = this.disturbers[(bits >>> 8) % this.disturbers.length];
      const choice = agents.enabledFrom(agent, own, bits >>> 16, 8);
      if (choice >= 0) agents.perform(choice);
      return;
    }
    const agent = progressAgents[(bits >>> 8) % progressAgents.length];
    // A broadcast is delivered by the interconnect: any thread may play its part.
    const cpu = agent === 'broadcast' ? cpus[(bits >>> 16) % cpus.length] : own;
    const choice = agents.enabledFrom(agent, cpu, bits >>> 24, 32);
    if (choice >= 0) agents.perform(choice);
  }

  /** Lets everything act that this CPU could be waiting for, or that others could wait for it to do. */
  private settle(): void {
    const { machine, job } = this.session;
    const { hw } = this.runner.cpu;
    if (job.serialized === true) acquireLock(this.state.global, GLOBAL.TURN);
    for (;;) {
      let choice = machine.agents.enabledFrom('drain', hw, 0, 1);
      if (choice < 0) choice = machine.agents.enabledFrom('ipi', hw, 0, 32);
      if (choice < 0 && Atomics.load(hw.ctl, CTL.RUN) === RUN_BARRIER) choice = this.undelivered();
      if (choice < 0) break;
      machine.agents.perform(choice);
    }
    if (job.serialized === true) releaseLock(this.state.global, GLOBAL.TURN);
  }

  private undelivered(): number {
    for (const cpu of this.state.cpus) {
      const choice = this.session.machine.agents.enabledFrom('broadcast', cpu, 0, 1);
      if (choice >= 0) return choice;
    }
    return -1;
  }

  /** Sleeps until something happens to this CPU, unless that can never be. */
  private sleep(seen: number): void {
    const { state, runner } = this;
    const { ctl } = runner.cpu.hw;
    const cycle = waitCycle(state, this.index);
    if (cycle) {
      this.reportDeadlock(cycle);
      return;
    }
    const risen = Atomics.load(state.global, GLOBAL.RISEN);
    const asleep = Atomics.add(state.global, GLOBAL.ASLEEP, 1) + 1;
    // A thread that got up while the others were looked at may have moved one already seen.
    if (
      asleep === state.cpus.length &&
      this.nobodyCanMove() &&
      Atomics.load(state.global, GLOBAL.RISEN) === risen
    ) {
      this.reportDeadlock(state.cpus.filter((cpu) => !isEnded(cpu.ctl)).map((cpu) => cpu.index));
    }
    this.slots?.release();
    if (this.session.stop === STOP_NONE) Atomics.wait(ctl, CTL.EVENT, seen, NAP_MS);
    this.slots?.acquire(this.index);
    this.sliceEnd = performance.now() + this.slice();
    // In this order: whoever still counted this thread among the sleepers sees that it rose.
    Atomics.sub(state.global, GLOBAL.ASLEEP, 1);
    Atomics.add(state.global, GLOBAL.RISEN, 1);
  }

  private nobodyCanMove(): boolean {
    return this.state.cpus.every((cpu) => {
      const { ctl } = cpu;
      if (Interrupts.inFlight(cpu) !== 0 || Interrupts.mayTake(cpu) || cpu.buffered > 0) return false;
      if (Atomics.load(ctl, CTL.WATCH_HIT) !== 0 && !isEnded(ctl)) return false;
      const run = Atomics.load(ctl, CTL.RUN);
      if (run === RUN_RUNNING) return false;
      return run !== RUN_BARRIER || Atomics.load(ctl, CTL.OUTSTANDING) > 0;
    });
  }

  private reportDeadlock(cpus: readonly number[]): void {
    if (this.session.stop !== STOP_NONE) return;
    this.session.checker?.deadlocked(cpus);
    this.stop(STOP_DEADLOCK);
  }

  /** Waits while this CPU is more than a quantum ahead of the slowest, so that simulated clocks stay together. */
  private keepTime(): void {
    const { hw } = this.runner.cpu;
    const { quantumCycles } = this.session.job;
    const quantum = Math.floor(hw.clock / quantumCycles);
    this.nextLookCycles = (quantum + 1) * quantumCycles;
    Atomics.store(hw.ctl, CTL.QUANTUM, quantum);
    while (this.isAhead(quantum) && this.session.stop === STOP_NONE) {
      this.settle();
      this.letOthersRun();
    }
  }

  private shareCores(): void {
    if (this.slots?.wanted === true && performance.now() > this.sliceEnd) this.giveSlot();
  }

  /** While this CPU's broadcast waits for another CPU's stores, that one's may wait for this CPU's. */
  private awaitDrain(): void {
    const { machine } = this.session;
    const own = machine.agents.enabledFrom('drain', this.runner.cpu.hw, 0, 1);
    if (own >= 0) machine.agents.perform(own);
    else this.letOthersRun();
  }

  private letOthersRun(): void {
    const { ctl } = this.state.cpus[this.index];
    if (this.slots?.wanted === true) this.giveSlot();
    else Atomics.wait(ctl, CTL.EVENT, Atomics.load(ctl, CTL.EVENT), 0.05);
  }

  private giveSlot(): void {
    this.slots?.release();
    this.slots?.acquire(this.index);
    this.sliceEnd = performance.now() + this.slice();
  }

  /** Checked runs look for races: they change over at irregular times. */
  private slice(): number {
    if (!this.session.job.checked) return SLICE_MS;
    return (CHECKED_SLICE_MS * ((this.random.next() >>> 0) % 64)) / 64;
  }

  /** More than a quantum ahead of the slowest CPU that runs, or is about to? */
  private isAhead(quantum: number): boolean {
    for (const cpu of this.state.cpus) {
      if (quantum - Atomics.load(cpu.ctl, CTL.QUANTUM) <= 1) continue;
      if (Atomics.load(cpu.ctl, CTL.RUN) === RUN_RUNNING || isWoken(cpu)) return true;
    }
    return false;
  }
}

/** Something has happened that this CPU waits for; its thread only has not got up yet. */
function isWoken(cpu: CpuState): boolean {
  const { ctl } = cpu;
  const run = Atomics.load(ctl, CTL.RUN);
  if (run === RUN_WATCH && Atomics.load(ctl, CTL.WATCH_HIT) !== 0) return true;
  if (run === RUN_BARRIER && Atomics.load(ctl, CTL.OUTSTANDING) === 0) return true;
  const coming = Atomics.load(ctl, CTL.IRQ_PENDING) | Interrupts.inFlight(cpu);
  return coming !== 0 && Atomics.load(ctl, CTL.IRQ_MASKED) === 0;
}

function isEnded(ctl: Int32Array): boolean {
  return Atomics.load(ctl, CTL.RUN) === RUN_FINISHED;
}
