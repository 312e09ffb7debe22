/** The schedulers of the lockstep host, by name. */
import { ClockFirst } from '../hosts/schedulers/clock-first.ts';
import { RandomWalk } from '../hosts/schedulers/random.ts';
import { RoundRobin } from '../hosts/schedulers/round-robin.ts';
import type { Scheduler } from '../hosts/schedulers/scheduler.ts';

export const schedulerNames = ['random', 'round-robin', 'clock'] as const;
export type SchedulerName = (typeof schedulerNames)[number];

/** @param seed only the random one uses it: any integer */
export function makeScheduler(name: SchedulerName, seed: number): Scheduler {
  if (name === 'clock') return new ClockFirst();
  return name === 'round-robin' ? new RoundRobin() : new RandomWalk(seed);
}
