/** What exploring schedules has found, as plain data. */
import type { Timeline } from '../explore/timeline.ts';
import type { Plan } from '../lab/plan.ts';
import type { Counterexample, Found, SearchOptions } from '../lab/search.ts';
import { findingsReport, planReport } from './json.ts';

/** An exploration. Nothing in it depends on the number of workers or on the wall clock. */
export function exploreReport(
  plan: Plan,
  options: SearchOptions,
  { report, counterexample }: Found,
  lines: Timeline | undefined,
) {
  const { strategy, seed, runs, depth, budgets, most } = options;
  const { failures, ...figures } = report;
  return {
    command: 'explore',
    ...planReport(plan),
    seed,
    limits: { runs, depth, budgets, most: strategy === 'bounded' ? most : undefined },
    ...figures,
    failures: failures.map(({ signature, count, seed: first }) => ({ signature, count, seed: first })),
    ...(counterexample && { counterexample: counterexampleReport(counterexample, lines) }),
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
