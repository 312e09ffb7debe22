/** What exploring schedules has found, as plain data. */
import type { Timeline } from '../explore/timeline.ts';
import type { Plan } from '../lab/plan.ts';
import type { Counterexample, Found, SearchOptions } from '../lab/search.ts';
import { findState, statesOf } from '../scenarios/scenario.ts';
import { findingsReport, planReport } from './json.ts';

/** An exploration. Nothing in it depends on the number of workers or on the wall clock. */
export function exploreReport(
  command: 'explore' | 'verify',
  plan: Plan,
  options: SearchOptions,
  { report, witnesses, counterexample }: Found,
  lines: Timeline | undefined,
) {
  const { strategy, seed, runs, depth, budgets, most, goal } = options;
  const { failures, reached, ...figures } = report;
  const must = statesOf(plan.scenario, plan.variant.name);
  return {
    command,
    ...planReport(plan),
    seed,
    goal,
    limits: { runs, depth, budgets, most: strategy === 'bounded' ? most : undefined },
    ...figures,
    failures: failures.map(({ signature, count, seed: first }) => ({ signature, count, seed: first })),
    ...(reached.length > 0 && {
      reached: reached.map(({ name, count, seed: first }) => ({
        state: name,
        title: findState(plan.scenario, name).title,
        mustBe: must.includes(name),
        count,
        seed: first,
        ...(count > 0 && { witness: witnesses.find(({ state }) => state === name) }),
      })),
    }),
    ...(counterexample && {
      [goal === undefined ? 'counterexample' : 'witness']: counterexampleReport(counterexample, lines),
    }),
  };
}

/** A schedule that was replayed. */
export function replayReport(plan: Plan, example: Counterexample, lines: Timeline) {
  return { command: 'replay', ...planReport(plan), ...counterexampleReport(example, lines) };
}

function counterexampleReport(example: Counterexample, lines: Timeline | undefined) {
  const { plan, signature, choices, shrunk, result, token } = example;
  const { cpus, parameters } = plan;
  return {
    signature,
    cpus,
    parameters,
    steps: choices.length,
    ...(shrunk && { preemptions: shrunk.preemptions, delays: shrunk.delays, minimal: shrunk.minimal }),
    findings: findingsReport(plan, result),
    unfinished: result.unfinished,
    choices,
    timeline: lines,
    token,
  };
}
