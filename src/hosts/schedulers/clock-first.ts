/**
 * Smallest local clock first: a discrete-event simulation in which every CPU and every agent with a time
 * of its own acts when its time comes. The reference for every cost that is quoted.
 */
import { TIME } from '../../machine/registers.ts';
import type { CpuRunner } from '../runner.ts';
import type { Scheduler, SchedulerView } from './scheduler.ts';

export class ClockFirst implements Scheduler {
  readonly name = 'clock';
  /** The runners that the last choice was among, and their clocks. */
  private runners: readonly CpuRunner[] = [];
  private times: readonly Float64Array[] = [];

  next(view: SchedulerView): number {
    const { runners, agents } = view;
    const { progress } = agents;
    if (runners !== this.runners) this.meet(runners);
    const { times } = this;
    let choice = -1;
    let earliest = Number.POSITIVE_INFINITY;
    for (let cpu = 0; cpu < times.length; cpu++) {
      // Nobody is ready before its own clock: most CPUs need no closer look.
      if (times[cpu][TIME.CLOCK] >= earliest) continue;
      const runner = runners[cpu];
      if (!runner.isReady()) continue;
      const at = runner.readyAtCycles();
      if (at < earliest) {
        earliest = at;
        choice = cpu;
      }
    }
    progress.findEarliest();
    return progress.earliestCycles <= earliest && progress.earliestChoice >= 0
      ? progress.earliestChoice
      : choice;
  }

  private meet(runners: readonly CpuRunner[]): void {
    this.runners = runners;
    this.times = runners.map((runner) => runner.cpu.hw.time);
  }
}
