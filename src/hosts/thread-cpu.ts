/**
 * The loop of one simulated CPU in its own thread: steps while it can, lets the hardware's agents act at
 * random in between, sleeps when it waits.
 */

import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import type { CpuState } from '../machine/cpu-state.ts';
import { Interrupts } from '../machine/interrupts.ts';
import { CTL, GLOBAL, RUN_RUNNING, STOP_ERROR, STOP_NONE, STOP_STEPS } from '../machine/registers.ts';
import type { MachineState } from '../machine/state.ts';
import { firstWaitCycle, isEnded, nobodyCanMove, waitCycle } from './deadlock.ts';
import type { Unfinished } from './job.ts';
import type { Recorder } from './recording.ts';
import type { CpuRunner } from './runner.ts';
import { Session } from './session.ts';
import type { Slots } from './slots.ts';
import { programEnded, stopForDeadlock, stopRun } from './stop.ts';
import { ThreadAgents } from './thread-agents.ts';
import { Turns } from './turns.ts';
import { isAnswered } from './waits.ts';

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

export class ThreadCpu {
  private readonly session: Session;
  private readonly runner: CpuRunner;
  private readonly slots: Slots | null;
  /** Serialized runs only. */
  private readonly turns: Turns | null;
  private readonly random: RandomGenerator;
  private readonly agents: ThreadAgents;
  private readonly state: MachineState;
  private readonly index: number;
  private readonly maxSteps: number;
  private sliceEnd = 0;
  private nextLookCycles = 0;
  private ended = false;

  /** @param recorder takes down a serialized run */
  constructor(session: Session, index: number, slots: Slots | null, recorder: Recorder | null) {
    const { job, machine } = session;
    this.session = session;
    this.index = index;
    this.slots = slots;
    this.state = machine.state;
    this.random = xoroshiro128plus(job.seed * 64 + index);
    this.maxSteps = Math.ceil(job.maxSteps / job.cpus);
    machine.coherence.notify = (cpu) => {
      Atomics.notify(cpu.ctl, CTL.EVENT);
    };
    // Only a CPU's own thread drains its stores, unless all others stand still.
    if (job.serialized !== true) machine.tlb.awaitDrain = () => this.awaitDrain();
    this.runner = session.start(index);
    this.turns = job.serialized === true ? new Turns(session, this.runner, recorder) : null;
    this.agents = new ThreadAgents(session, index, this.turns, this.random);
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
      stopRun(this.state, STOP_ERROR);
    }
    this.slots?.release();
    const unfinished = Session.unfinished(this.runner);
    return { ...(unfinished && { unfinished }), ...(error !== undefined && { error }) };
  }

  private loop(): void {
    const { runner, state, turns } = this;
    const { global } = state;
    for (let steps = 1; Atomics.load(global, GLOBAL.STOP) === STOP_NONE; steps++) {
      if (turns === null && runner.finished && !this.ended) {
        this.ended = true;
        if (programEnded(this.session)) return;
      }
      const seen = Atomics.load(runner.cpu.hw.ctl, CTL.EVENT);
      if (!runner.isReady()) {
        this.settle();
        if (!runner.isReady()) this.sleep(seen);
        continue;
      }
      if (turns === null) this.act();
      else this.takeTurn(turns);
      if (runner.cpu.hw.clock >= this.nextLookCycles) this.keepTime();
      if (steps % STEPS_A_LOOK === 0) this.shareCores();
      if (steps > this.maxSteps) stopRun(this.state, STOP_STEPS);
    }
  }

  private act(): void {
    const { runner } = this;
    this.agents.maybeAct();
    // An agent may have taken away what made the CPU ready; nothing else can.
    if (runner.isReady()) runner.step();
  }

  private takeTurn(turns: Turns): void {
    if (!turns.take()) return;
    try {
      this.agents.maybeAct();
      if (turns.goesOn && this.runner.isReady()) turns.step();
    } finally {
      turns.give();
    }
  }

  /** Lets everything act that this CPU could be waiting for, or that others could wait for it to do. */
  private settle(): void {
    const { turns } = this;
    if (turns === null) {
      while (this.agents.settleOne());
      return;
    }
    if (!turns.take()) return;
    try {
      while (turns.goesOn && this.agents.settleOne());
    } finally {
      turns.give();
    }
  }

  /** Sleeps until something happens to this CPU, unless that can never be. */
  private sleep(seen: number): void {
    const { state, turns } = this;
    const { ctl } = this.runner.cpu.hw;
    if (turns !== null && !turns.take()) return;
    const lies = this.lieDown();
    turns?.give();
    if (!lies) return;
    this.slots?.release();
    if (this.session.stop === STOP_NONE) Atomics.wait(ctl, CTL.EVENT, seen, NAP_MS);
    this.slots?.acquire(this.index);
    this.sliceEnd = performance.now() + this.slice();
    // In this order: whoever still counted this thread among the sleepers sees that it rose.
    Atomics.sub(state.global, GLOBAL.ASLEEP, 1);
    Atomics.add(state.global, GLOBAL.RISEN, 1);
  }

  /** Counts this thread among the sleepers, unless it waits for somebody who waits for it. */
  private lieDown(): boolean {
    const { session, state } = this;
    // Where the turn holds all others still, what is reported must not depend on who looks.
    const cycle = this.turns === null ? waitCycle(state, this.index) : firstWaitCycle(state);
    if (cycle) {
      stopForDeadlock(session, cycle);
      return false;
    }
    const risen = Atomics.load(state.global, GLOBAL.RISEN);
    const asleep = Atomics.add(state.global, GLOBAL.ASLEEP, 1) + 1;
    // A thread that got up while the others were looked at may have moved one already seen.
    if (
      asleep === state.cpus.length &&
      nobodyCanMove(state) &&
      Atomics.load(state.global, GLOBAL.RISEN) === risen
    ) {
      const stuck = state.cpus.filter((cpu) => !isEnded(cpu.ctl)).map((cpu) => cpu.index);
      stopForDeadlock(session, stuck);
    }
    return true;
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
  if (isAnswered(cpu.ctl)) return true;
  const coming = Atomics.load(cpu.ctl, CTL.IRQ_PENDING) | Interrupts.inFlight(cpu);
  return coming !== 0 && Interrupts.isOpen(cpu);
}
