/** What a CPU that waits is waiting for, by the state that it has said it is in (CTL.RUN). */
import { CTL, RUN_BARRIER, RUN_IDLE, RUN_WATCH } from '../machine/registers.ts';

/**
 * It has happened: a store to the line that the CPU watches, the completion of its broadcasts, or the interrupt that it
 * sleeps for, masked or not. False for a CPU that runs, or has ended.
 */
export function isAnswered(ctl: Int32Array): boolean {
  switch (Atomics.load(ctl, CTL.RUN)) {
    case RUN_WATCH:
      return Atomics.load(ctl, CTL.WATCH_HIT) !== 0;
    case RUN_BARRIER:
      return Atomics.load(ctl, CTL.OUTSTANDING) === 0;
    case RUN_IDLE:
      return Atomics.load(ctl, CTL.IRQ_PENDING) !== 0;
    default:
      return false;
  }
}
