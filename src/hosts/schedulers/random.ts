/**
 * Random walk: every enabled CPU is as likely as the other, agents act in between. How eager each agent
 * is, and whether one CPU is held back, is drawn anew every few steps: swarm testing (Groce et al., ISSTA
 * 2012) within a run, because a race that needs one thing fast and another slow hides from any one mix.
 */
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import { progressAction, type Scheduler, type SchedulerView } from './scheduler.ts';

/** Choices between two draws of the mix. */
const MIX_STEPS = 128;
/** Parameters that an agent is tried with before it passes. */
const TRIES = 8;
const WEIGHTS = [0, 1, 4, 16];
/** Weight of CPU steps beside those of the agents. */
const CPU_WEIGHT = 24;

export class RandomWalk implements Scheduler {
  readonly name = 'random';
  private readonly random: RandomGenerator;
  private weights: number[] = [];
  private total = 0;
  private heldBack = -1;
  private left = 0;

  /** @param seed any integer */
  constructor(seed: number) {
    this.random = xoroshiro128plus(seed);
  }

  next(view: SchedulerView): number {
    if (this.left-- === 0) this.mix(view);
    const bits = this.random.next() >>> 0;
    let draw = (bits & 0xffff) % (this.total + CPU_WEIGHT);
    if (draw < this.total) {
      let i = 0;
      while (draw >= this.weights[i]) draw -= this.weights[i++];
      const choice = this.agent(view, i);
      if (choice >= 0) return choice;
    }
    const n = view.runners.length;
    const first = (bits >>> 16) % n;
    for (let i = 0; i < n; i++) {
      const cpu = (first + i) % n;
      if (cpu !== this.heldBack && view.runners[cpu].isReady()) return cpu;
    }
    if (this.heldBack >= 0 && view.runners[this.heldBack].isReady()) return this.heldBack;
    return progressAction(view, first);
  }

  private mix(view: SchedulerView): void {
    this.left = MIX_STEPS;
    this.weights = view.agents.names.map(() => WEIGHTS[(this.random.next() >>> 0) % WEIGHTS.length]);
    this.total = this.weights.reduce((a, b) => a + b, 0);
    const n = view.runners.length;
    const pick = (this.random.next() >>> 0) % (n * 2);
    this.heldBack = pick < n && n > 1 ? pick : -1;
  }

  private agent(view: SchedulerView, index: number): number {
    const bits = this.random.next() >>> 0;
    const n = view.cpus.length;
    for (let i = 0; i < n; i++) {
      const cpu = view.cpus[(bits + i) % n];
      const choice = view.agents.enabledFrom(view.agents.names[index], cpu, bits >>> 16, TRIES);
      if (choice >= 0) return choice;
    }
    return -1;
  }
}
