/**
 * Probabilistic concurrency testing: Burckhardt, Kothari, Musuvathi, Nagarakatte, "A randomized scheduler with
 * probabilistic guarantees of finding bugs", ASPLOS 2010. Every actor has a random priority and the highest
 * one that is enabled moves; at d-1 random steps the one that moves falls below all others.
 *
 * Deviation: an actor is a CPU or one agent of one CPU, and comes to life at its first action, when it gets
 * its priority. The bound counts actors instead of threads.
 */
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import type { Chooser } from './chooser.ts';
import type { Execution } from './execution.ts';

export class Pct implements Chooser {
  private readonly random: RandomGenerator;
  private readonly priorities = new Map<number, number>();
  /** Steps at which whoever moves falls, ascending. */
  private readonly changes: number[];
  private step = 0;
  private fallen = 0;

  /**
   * @param depth ordering constraints that the bug needs, from 1
   * @param lengthSteps steps of a run, about
   */
  constructor(seed: number, depth: number, lengthSteps: number) {
    this.random = xoroshiro128plus(seed);
    this.changes = Array.from({ length: depth - 1 }, () => this.draw() % Math.max(1, lengthSteps));
    this.changes.sort((a, b) => a - b);
  }

  next(on: Execution): number {
    let best = this.highest(on);
    while (this.fallen < this.changes.length && this.changes[this.fallen] <= this.step) {
      this.fallen++;
      this.priorities.set(best, -this.fallen);
      best = this.highest(on);
    }
    this.step++;
    return best;
  }

  private highest({ enabled, enabledCount }: Execution): number {
    let best = enabled[0];
    let highest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < enabledCount; i++) {
      const priority = this.priorityOf(enabled[i]);
      if (priority <= highest) continue;
      highest = priority;
      best = enabled[i];
    }
    return best;
  }

  private priorityOf(actor: number): number {
    const known = this.priorities.get(actor);
    if (known !== undefined) return known;
    const drawn = this.draw();
    this.priorities.set(actor, drawn);
    return drawn;
  }

  private draw(): number {
    return this.random.next() >>> 0;
  }
}

/** Least probability that one run shows a bug of this depth: 1 / (n k^(d-1)). */
export function pctBound(actors: number, lengthSteps: number, depth: number): number {
  return 1 / (actors * lengthSteps ** (depth - 1));
}
