/**
 * Random walk: whatever is enabled is as likely as anything else. Thomson, Donaldson, Betts, "Concurrency
 * testing using schedule bounding: an empirical study", PPoPP 2014, found it hard to beat.
 */
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import type { Chooser } from './chooser.ts';
import type { Execution } from './execution.ts';

export class UniformWalk implements Chooser {
  private readonly random: RandomGenerator;

  constructor(seed: number) {
    this.random = xoroshiro128plus(seed);
  }

  next({ enabled, enabledCount }: Execution): number {
    return enabled[(this.random.next() >>> 0) % enabledCount];
  }
}
