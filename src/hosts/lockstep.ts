/**
 * The lockstep host: all CPUs in this thread, a scheduler chooses which one, or which hardware agent,
 * takes the next step. The same seed gives the same run to the bit.
 */
import { GLOBAL, STOP_DEADLOCK, STOP_FINDING, STOP_NONE } from '../machine/registers.ts';
import { waitCycle } from './deadlock.ts';
import type { Job, Outcome, RunResult, Workload } from './job.ts';
import type { CpuRunner } from './runner.ts';
import type { Scheduler } from './schedulers/scheduler.ts';
import { Session } from './session.ts';

/** Steps between two looks at the wall clock. */
const CLOCK_CHECK = 0x3fff;

/** Runs a job to its end. */
export function runLockstep(job: Job, workload: Workload, scheduler: Scheduler): RunResult {
  const session = Session.create(job, workload, false);
  const { machine } = session;
  const { state } = machine;
  const runners = state.cpus.map((_, i) => session.start(i));
  const view = { runners, cpus: state.cpus, agents: machine.agents };
  const deadline = performance.now() + job.maxSeconds * 1000;
  let left = runners.length;
  let outcome: Outcome | undefined;
  let error: string | undefined;
  let steps = 0;
  try {
    while (left > 0 && outcome === undefined) {
      const choice = scheduler.next(view);
      if (choice < 0) {
        session.checker?.deadlocked(blockedCpus(runners));
        outcome = 'deadlock';
      } else if (choice >= 64) {
        machine.agents.perform(choice);
      } else {
        const runner = runners[choice];
        const was = runner.finished;
        runner.step();
        if (runner.finished && !was) left--;
        else if (runner.isBlocked) {
          const cycle = waitCycle(state, choice);
          if (cycle) {
            session.checker?.deadlocked(cycle);
            outcome = 'deadlock';
          }
        }
      }
      steps++;
      const stop = state.global[GLOBAL.STOP];
      if (stop !== STOP_NONE) outcome ??= stop === STOP_DEADLOCK ? 'deadlock' : stopOutcome(stop);
      else if (steps >= job.maxSteps && left > 0) outcome ??= 'step-limit';
      else if ((steps & CLOCK_CHECK) === 0 && performance.now() > deadline) outcome ??= 'time-limit';
    }
    if (outcome === undefined) {
      workload.finish?.(machine, session.layout, session.checker);
      outcome = state.global[GLOBAL.FINDINGS] > 0 ? 'finding' : 'finished';
    }
  } catch (thrown) {
    outcome = 'error';
    error = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  }
  const unfinished = runners.map(Session.unfinished).filter((u) => u !== undefined);
  return session.result(outcome, unfinished, error);
}

function stopOutcome(stop: number): Outcome {
  return stop === STOP_FINDING ? 'finding' : 'error';
}

function blockedCpus(runners: readonly CpuRunner[]): number[] {
  return runners.filter((runner) => !runner.finished).map((runner) => runner.cpu.index);
}
