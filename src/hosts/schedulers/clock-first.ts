/**
 * Smallest local clock first: a discrete-event simulation in which every CPU and every agent with a time
 * of its own acts when its time comes. The reference for every cost that is quoted.
 */
import { TIME } from '../../machine/registers.ts';
import type { Scheduler, SchedulerView } from './scheduler.ts';

export class ClockFirst implements Scheduler {
  readonly name = 'clock';

  next(view: SchedulerView): number {
    const { runners, agents } = view;
    let choice = -1;
    let earliest = Number.POSITIVE_INFINITY;
    for (let cpu = 0; cpu < runners.length; cpu++) {
      const runner = runners[cpu];
      // Nobody is ready before its own clock: most CPUs need no closer look.
      if (runner.cpu.hw.time[TIME.CLOCK] >= earliest || !runner.isReady()) continue;
      const at = runner.readyAtCycles();
      if (at < earliest) {
        earliest = at;
        choice = cpu;
      }
    }
    agents.findEarliest();
    return agents.earliestChoice >= 0 && agents.earliestCycles <= earliest ? agents.earliestChoice : choice;
  }
}
