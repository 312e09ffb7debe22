/**
 * From a plan to what exploring its schedules says: the ways to fail, and for the first of them the smallest
 * schedule that does, replayed, as a token that anybody can replay.
 */

import { type Budgets, Execution } from '../explore/execution.ts';
import { type ExploreOptions, type ExploreReport, explore } from '../explore/explorer.ts';
import { goalOf, reachedSignature } from '../explore/reached.ts';
import { isViolation, signatureOf } from '../explore/shard.ts';
import { type Shrunk, shrink } from '../explore/shrink.ts';
import { encodeToken, type Replay } from '../explore/token.ts';
import type { Job, RunResult } from '../hosts/job.ts';
import { replayChoices } from '../hosts/replay.ts';
import { loadWorkload } from '../hosts/session.ts';
import type { AgentName } from '../machine/platform.ts';
import { platformByName } from '../platforms/index.ts';
import { smallSizeOf } from '../scenarios/scenario.ts';
import { jobOf, makePlan, type Plan, type RunLimits } from './plan.ts';
import { version } from './version.ts';

/** A schedule that fails. */
export interface Counterexample {
  /** What it is a schedule of: a smaller size than was explored, if that fails alike. */
  readonly plan: Plan;
  readonly signature: string;
  readonly choices: readonly number[];
  /** Undefined for a schedule that was not shrunk. */
  readonly shrunk?: Shrunk;
  readonly result: RunResult;
  readonly token: string;
}

/** A run that comes to a state that the scenario declares reachable, and ends there. */
export interface Witness {
  readonly state: string;
  readonly steps: number;
  readonly token: string;
}

export interface Found {
  readonly report: ExploreReport;
  /** For each state that was reached the first run, as it was found. */
  readonly witnesses: readonly Witness[];
  /** Of the first way to fail, if there is any; of the state that was looked for, if it was reached. */
  readonly counterexample?: Counterexample;
}

/** Taking the same choices again did not do the same: a fault of flushlab or of a program with state of its own. */
export class NotReproducible extends Error {}

/**
 * A run that was recorded on threads, as the schedule of a lockstep machine.
 * @throws NotReproducible if the schedule does not do there what it did on threads
 */
export async function recordedExample(
  plan: Plan,
  job: Job,
  recorded: RunResult,
  reference: string,
): Promise<Counterexample> {
  const { recording } = recorded;
  if (!recording || recording.truncated) throw new NotReproducible('the run was too long to be recorded');
  const { result, digest, diverged } = replayChoices(job, await loadWorkload(job), recording.choices);
  const seen = result.findings[0]?.kind ?? result.outcome;
  if (diverged || digest !== recording.digest) {
    throw new NotReproducible(
      `the recorded schedule went another way on lockstep${diverged ? ` (step ${diverged.at}: ${diverged.why})` : ''}`,
    );
  }
  const kind = recorded.findings[0]?.kind ?? recorded.outcome;
  if (seen !== kind) throw new NotReproducible(`recorded on threads: ${kind}; replayed on lockstep: ${seen}`);
  const exploreJob = jobOf(
    plan,
    exploreLimits(plan, Math.max(DEFAULT_EXPLORE_STEPS, recording.choices.length + 1)),
    job.seed,
  );
  const on = new Execution(exploreJob, await loadWorkload(exploreJob), ANYTHING);
  replay(on, recording.choices);
  return counterexampleOf(plan, reference, on, recording.choices, on.result());
}

/** Limits of a run whose schedule is explored. @param goal state that ends it */
export function exploreLimits(plan: Plan, maxSteps?: number, goal?: string): RunLimits {
  return {
    checked: true,
    keepGoing: false,
    quantumCycles: 1e9,
    maxSteps: maxSteps ?? Math.min(plan.scenario.maxSteps, DEFAULT_EXPLORE_STEPS),
    maxSeconds: 3600,
    ...(goal !== undefined && { goal }),
  };
}

/** A run of a race is short: one that is not goes round in circles. */
const DEFAULT_EXPLORE_STEPS = 20_000;

