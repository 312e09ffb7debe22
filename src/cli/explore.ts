/** flushlab explore and flushlab verify: the schedules of a scenario, a sample of them or all. */
import { Command } from 'commander';
import { Execution } from '../explore/execution.ts';
import type { ExploreReport, Strategy } from '../explore/explorer.ts';
import { isViolation } from '../explore/shard.ts';
import { timeline } from '../explore/timeline.ts';
import { loadWorkload } from '../hosts/session.ts';
import { jobOf, type Plan } from '../lab/plan.ts';
import {
  type Counterexample,
  exploreLimits,
  type Found,
  NotReproducible,
  type SearchOptions,
  search,
} from '../lab/search.ts';
import { exploreReport } from '../report/explore-json.ts';
import {
  counterexampleText,
  exploreBody,
  exploreHead,
  replayLines,
  tableText,
} from '../report/explore-text.ts';
import { toJson } from '../report/json.ts';
import { isExhaustive } from '../report/reached-text.ts';
import { labelled, plural, thousands } from '../report/text.ts';
import { loadScenario } from '../scenarios/load-scenario.ts';
import { statesOf } from '../scenarios/scenario.ts';
import { EXIT } from './errors.ts';
import {
  type ExploreFlags,
  planFor,
  searchOptions,
  withSearchOptions,
  withStrategyOptions,
} from './explore-options.ts';
import { Interrupt } from './interrupt.ts';
import { drawSeed, quoted, SCENARIO_ARGUMENT } from './options.ts';
import { writeLine } from './output-file.ts';
import { complain, Progress, print, stdoutStyle, stdoutWidth } from './terminal.ts';

/** @param done takes the exit code */
export function exploreCommand(done: (code: number) => void): Command {
  const command = new Command('explore')
    .description('try schedules of a scenario; exit 1 with the smallest that shows a violation')
    .argument('<scenario>', SCENARIO_ARGUMENT);
  return withSearchOptions(withStrategyOptions(command)).action(async (name: string, flags: ExploreFlags) =>
    done(await exploreOrVerify(name, flags, flags.strategy, false)),
  );
}

/** @param done takes the exit code */
export function verifyCommand(done: (code: number) => void): Command {
  const command = new Command('verify')
    .description('explore every schedule of a scenario at its small size: exit 0 only if none was left out')
    .argument('<scenario>', SCENARIO_ARGUMENT);
  return withSearchOptions(command).action(async (name: string, flags: ExploreFlags) =>
    done(await exploreOrVerify(name, flags, 'dpor', true)),
  );
}

async function exploreOrVerify(
  name: string,
  flags: ExploreFlags,
  strategy: Strategy,
  isSmall: boolean,
): Promise<number> {
  const scenario = await loadScenario(name, process.cwd());
  const plan = planFor(scenario, flags, isSmall);
  // A checkpoint goes on with the seeds it was begun with.
  const usual = isSmall || flags.checkpoint !== undefined ? 1 : drawSeed();
  const options = searchOptions(plan, name, flags, strategy, flags.seed ?? usual, isSmall);
  const found = await searchWithProgress(plan, options, flags);
  if (found instanceof NotReproducible) {
    complain(`${found.message}; this is a fault: nothing that was found can be relied on`);
    return EXIT.FAULT;
  }
  const { report, counterexample } = found;
  if (counterexample && flags.save !== undefined) writeLine('--save', flags.save, counterexample.token);
  const lines = counterexample && (await timelineOf(options, counterexample));
  const command = isSmall ? 'verify' : 'explore';
  if (flags.json === true) print(toJson(exploreReport(command, plan, options, found, lines)));
  else if (counterexample && lines) {
    const { plan: size } = counterexample;
    if (size !== plan) print(`\n${labelled('smaller', sizeText(size, options.goal)).join('\n')}`);
    const table = isLimit(counterexample) ? '' : tableText(lines, stdoutStyle, stdoutWidth());
    print(counterexampleText(plan, counterexample, table, stdoutStyle));
    print(replayLines(counterexample.token, flags.save && quoted(flags.save)));
  } else if (isSmall && exitCode(plan, options, found) === EXIT.OK) print(verifiedText(report.runs));
  return exitCode(plan, options, found);
}

/** A size at which the same happens. */
function sizeText({ cpus, parameters }: Plan, goal: string | undefined): string {
  const set = Object.entries(parameters).map(([name, value]) => `${name}=${value}`);
  const what = goal === undefined ? 'it also fails' : 'it is reached as well';
  return `${what} with ${plural(cpus, 'CPU')}, ${set.join(' ')}: shown from here on`;
}

/** The run was cut off: what it did until then explains nothing. */
function isLimit({ signature }: Counterexample): boolean {
  return signature === 'step-limit';
}

function verifiedText(runs: number): string {
  return `  verified at this size: ${thousands(runs)} schedules stand for all`;
}

/**
 * Searches, and prints what is searched and what was explored. Ctrl-C ends the exploring, and what is known
 * is reported; from then on Ctrl-C ends the process.
 */
async function searchWithProgress(
  plan: Plan,
  options: SearchOptions,
  { json, quiet }: ExploreFlags,
): Promise<Found | NotReproducible> {
  const progress = new Progress(quiet === true);
  const interrupt = new Interrupt();
  if (json !== true) print(exploreHead(plan, options, stdoutStyle));
  const began = performance.now();
  const done = () => {
    interrupt.dispose();
    progress.clear();
  };
  const onProgress = (runs: number, failures: number) => {
    const rate = (runs / (performance.now() - began)) * 1000;
    progress.show(`${thousands(runs)} schedules, ${thousands(rate)}/s, ${plural(failures, 'way')} to fail`);
    return !interrupt.interrupted;
  };
  const onExplored = (report: ExploreReport) => {
    done();
    if (json !== true) print(exploreBody(plan, options, report, stdoutStyle));
  };
  try {
    return await search(plan, { ...options, signal: interrupt.signal, onProgress, onExplored });
  } catch (error) {
    if (error instanceof NotReproducible) return error;
    throw error;
  } finally {
    done();
  }
}

async function timelineOf(options: SearchOptions, { plan, choices }: Counterexample) {
  const job = jobOf(plan, exploreLimits(plan, options.maxSteps, options.goal), options.seed);
  return timeline(new Execution(job, await loadWorkload(job), options.budgets), choices);
}

/** A search for a state answers that question alone; any other also that what must be reachable is. */
function exitCode({ scenario, variant }: Plan, { strategy, goal }: SearchOptions, { report }: Found): number {
  const { failures, complete, stopped } = report;
  const wanted = goal === undefined ? statesOf(scenario, variant.name) : [goal];
  const isMissing = report.reached.some(({ name, count }) => wanted.includes(name) && count === 0);
  if (goal !== undefined && !isMissing) return EXIT.OK;
  if (stopped) return EXIT.INTERRUPTED;
  if (goal === undefined && failures.some(({ signature }) => isViolation(signature))) return EXIT.VIOLATION;
  if (failures.some(({ signature }) => signature.startsWith('error'))) return EXIT.FAULT;
  if (isMissing) return isExhaustive(report) ? EXIT.VIOLATION : EXIT.BOUND;
  if (failures.length > 0) return EXIT.BOUND;
  return complete || strategy === 'pct' || strategy === 'random' ? EXIT.OK : EXIT.BOUND;
}
