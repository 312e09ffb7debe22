/**
 * Serialized runs on threads: whoever has the turn lets a CPU or an agent act, all others wait. What happens
 * under it happens in one order, so it can be recorded and taken again on lockstep; for that everything that
 * lockstep does with a choice is done here too before the turn is given up.
 */
import { EventLog } from '../machine/events.ts';
import { acquireLock, releaseLock } from '../machine/locks.ts';
import { GLOBAL, STOP_ERROR, STOP_NONE } from '../machine/registers.ts';
import { waitCycle } from './deadlock.ts';
import type { Recorder } from './recording.ts';
import type { CpuRunner } from './runner.ts';
import type { Session } from './session.ts';
import { programEnded, stopForDeadlock, stopRun } from './stop.ts';

export class Turns {
  private readonly session: Session;
  private readonly runner: CpuRunner;
  private readonly recorder: Recorder | null;
  private readonly events = new EventLog();
  private readonly global: Int32Array;

  /** The runner's program must have been started: what that does belongs to no choice. */
  constructor(session: Session, runner: CpuRunner, recorder: Recorder | null) {
    this.session = session;
    this.runner = runner;
    this.recorder = recorder;
    this.global = session.machine.state.global;
    if (recorder) session.machine.state.events = this.events;
  }

  /** Waits for the turn. Returns false, without it, if the run has stopped: nobody acts any more. */
  take(): boolean {
    acquireLock(this.global, GLOBAL.TURN);
    if (this.goesOn) return true;
    this.give();
    return false;
  }

  give(): void {
    releaseLock(this.global, GLOBAL.TURN);
  }

  /** The run has not stopped; what has the turn may have stopped it. */
  get goesOn(): boolean {
    return Atomics.load(this.global, GLOBAL.STOP) === STOP_NONE;
  }

  /** Lets an agent act. The turn is held. */
  perform(choice: number): void {
    try {
      this.session.machine.agents.perform(choice);
    } catch (thrown) {
      // Before somebody else has a turn.
      stopRun(this.session.machine.state, STOP_ERROR);
      throw thrown;
    } finally {
      this.recorder?.append(choice, this.events);
    }
  }

  /** Takes this thread's CPU's next step. The turn is held, and the CPU is ready. */
  step(): void {
    const { session, runner } = this;
    const { state } = session.machine;
    const { index } = runner.cpu;
    const was = runner.finished;
    try {
      runner.step();
      if (runner.finished && !was) programEnded(session);
      else if (runner.isBlocked) {
        const cycle = waitCycle(state, index);
        if (cycle) stopForDeadlock(session, cycle);
      }
    } catch (thrown) {
      stopRun(state, STOP_ERROR);
      throw thrown;
    } finally {
      this.recorder?.append(index, this.events);
    }
  }
}