/** Budgets of a given schedule, which may have more of what disturbs than a search would. */
export const ANYTHING: Budgets = { walk: 1e9, prefetch: 1e9, evict: 1e9 };

/** Agents that disturb act once in a run where they can matter. */
export function defaultBudgets(plan: Plan): Budgets {
  const { platform } = plan;
  const { coherence, l1d, mmu, agents } = platform;
  const matters = coherence === 'none' || l1d.organisation === 'vivt' || mmu.walkerReads === 'memory';
  const once = (agent: AgentName, wanted: boolean) => (wanted && agents.includes(agent) ? 1 : 0);
  return { walk: once('walk', true), prefetch: once('prefetch', matters), evict: once('evict', matters) };
}

export interface SearchOptions extends ExploreOptions {
  /** What the scenario is called by: its name, or the path of its module. */
  readonly reference: string;
  readonly maxSteps?: number | undefined;
  /** Runs that shrinking may take; 0: leave the schedule as it was found. */
  readonly shrinkRuns: number;
  /** State of the scenario that is looked for: the search ends with it. */
  readonly goal?: string | undefined;
  /** Told of what was explored, before a counterexample is made of it. */
  onExplored?(report: ExploreReport): void;
}

/**
 * Explores, and makes a counterexample of the first failure, or of the state that is looked for.
 * @throws NotReproducible if the failure does not happen again under its own schedule
 */
export async function search(plan: Plan, options: SearchOptions): Promise<Found> {
  const job = jobOf(plan, exploreLimits(plan, options.maxSteps, options.goal), options.seed);
  const report = await explore(job, options);
  options.onExplored?.(report);
  const failure = sought(report, options.goal);
  const known = { report, witnesses: await witnessesOf(plan, options, report) };
  if (!failure) return known;
  const on = new Execution(job, await loadWorkload(job), options.budgets);
  const first = replayTwice(on, failure.choices, failure.signature);
  const canShrink = options.shrinkRuns > 0 && canBeShrunk(failure.signature);
  if (!canShrink)
    return {
      ...known,
      counterexample: counterexampleOf(plan, options.reference, on, failure.choices, first),
    };
  const shrunk = shrink(on, failure.choices, failure.signature, options.shrinkRuns);
  const smaller = await atSmallSize(plan, options, failure.signature, shrunk);
  if (smaller) return { ...known, counterexample: smaller };
  const result = replayTwice(on, shrunk.choices, failure.signature);
  return {
    ...known,
    counterexample: { ...counterexampleOf(plan, options.reference, on, shrunk.choices, result), shrunk },
  };
}

async function witnessesOf(
  plan: Plan,
  { reference, maxSteps, seed, budgets }: SearchOptions,
  { reached }: ExploreReport,
): Promise<Witness[]> {
  const witnesses: Witness[] = [];
  for (const { name: state, choices } of reached.filter(({ count }) => count > 0)) {
    const job = jobOf(plan, exploreLimits(plan, maxSteps, state), seed);
    const on = new Execution(job, await loadWorkload(job), budgets);
    const result = replayTwice(on, choices, reachedSignature(state));
    const steps = on.choices;
    const { token } = counterexampleOf(plan, reference, on, choices.slice(0, steps), result);
    witnesses.push({ state, steps, token });
  }
  return witnesses;
}

/** What the search was for: the first failure, or the goal if there is one. */
function sought({ failures, reached }: ExploreReport, goal: string | undefined) {
  if (goal === undefined) return failures[0];
  const found = reached.find(({ name, count }) => name === goal && count > 0);
  return found && { signature: reachedSignature(goal), choices: found.choices };
}

/** Is there a smallest schedule that ends like this? */
export function canBeShrunk(signature: string): boolean {
  return isViolation(signature) || goalOf(signature) !== undefined;
}

