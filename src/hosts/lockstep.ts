/**
 * The lockstep host: all CPUs in this thread, a scheduler chooses which one, or which hardware agent,
 * takes the next step. The same seed gives the same run to the bit.
 */
import { FIRST_ACTION } from '../machine/agents.ts';
import type { Machine } from '../machine/machine.ts';
import { GLOBAL, STOP_DEADLOCK, STOP_FINDING, STOP_NONE, STOP_REACHED } from '../machine/registers.ts';
import type { Workload } from '../program/workload.ts';
import { waitCycle } from './deadlock.ts';
import type { Job, Outcome, RunResult } from './job.ts';
import type { CpuRunner } from './runner.ts';
import type { Scheduler, SchedulerView } from './schedulers/scheduler.ts';
import { Session } from './session.ts';

/** Steps between two looks at the wall clock and at CPUs that have waited all the time. */
const LOOK_STEPS = 0x4000;

/** Runs a job to its end. */
export function runLockstep(job: Job, workload: Workload, scheduler: Scheduler): RunResult {
  const lockstep = new Lockstep(job, workload);
  lockstep.start();
  const deadline = performance.now() + job.maxSeconds * 1000;
  let outcome: Outcome | undefined;
  while (outcome === undefined) {
    outcome = lockstep.takeFrom(scheduler);
    if (lockstep.choices % LOOK_STEPS !== 0 || outcome !== undefined) continue;
    if (performance.now() > deadline) outcome = 'time-limit';
    else lockstep.lookForCycles();
  }
  return lockstep.result(outcome);
}

/** A run that somebody drives choice by choice, and may start again. */
export class Lockstep {
  readonly machine: Machine;
  readonly view: SchedulerView;
  /** Choices taken since the start. */
  choices = 0;
  private readonly job: Job;
  private readonly session: Session;
  private readonly runners: CpuRunner[] = [];
  private left = 0;
  private error: string | undefined;

  constructor(job: Job, workload: Workload) {
    this.job = job;
    this.session = Session.create(job, workload, false);
    const { machine } = this.session;
    this.machine = machine;
    this.view = { runners: this.runners, cpus: machine.state.cpus, agents: machine.agents };
  }

  /** Starts the programs; the machine must be as it was after set-up. */
  start(): void {
    const { agentsChanged, cpus } = this.machine.state;
    const { length } = cpus;
    agentsChanged.fill(-1);
    for (let cpu = 0; cpu < length; cpu++) this.runners[cpu] = this.session.start(cpu);
    this.left = length;
    this.choices = 0;
    this.error = undefined;
  }

  /**
   * Takes one choice: a CPU, an agent's action (see machine/agents.ts), or -1 if nothing is enabled.
   * @returns how the run ended, or undefined if it goes on
   */
  take(choice: number): Outcome | undefined {
    const { machine, job } = this;
    const { global } = machine.state;
    this.choices++;
    try {
      if (choice >= FIRST_ACTION) machine.agents.perform(choice);
      else if (choice >= 0) this.step(choice);
      else this.reportDeadlock(this.waiting());
      const stop = global[GLOBAL.STOP];
      if (stop === STOP_DEADLOCK) return 'deadlock';
      if (stop === STOP_FINDING) return 'finding';
      if (stop === STOP_REACHED) return 'reached';
      if (this.left === 0) return this.finish();
      return this.choices >= job.maxSteps ? 'step-limit' : undefined;
    } catch (thrown) {
      return this.fail(thrown);
    }
  }

  /** Takes the choice of a scheduler; its failures are those of the run. */
  takeFrom(scheduler: Scheduler): Outcome | undefined {
    let choice: number;
    try {
      choice = scheduler.next(this.view);
    } catch (thrown) {
      return this.fail(thrown);
    }
    return this.take(choice);
  }

  private fail(thrown: unknown): Outcome {
    this.error = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
    return 'error';
  }

  private finish(): Outcome {
    const { session, machine } = this;
    session.workload.finish?.(machine, session.layout, session.checker);
    return machine.state.global[GLOBAL.FINDINGS] > 0 ? 'finding' : 'finished';
  }

  private step(cpu: number): void {
    const runner = this.runners[cpu];
    const was = runner.finished;
    runner.step();
    if (runner.finished && !was) this.left--;
    else if (runner.isBlocked) this.lookForCycle(cpu);
  }

  /** Two CPUs may have come to wait for each other while a store of theirs was still draining. */
  lookForCycles(): void {
    for (const cpu of this.waiting()) this.lookForCycle(cpu);
  }

  private lookForCycle(cpu: number): void {
    const cycle = waitCycle(this.machine.state, cpu);
    if (cycle) this.reportDeadlock(cycle);
  }

  private reportDeadlock(cpus: readonly number[]): void {
    const { global } = this.machine.state;
    if (global[GLOBAL.STOP] !== STOP_NONE) return;
    this.session.checker?.deadlocked(cpus);
    global[GLOBAL.STOP] = STOP_DEADLOCK;
  }

  /** CPUs whose programs have not ended and cannot go on. */
  private waiting(): number[] {
    const stuck = this.runners.filter((runner) => !runner.finished && runner.isBlocked);
    return stuck.map((runner) => runner.cpu.index);
  }

  /** States that the programs may say they have reached. */
  get reachable(): readonly string[] {
    return this.session.workload.reachable ?? [];
  }

  /** What the set-up has laid out. */
  get layout(): unknown {
    return this.session.layout;
  }

  /** What came of the run. */
  result(outcome: Outcome): RunResult {
    const unfinished = this.runners.map(Session.unfinished).filter((u) => u !== undefined);
    return this.session.result(outcome, unfinished, this.error);
  }
}
