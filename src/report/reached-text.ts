/** States that a scenario declares reachable, as text: which were reached, and what it means that one was not. */
import type { ExploreReport } from '../explore/explorer.ts';
import type { Reached } from '../explore/reached.ts';
import type { Plan } from '../lab/plan.ts';
import type { SearchOptions } from '../lab/search.ts';
import { statesOf } from '../scenarios/scenario.ts';
import { labelled, paint, pasted, type Style, shareText, thousands } from './text.ts';

/** A line for each state that was reached or had to be; of a search for one state, that one. */
export function reachedLines(
  { scenario, variant }: Plan,
  { goal, reference }: SearchOptions,
  report: ExploreReport,
  style: Style,
): string[] {
  const wanted = goal === undefined ? statesOf(scenario, variant.name) : [goal];
  const told = report.reached.filter(
    ({ name, count }) => wanted.includes(name) || (goal === undefined && count > 0),
  );
  const lines = told.flatMap((state) =>
    labelled('state', stateText(state, report, wanted.includes(state.name), style)),
  );
  if (goal !== undefined || told.every(({ count }) => count === 0)) return lines;
  const example = told.find(({ count }) => count > 0)?.name;
  return [
    ...lines,
    pasted('how', `flushlab explore ${reference} --variant ${variant.name} --reach ${example}`),
  ];
}

function stateText(
  { name, count, seed }: Reached,
  report: ExploreReport,
  isWanted: boolean,
  style: Style,
): string {
  if (count > 0) {
    const first = seed === undefined ? '' : `, first with seed ${seed}`;
    const share = shareText(count / Math.max(1, report.runs));
    return `${paint(style, 'green', `'${name}' reached`)} in ${thousands(count)} (${share})${first}`;
  }
  const never = isExhaustive(report)
    ? 'cannot be reached: no schedule leads there'
    : 'not reached in any of these';
  return `'${name}' ${isWanted ? paint(style, 'red', never) : never}`;
}

/** True if what the search has not seen does not exist. Bounded search leaves costlier schedules out. */
export function isExhaustive({ strategy, complete }: ExploreReport): boolean {
  return strategy === 'dpor' && complete;
}