/** The same failure with fewer CPUs or less to do, if it costs no more there. */
async function atSmallSize(
  plan: Plan,
  options: SearchOptions,
  signature: string,
  than: Shrunk,
): Promise<Counterexample | undefined> {
  const small = smallPlan(plan);
  if (!small) return undefined;
  const job = jobOf(small, exploreLimits(small, options.maxSteps, options.goal), options.seed);
  const most = { preemptions: than.preemptions, delays: than.delays };
  const runs = Math.min(options.shrinkRuns, SMALL_RUNS);
  const rest = { checkpoint: undefined, signal: undefined, onProgress: () => true };
  const report = await explore(job, {
    ...options,
    ...rest,
    strategy: 'bounded',
    runs,
    most,
    workers: 0,
  });
  const candidates = [...report.failures, sought(report, options.goal)];
  const failure = candidates.find((other) => other?.signature === signature);
  if (!failure) return undefined;
  const on = new Execution(job, await loadWorkload(job), options.budgets);
  const shrunk = shrink(on, failure.choices, signature, options.shrinkRuns);
  if (shrunk.choices.length > than.choices.length) return undefined;
  const result = replayTwice(on, shrunk.choices, signature);
  return { ...counterexampleOf(small, options.reference, on, shrunk.choices, result), shrunk };
}

/** The plan at its scenario's small size; undefined if that is no smaller. */
function smallPlan(plan: Plan): Plan | undefined {
  const { scenario, variant, platform } = plan;
  const small = smallSizeOf(scenario, variant, plan.parameters);
  if (!small || scenario.adapt) return undefined;
  const given = { ...plan.parameters, ...small.parameters };
  const cpus = Math.min(plan.cpus, Math.max(small.cpus ?? scenario.minCpus, variant.minCpus ?? 0));
  const smaller = makePlan({ scenario, variant, platform, cpus, given });
  return cpus === plan.cpus && isSame(smaller.parameters, plan.parameters) ? undefined : smaller;
}

const isSame = (a: object, b: object) => JSON.stringify(a) === JSON.stringify(b);

/** Runs spent on the question whether fewer CPUs do as well. */
const SMALL_RUNS = 5000;

/** Describes a schedule that has just been replayed. */
export function counterexampleOf(
  plan: Plan,
  reference: string,
  on: Execution,
  choices: readonly number[],
  result: RunResult,
): Counterexample {
  const signature = signatureOf(on) ?? 'finished';
  return {
    plan,
    signature,
    choices,
    result,
    token: encodeToken(replayOf(plan, reference, on, signature, choices)),
  };
}

function replayOf(
  plan: Plan,
  reference: string,
  on: Execution,
  signature: string,
  choices: readonly number[],
): Replay {
  const { variant, platform, cpus, parameters } = plan;
  return {
    version,
    scenario: reference,
    variant: variant.name,
    platform: platformByName(platform.name) === platform ? platform.name : platform,
    cpus,
    parameters,
    seed: on.job.seed,
    maxSteps: on.job.maxSteps,
    signature,
    choices,
  };
}

/**
 * Takes the choices twice and compares every event.
 * @throws NotReproducible
 */
export function replayTwice(on: Execution, choices: readonly number[], signature: string): RunResult {
  replay(on, choices);
  const events = on.events.words.slice(0, on.events.length);
  const seen = signatureOf(on) ?? 'finished';
  if (seen !== signature)
    throw new NotReproducible(`replayed, the run ended with '${seen}', not '${signature}'`);
  const result = on.result();
  replay(on, choices);
  const again = on.events.words.subarray(0, on.events.length);
  const at = events.findIndex((word, i) => word !== again[i]);
  if (at >= 0 || events.length !== again.length) {
    throw new NotReproducible(
      'the same choices did not lead to the same events: a program keeps state outside of its generator, or flushlab does',
    );
  }
  return result;
}

/** Takes choices from the beginning, as far as they can be taken, and ends the run. */
export function replay(on: Execution, choices: readonly number[]): void {
  on.restart();
  for (const choice of choices) {
    if (on.outcome !== undefined || !on.canTake(choice)) break;
    on.take(choice);
  }
  on.conclude();
}
