/** Takes the choices of a recorded run again, on a lockstep machine. */
import { FIRST_ACTION } from '../machine/agents.ts';
import { EventLog } from '../machine/events.ts';
import type { Workload } from '../program/workload.ts';
import { firstWaitCycle, nobodyCanMove } from './deadlock.ts';
import type { Job, Outcome, RunResult } from './job.ts';
import { Lockstep } from './lockstep.ts';
import { Recorder } from './recording.ts';

export interface Replay {
  readonly result: RunResult;
  /** What the choices did; the same as the recording's if they did the same. */
  readonly digest: string;
  /** The choice, by its place, that could not be taken, and why. */
  readonly diverged?: { readonly at: number; readonly why: string };
}

/**
 * Runs `choices` and nothing else. The job's limits do not apply: a recording that a limit of steps or time
 * ended comes out as 'step-limit', unless its CPUs were in a deadlock that nobody had seen yet. If a choice
 * cannot be taken, the run ends there: as 'error', or as it did if it had ended before that choice.
 * @param workload a fresh one of `job.source`
 * @throws what the workload's set-up throws
 */
export function replayChoices(job: Job, workload: Workload, choices: readonly number[]): Replay {
  const events = new EventLog();
  const lockstep = new Lockstep({ ...job, maxSteps: Number.POSITIVE_INFINITY }, silent(workload));
  const { machine } = lockstep;
  lockstep.start();
  machine.state.events = events;
  const recorder = Recorder.create(choices.length);
  let outcome: Outcome | undefined;
  let diverged: Replay['diverged'];
  for (const [at, choice] of choices.entries()) {
    const why = outcome === undefined ? obstacle(lockstep, choice) : `the run had ended before: ${outcome}`;
    if (why !== undefined) {
      diverged = { at, why };
      break;
    }
    outcome = lockstep.take(choice);
    recorder.append(choice, events);
  }
  const { digest } = recorder.recording();
  if (diverged) {
    const result = lockstep.result(outcome ?? 'error');
    return { result: { ...result, error: result.error ?? diverged.why }, digest, diverged };
  }
  outcome ??= whatIsLeft(lockstep);
  return { result: lockstep.result(outcome), digest };
}

/** The workload, except that no event tells what it looks at in the end: on threads that is no choice's. */
function silent(workload: Workload): Workload {
  const copy = Object.create(workload) as Workload;
  copy.finish = (machine, layout, checker) => {
    machine.state.events = null;
    workload.finish?.(machine, layout, checker);
  };
  return copy;
}

/** Why a choice cannot be taken now; undefined if it can. */
function obstacle({ view }: Lockstep, choice: number): string | undefined {
  if (!Number.isInteger(choice) || choice < 0) return `${choice} is no choice`;
  if (choice >= FIRST_ACTION)
    return view.agents.isEnabled(choice) ? undefined : `action ${choice} would change nothing`;
  const runner = view.runners[choice];
  if (runner === undefined) return `there is no CPU ${choice}`;
  return runner.isReady() ? undefined : `CPU ${choice} is not ready`;
}

/** How the run ended after its last choice: by a deadlock that threads see when they go to sleep, or by a limit. */
function whatIsLeft(lockstep: Lockstep): Outcome {
  const { state } = lockstep.machine;
  // Waits for each other name fewer CPUs than all that wait: they come first, as on threads.
  if (firstWaitCycle(state)) {
    lockstep.lookForCycles();
    return 'deadlock';
  }
  const stuck = lockstep.view.runners.every((runner) => !runner.isReady()) && nobodyCanMove(state);
  return (stuck ? lockstep.take(-1) : undefined) ?? 'step-limit';
}
