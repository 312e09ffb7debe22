/**
 * Smallest local clock first: a discrete-event simulation in which every CPU and every agent with a time
 * of its own acts when its time comes. The reference for every cost that is quoted.
 */
import type { Scheduler, SchedulerView } from './scheduler.ts';

export class ClockFirst implements Scheduler {
  readonly name = 'clock';

  next(view: SchedulerView): number {
    let choice = -1;
    let earliest = Number.POSITIVE_INFINITY;
    for (const [cpu, runner] of view.runners.entries()) {
      if (!runner.isReady()) continue;
      const at = runner.readyAtCycles();
      if (at < earliest) {
        earliest = at;
        choice = cpu;
      }
    }
    const agent = view.agents.earliest();
    return agent.dueCycles <= earliest && agent.choice >= 0 ? agent.choice : choice;
  }
}
