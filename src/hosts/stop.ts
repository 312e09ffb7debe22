/** How a run on threads ends: whoever has a reason sets it, the first one counts, and everybody gets up. */
import { CTL, GLOBAL, STOP_DEADLOCK, STOP_DONE, STOP_NONE } from '../machine/registers.ts';
import type { MachineState } from '../machine/state.ts';
import type { Session } from './session.ts';

/** Stops the run, unless it has stopped already. @param reason STOP_* */
export function stopRun(state: MachineState, reason: number): void {
  Atomics.compareExchange(state.global, GLOBAL.STOP, STOP_NONE, reason);
  // A thread that sleeps must see it.
  for (const cpu of state.cpus) {
    Atomics.add(cpu.ctl, CTL.EVENT, 1);
    Atomics.notify(cpu.ctl, CTL.EVENT);
  }
}

/** Stops the run because these CPUs wait for each other. */
export function stopForDeadlock(session: Session, cpus: readonly number[]): void {
  if (session.stop !== STOP_NONE) return;
  session.checker?.deadlocked(cpus);
  stopRun(session.machine.state, STOP_DEADLOCK);
}

/** A CPU's program has ended. Returns true if it was the last one: that stops the run. */
export function programEnded(session: Session): boolean {
  const { state } = session.machine;
  if (Atomics.add(state.global, GLOBAL.ENDED, 1) + 1 < session.job.cpus) return false;
  stopRun(state, STOP_DONE);
  return true;
}
