/** Who takes the next step on the lockstep host. */
import type { Agents } from '../../machine/agents.ts';
import type { CpuState } from '../../machine/cpu-state.ts';
import { progressAgents } from '../job.ts';
import type { CpuRunner } from '../runner.ts';

/** What a scheduler may look at. */
export interface SchedulerView {
  readonly runners: readonly CpuRunner[];
  readonly cpus: readonly CpuState[];
  readonly agents: Agents;
}

export interface Scheduler {
  readonly name: string;
  /** The next choice (see machine/agents.ts for its encoding), or -1 if nothing is enabled. */
  next(view: SchedulerView): number;
}

/** First enabled action of an agent that moves the run on, CPUs in turn from `first`; -1 if none. */
export function progressAction(view: SchedulerView, first: number): number {
  const n = view.cpus.length;
  for (let i = 0; i < n; i++) {
    const cpu = view.cpus[(first + i) % n];
    if (!view.agents.hasProgress(cpu)) continue;
    for (const agent of progressAgents) {
      const choice = view.agents.enabledFrom(agent, cpu, 0, 32);
      if (choice >= 0) return choice;
    }
  }
  return -1;
}
