/**
 * What a test expects of a scenario: its schedules are explored in this thread, and what is found is told with
 * the smallest run that shows it.
 */
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Execution } from '../explore/execution.ts';
import { type ExploreReport, explore, type Strategy } from '../explore/explorer.ts';
import { Policy } from '../explore/policy.ts';
import { type Failure, signatureOf } from '../explore/shard.ts';
import { shrink } from '../explore/shrink.ts';
import { timeline } from '../explore/timeline.ts';
import type { Replay } from '../explore/token.ts';
import type { Platform } from '../machine/platform.ts';
import { counterexampleText } from '../report/explore-text.ts';
import { pasted } from '../report/text.ts';
import { timelineText } from '../report/timeline-text.ts';
import { scenarios } from '../scenarios/index.ts';
import { findVariant, type Scenario, smallSizeOf } from '../scenarios/scenario.ts';
import { fromToken } from './from-token.ts';
import { jobOf, makePlan, type Plan, platformOf, workloadOf } from './plan.ts';
import { counterexampleOf, defaultBudgets, exploreLimits, replayTwice } from './search.ts';

/** How schedules are explored for an expectation. */
export interface CoherencyOptions {
  /** Default: the first variant that is to show what the expectation is about, otherwise the first. */
  readonly variant?: string;
  readonly cpus?: number;
  /** Name of a built-in platform, or a platform; default: the scenario's choice. */
  readonly platform?: string | Platform;
  readonly parameters?: Readonly<Record<string, string | number>>;
  /** Default: pct. */
  readonly strategy?: Strategy;
  /** Runs to make at most; default: 2,000, and 200,000 for searches that can be complete. */
  readonly runs?: number;
  /** First seed of strategies that sample; default: 1, so that a test does the same every time. */
  readonly seed?: number;
  /** pct: ordering constraints that the bug needs; default: 3. */
  readonly depth?: number;
  /** Every schedule, at the scenario's small size: no answer is a failure. */
  readonly exhaustive?: boolean;
  /** Limit on the steps of a run. */
  readonly maxSteps?: number;
}

const EXHAUSTIVE_RUNS = 200_000;
const SAMPLED_RUNS = 2_000;
const SHRINK_RUNS = 5_000;
const TABLE_WIDTH = 110;

/** What was explored, and how. */
export interface Explored {
  readonly plan: Plan;
  readonly on: Execution;
  readonly report: ExploreReport;
}

/** @param goal state that is looked for: the search ends with it */
export async function exploreFor(
  scenario: Scenario,
  usual: string | undefined,
  options: CoherencyOptions,
  goal?: string,
): Promise<Explored> {
  const { exhaustive = false, seed = 1, depth = 3 } = options;
  const strategy = exhaustive ? 'dpor' : (options.strategy ?? 'pct');
  const variant = findVariant(scenario, options.variant ?? usual ?? scenario.variants[0].name);
  const small = exhaustive ? smallSizeOf(scenario, variant, options.parameters ?? {}) : undefined;
  const { platform } = options;
  const plan = makePlan({
    scenario,
    variant,
    platform: platform === undefined ? undefined : platformOf(platform, 'the platform'),
    cpus: options.cpus ?? small?.cpus,
    given: { ...small?.parameters, ...options.parameters },
  });
  const budgets = { ...defaultBudgets(plan), ...small?.budgets };
  const job = jobOf(plan, exploreLimits(plan, options.maxSteps, goal), seed);
  const on = new Execution(job, await workloadOf(plan, job), budgets);
  const samples = strategy === 'pct' || strategy === 'random';
  const runs = options.runs ?? (samples ? SAMPLED_RUNS : EXHAUSTIVE_RUNS);
  const most = { preemptions: 2, delays: 2 };
  const report = await explore(job, { strategy, seed, runs, depth, budgets, most, workers: 0 });
  return { plan, on, report };
}

/** What became of the schedule of a token. */
export interface Replayed {
  readonly plan: Plan;
  readonly on: Execution;
  /** What was taken. */
  readonly choices: readonly number[];
  readonly signature: string;
}

/**
 * Follows the schedule of a token on a scenario that may have changed since.
 * @throws ScenarioError if it cannot be run like that any more
 */
export async function replayOn(scenario: Scenario, token: Replay): Promise<Replayed> {
  const { plan, on } = await fromToken(scenario, token);
  const choices = follow(on, token.choices);
  return { plan, on, choices, signature: signatureOf(on) ?? 'finished' };
}

/** Takes the choices that can be taken, and goes on without interference. @returns what was taken */
function follow(on: Execution, choices: readonly number[]): number[] {
  const taken: number[] = [];
  const policy = new Policy();
  on.restart();
  const take = (choice: number, otherwise: number) => {
    policy.note(on, choice, otherwise);
    taken.push(choice);
    on.take(choice);
  };
  for (const choice of choices) {
    if (on.outcome === undefined && on.canTake(choice)) take(choice, policy.choose(on));
  }
  while (on.outcome === undefined) {
    const choice = policy.choose(on);
    if (choice < 0) on.conclude();
    else take(choice, choice);
  }
  return taken;
}

/** @throws Error if what was explored does not say whether there is a violation */
export function demandAnswer({ plan, report }: Explored, { exhaustive }: CoherencyOptions): void {
  const [failure] = report.failures;
  if (failure) throw new Error(`${nameOf(plan)}: no answer: a run ended with '${failure.signature}'`);
  if (!exhaustive || report.complete) return;
  throw new Error(
    `${nameOf(plan)}: no answer: the limit of ${report.runs + report.redundant} runs came before every schedule had been explored: raise 'runs', or make the small size smaller`,
  );
}

/** The smallest schedule that fails like this, and why it does. */
export function explained({ plan, on }: Explored, { choices, signature }: Failure): string {
  const shrunk = shrink(on, choices, signature, SHRINK_RUNS);
  replayTwice(on, shrunk.choices, signature);
  return exampleText(plan, on, shrunk.choices, shrunk);
}

/** @param choices that the execution has just taken */
export function exampleText(
  plan: Plan,
  on: Execution,
  choices: readonly number[],
  shrunk?: ReturnType<typeof shrink>,
): string {
  const example = counterexampleOf(plan, referenceOf(plan.scenario), on, choices, on.result());
  const plain = { colour: false };
  const table = timelineText(timeline(on, choices), plain, TABLE_WIDTH);
  const shown = shrunk ? { ...example, shrunk } : example;
  return `${counterexampleText(plan, shown, table, plain)}\n\n${pasted('replay', `flushlab replay ${example.token}`)}`;
}

/** What a command line calls a scenario by. */
function referenceOf(scenario: Scenario): string {
  if (scenarios.includes(scenario)) return scenario.name;
  const path = relative(process.cwd(), fileURLToPath(scenario.module));
  return path.startsWith('.') ? path : `./${path}`;
}

export function nameOf({ scenario, variant, platform, cpus }: Plan): string {
  return `${scenario.name}, variant ${variant.name}, on ${platform.name} with ${cpus} CPUs`;
}
