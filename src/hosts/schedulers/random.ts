/** Random walk: every enabled CPU is as likely as the other, agents act at a given rate. */
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { progressAction, type Scheduler, type SchedulerView } from './scheduler.ts';

/** Parameters that an agent is tried with before it passes. */
const TRIES = 8;

export class RandomWalk implements Scheduler {
  readonly name = 'random';
  private readonly random: RandomGenerator;
  private readonly agentShare: number;

  /**
   * @param seed any integer
   * @param agentRate probability that a choice goes to an agent first
   */
  constructor(seed: number, agentRate = 0.3) {
    this.random = xoroshiro128plus(seed);
    this.agentShare = Math.round(agentRate * 0x1_0000);
  }

  next(view: SchedulerView): number {
    const bits = this.random.next() >>> 0;
    if ((bits & 0xffff) < this.agentShare) {
      const choice = this.agent(view);
      if (choice >= 0) return choice;
    }
    const n = view.runners.length;
    const first = (bits >>> 16) % n;
    for (let i = 0; i < n; i++) {
      const cpu = (first + i) % n;
      if (view.runners[cpu].isReady()) return cpu;
    }
    return progressAction(view, first);
  }

  private agent(view: SchedulerView): number {
    const { names } = view.agents;
    if (names.length === 0) return -1;
    const bits = this.random.next() >>> 0;
    const agent = names[(bits & 0xff) % names.length];
    const cpu = view.cpus[((bits >>> 8) & 0xff) % view.cpus.length];
    return view.agents.enabledFrom(agent, cpu, bits >>> 16, TRIES);
  }
}
