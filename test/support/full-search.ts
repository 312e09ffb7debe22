/** Every schedule there is, one after the other: what cleverer searches are measured against. */
import type { Execution } from '../../src/explore/execution.ts';

/**
 * Runs every sequence of enabled choices to its end. Goes back by starting again.
 * @param most schedules to give up after
 * @param onRun told of each run that came to an end, while the machine is as that run left it
 * @returns how many schedules there are, or undefined if there are more than `most`
 */
export function searchFully(execution: Execution, most: number, onRun: () => void): number | undefined {
  /** What could have been chosen at each point of the run, and which of it was. */
  const path: { enabled: number[]; at: number }[] = [];
  for (let schedules = 1; schedules <= most; schedules++) {
    execution.restart();
    for (const { enabled, at } of path) execution.take(enabled[at]);
    while (execution.outcome === undefined) {
      path.push({ enabled: execution.enabled.slice(0, execution.enabledCount), at: 0 });
      execution.take(execution.enabled[0]);
    }
    onRun();
    while (path.length > 0 && path[path.length - 1].at + 1 === path[path.length - 1].enabled.length)
      path.pop();
    if (path.length === 0) return schedules;
    path[path.length - 1].at++;
  }
  return undefined;
}
