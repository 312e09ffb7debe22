/**
 * The lockstep host: all CPUs in this thread, a scheduler chooses which one, or which hardware agent,
 * takes the next step. The same seed gives the same run to the bit.
 */
import { GLOBAL, STOP_DEADLOCK, STOP_FINDING, STOP_NONE } from '../machine/registers.ts';
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
  return new LockstepRun(job, workload, scheduler).run();
}

class LockstepRun {
  private readonly job: Job;
  private readonly session: Session;
  private readonly scheduler: Scheduler;
  private readonly runners: CpuRunner[];
  private readonly view: SchedulerView;
  private left: number;

  constructor(job: Job, workload: Workload, scheduler: Scheduler) {
    this.job = job;
    this.scheduler = scheduler;
    this.session = Session.create(job, workload, false);
    const { machine } = this.session;
    this.runners = machine.state.cpus.map((_, i) => this.session.start(i));
    this.view = { runners: this.runners, cpus: machine.state.cpus, agents: machine.agents };
    this.left = this.runners.length;
  }

  run(): RunResult {
    let outcome: Outcome;
    let error: string | undefined;
    try {
      outcome = this.loop();
    } catch (thrown) {
      outcome = 'error';
      error = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
    }
    const unfinished = this.runners.map(Session.unfinished).filter((u) => u !== undefined);
    return this.session.result(outcome, unfinished, error);
  }

  private loop(): Outcome {
    const { job, session, view, scheduler } = this;
    const { machine, checker } = session;
    const { global } = machine.state;
    const deadline = performance.now() + job.maxSeconds * 1000;
    for (let steps = 1; this.left > 0; steps++) {
      const choice = scheduler.next(view);
      if (choice >= 64) machine.agents.perform(choice);
      else if (choice >= 0) this.step(choice);
      else this.reportDeadlock(this.waiting());
      const stop = global[GLOBAL.STOP];
      if (stop === STOP_DEADLOCK) return 'deadlock';
      if (stop === STOP_FINDING) return 'finding';
      if (steps >= job.maxSteps && this.left > 0) return 'step-limit';
      if (steps % LOOK_STEPS !== 0) continue;
      if (performance.now() > deadline) return 'time-limit';
      // Two CPUs may have come to wait for each other while a store of theirs was still draining.
      for (const cpu of this.waiting()) this.lookForCycle(cpu);
    }
    session.workload.finish?.(machine, session.layout, checker);
    return global[GLOBAL.FINDINGS] > 0 ? 'finding' : 'finished';
  }

  private step(cpu: number): void {
    const runner = this.runners[cpu];
    const was = runner.finished;
    runner.step();
    if (runner.finished && !was) this.left--;
    else if (runner.isBlocked) this.lookForCycle(cpu);
  }

  private lookForCycle(cpu: number): void {
    const cycle = waitCycle(this.session.machine.state, cpu);
    if (cycle) this.reportDeadlock(cycle);
  }

  private reportDeadlock(cpus: readonly number[]): void {
    const { machine, checker } = this.session;
    const { global } = machine.state;
    if (global[GLOBAL.STOP] !== STOP_NONE) return;
    checker?.deadlocked(cpus);
    global[GLOBAL.STOP] = STOP_DEADLOCK;
  }

  /** CPUs whose programs have not ended and cannot go on. */
  private waiting(): number[] {
    const stuck = this.runners.filter((runner) => !runner.finished && runner.isBlocked);
    return stuck.map((runner) => runner.cpu.index);
  }
}
