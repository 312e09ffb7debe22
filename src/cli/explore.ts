/** flushlab explore and flushlab verify: the schedules of a scenario, a sample of them or all. */
import { writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { Execution } from '../explore/execution.ts';
import type { Strategy } from '../explore/explorer.ts';
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
import { labelled, plural, thousands } from '../report/text.ts';
import { loadScenario } from '../scenarios/load-scenario.ts';
import { EXIT, UsageError } from './errors.ts';
import {
  type ExploreFlags,
  planFor,
  searchOptions,
  withSearchOptions,
  withStrategyOptions,
} from './explore-options.ts';
import { drawSeed, SCENARIO_ARGUMENT } from './options.ts';
import { complain, Interrupt, Progress, print, stdoutStyle, stdoutWidth } from './terminal.ts';

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
  const options = searchOptions(plan, name, flags, strategy, flags.seed ?? (isSmall ? 1 : drawSeed()));
  if (flags.json !== true) print(exploreHead(plan, options, stdoutStyle));
  const found = await searchWithProgress(plan, options, flags.quiet === true);
  if (found instanceof NotReproducible) {
    complain(`${found.message}; this is a fault: nothing that was found can be relied on`);
    return EXIT.FAULT;
  }
  const { report, counterexample } = found;
  const save = counterexample && saveToken(counterexample, flags.save);
  const lines = counterexample && (await timelineOf(options, counterexample));
  if (flags.json === true) print(toJson(exploreReport(plan, options, found, lines)));
  else {
    print(exploreBody(plan, options, report, stdoutStyle));
    if (counterexample && lines) {
      const { plan: size } = counterexample;
      if (size !== plan) print(`\n${labelled('smaller', sizeText(size)).join('\n')}`);
      const table = isLimit(counterexample) ? '' : tableText(lines, stdoutStyle, stdoutWidth());
      print(counterexampleText(plan, counterexample, table, stdoutStyle));
      print(replayLines(counterexample.token, save));
    } else if (isSmall && report.complete) print(verifiedText(report.runs));
  }
  return exitCode(found, strategy);
}

/** A size at which the same goes wrong. */
function sizeText({ cpus, parameters }: Plan): string {
  const set = Object.entries(parameters).map(([name, value]) => `${name}=${value}`);
  return `it also fails with ${plural(cpus, 'CPU')}, ${set.join(' ')}: shown from here on`;
}

/** The run was cut off: what it did until then explains nothing. */
function isLimit({ signature }: Counterexample): boolean {
  return signature === 'step-limit';
}

function verifiedText(runs: number): string {
  return `  verified at this size: ${thousands(runs)} schedules stand for all`;
}

async function searchWithProgress(
  plan: Plan,
  options: SearchOptions,
  quiet: boolean,
): Promise<Found | NotReproducible> {
  const progress = new Progress(quiet);
  const interrupt = new Interrupt(async () => {});
  const began = performance.now();
  const onProgress = (runs: number, failures: number) => {
    const rate = (runs / (performance.now() - began)) * 1000;
    progress.show(`${thousands(runs)} schedules, ${thousands(rate)}/s, ${failures} ways to fail`);
    return !interrupt.interrupted;
  };
  try {
    return await search(plan, { ...options, onProgress });
  } catch (error) {
    if (error instanceof NotReproducible) return error;
    throw error;
  } finally {
    interrupt.dispose();
    progress.clear();
  }
}

/** @throws UsageError */
function saveToken({ token }: Counterexample, path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    writeFileSync(path, `${token}\n`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`--save ${path}: cannot be written (${code}): name a file in a folder that exists`);
  }
  return path;
}

async function timelineOf(options: SearchOptions, { plan, choices }: Counterexample) {
  const job = jobOf(plan, exploreLimits(plan, options.maxSteps), options.seed);
  return timeline(new Execution(job, await loadWorkload(job), options.budgets), choices);
}

function exitCode({ report }: Found, strategy: Strategy): number {
  const { failures, complete, stopped } = report;
  if (failures.some(({ signature }) => isViolation(signature))) return EXIT.VIOLATION;
  if (failures.some(({ signature }) => signature.startsWith('error'))) return EXIT.FAULT;
  if (stopped) return EXIT.INTERRUPTED;
  if (failures.length > 0) return EXIT.BOUND;
  return complete || strategy === 'pct' || strategy === 'random' ? EXIT.OK : EXIT.BOUND;
}
