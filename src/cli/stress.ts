/** flushlab stress: many runs with consecutive seeds. */
import { Command } from 'commander';
import { ThreadsHost } from '../hosts/threads.ts';
import { LockstepPool } from '../lab/lockstep-pool.ts';
import { jobOf, type Plan } from '../lab/plan.ts';
import { NotReproducible, recordedExample } from '../lab/search.ts';
import { behaved, type StressHost, stressVariant, type Tally } from '../lab/stress.ts';
import { turnsOf } from '../lab/turns.ts';
import { stressReport, toJson } from '../report/json.ts';
import { stressJunit, stressMarkdown } from '../report/stress-junit.ts';
import { type Skipped, stressText } from '../report/stress-text.ts';
import { labelled, pasted, plural } from '../report/text.ts';
import { loadScenario } from '../scenarios/load-scenario.ts';
import { findVariant, type Scenario, ScenarioError } from '../scenarios/scenario.ts';
import { EXIT, UsageError } from './errors.ts';
import { Interrupt } from './interrupt.ts';
import {
  drawSeed,
  integer,
  limitsOf,
  quoted,
  type RunFlags,
  resolvePlatform,
  SCENARIO_ARGUMENT,
  withRunOptions,
  workersOption,
} from './options.ts';
import { checkWritable, writeLine, writeWhole } from './output-file.ts';
import { repeatLine, settingsOf } from './run.ts';
import { complain, Progress, print, stdoutStyle } from './terminal.ts';

interface StressFlags extends RunFlags {
  readonly runs: number;
  readonly workers: number;
  /** File for the token of the first schedule that failed. */
  readonly record?: string;
  readonly junit?: string;
  readonly markdown?: string;
}

const HELP = `
Exit code with --variant: 1 if any run shows a violation, 0 if none does.
Exit code without: 0 if every variant that must be clean was clean in all its runs and every wrong one was
found at least once, 1 if not.
Either way 3 if a run reached its limit before an answer, 4 if a program threw or flushlab itself failed.`;

/** @param done takes the exit code */
export function stressCommand(done: (code: number) => void): Command {
  const command = new Command('stress')
    .description(
      'run a scenario many times with consecutive seeds: all variants that the platform supports, or one',
    )
    .argument('<scenario>', SCENARIO_ARGUMENT)
    .option('--runs <n>', 'runs of each variant', integer('--runs', 1, 1e9), 100)
    .addOption(workersOption('lockstep: runs side by side; changes nothing but the time'));
  command.option(
    '--record <file>',
    'threads: record each run, and keep the first schedule that fails as a replay token',
  );
  command
    .option('--junit <file>', 'write the variants as JUnit XML, for CI systems: passed if as expected')
    .option('--markdown <file>', 'write the table as Markdown');
  return withRunOptions(command)
    .addHelpText('after', HELP)
    .action(async (name: string, flags: StressFlags) => done(await stress(name, flags)));
}

async function stress(name: string, flags: StressFlags): Promise<number> {
  const scenario = await loadScenario(name, process.cwd());
  checkRecord(flags);
  for (const file of ['junit', 'markdown'] as const) {
    const path = flags[file];
    if (path !== undefined) checkWritable(`--${file}`, path);
  }
  const { chosen, skipped } = choose(scenario, flags);
  const seed = flags.seed ?? drawSeed();
  const settings = { ...settingsOf(scenario, flags, seed), runs: flags.runs };
  const progress = new Progress(flags.quiet === true);
  const host = openHost(flags);
  const interrupt = new Interrupt(host.close);
  const tallies: Tally[] = [];
  if (flags.json !== true) printHead(scenario, flags, seed);
  try {
    for (const plans of chosen) {
      if (interrupt.interrupted) break;
      const onRun = (tally: Tally) => {
        progress.show(`${tally.variant.name}: ${tally.runs} of ${flags.runs} runs, ${tally.found} found`);
        return !interrupt.interrupted;
      };
      const isStopped = () => interrupt.interrupted;
      const limits = { ...limitsOf(flags, scenario), ...(flags.record !== undefined && { record: true }) };
      const options = { limits, runs: flags.runs, seed, onRun, isStopped };
      tallies.push(await stressVariant(plans, host.runs, options));
    }
  } finally {
    interrupt.dispose();
    progress.clear();
    await host.close();
  }
  if (flags.json === true) print(toJson(stressReport(scenario, settings, tallies, skipped)));
  else printText(name, flags, tallies, skipped);
  writeReports(scenario, flags, seed, tallies, skipped);
  const kept = flags.record === undefined ? EXIT.OK : await keepRecorded(name, flags, flags.record, tallies);
  if (kept !== EXIT.OK) return kept;
  for (const { error } of tallies) if (error) complain(`seed ${error.seed}: ${error.message}`);
  return interrupt.interrupted ? EXIT.INTERRUPTED : exitCode(tallies, flags.variant !== undefined);
}

function writeReports(
  { name: scenario }: Scenario,
  { host, scheduler, runs, junit, markdown }: StressFlags,
  seed: number,
  tallies: readonly Tally[],
  skipped: readonly Skipped[],
): void {
  const head = { scenario, host, ...(host === 'lockstep' && { scheduler }), seed, runs };
  if (junit !== undefined) writeWhole('--junit', junit, stressJunit(head, tallies, skipped));
  if (markdown !== undefined) {
    writeWhole('--markdown', markdown, `${stressMarkdown(head, tallies, skipped)}\n`);
  }
}

/** Replays the first recorded failure on lockstep and writes its token. */
async function keepRecorded(
  name: string,
  flags: StressFlags,
  path: string,
  tallies: readonly Tally[],
): Promise<number> {
  const first = tallies.flatMap(({ firsts }) => firsts)[0];
  if (!first) {
    if (flags.json !== true)
      print(`\n${labelled('recorded', 'nothing: no run shows a violation').join('\n')}`);
    return EXIT.OK;
  }
  const { plan, seed, result } = first;
  const limits = { ...limitsOf(flags, plan.scenario), record: true };
  try {
    const { token, choices } = await recordedExample(plan, jobOf(plan, limits, seed), result, name);
    writeLine('--record', path, token);
    if (flags.json === true) return EXIT.OK;
    const what = `${first.kind} with seed ${seed}: ${plural(choices.length, 'step')} on threads, replayed on lockstep event by event`;
    print(`\n${labelled('recorded', what).join('\n')}`);
    print(pasted('', `flushlab shrink ${quoted(path)}`));
    return EXIT.OK;
  } catch (error) {
    if (!(error instanceof NotReproducible)) throw error;
    complain(`${error.message}; this is a fault of flushlab, or of a program with state of its own`);
    return EXIT.FAULT;
  }
}

/** @throws UsageError before anything has run */
function checkRecord({ host, record }: StressFlags): void {
  if (record === undefined) return;
  if (host !== 'threads')
    throw new UsageError('--record: lockstep repeats itself by its seed: add --host threads');
  checkWritable('--record', record);
}

function openHost(flags: StressFlags): { readonly runs: StressHost; readonly close: () => Promise<void> } {
  const { scheduler } = flags;
  if (flags.host === 'threads') {
    const threads = new ThreadsHost();
    return { runs: { threads, scheduler }, close: () => threads.close() };
  }
  const pool = new LockstepPool(Math.min(flags.workers, flags.runs));
  return { runs: { pool, scheduler }, close: () => pool.close() };
}

/** For each variant what its runs take turns with; variants that cannot run are left out with a reason. */
function choose(scenario: Scenario, flags: StressFlags): { chosen: Plan[][]; skipped: Skipped[] } {
  const chosen: Plan[][] = [];
  const skipped: Skipped[] = [];
  const platform = flags.platform === undefined ? undefined : resolvePlatform(flags.platform);
  const variants = flags.variant === undefined ? scenario.variants : [findVariant(scenario, flags.variant)];
  for (const variant of variants) {
    const { plans, reason } = turnsOf({ scenario, variant, platform, cpus: flags.cpus, given: flags.set });
    if (plans.length > 0) chosen.push([...plans]);
    else if (reason !== undefined) skipped.push({ variant: variant.name, reason });
  }
  // Nothing to run is a mistake, not an empty success.
  if (chosen.length === 0) throw new ScenarioError(skipped[0].reason);
  return { chosen, skipped };
}

/** What is about to run, seeds included: known however it ends. */
function printHead(scenario: Scenario, flags: StressFlags, seed: number): void {
  const range = flags.runs === 1 ? `seed ${seed}` : `seeds ${seed} to ${seed + flags.runs - 1}`;
  const how = flags.host === 'threads' ? 'threads' : `lockstep, ${flags.scheduler} scheduler`;
  print(`${scenario.name}: ${plural(flags.runs, 'run')} of each variant on ${how}, ${range}\n`);
}

function printText(
  name: string,
  flags: StressFlags,
  tallies: readonly Tally[],
  skipped: readonly Skipped[],
): void {
  print(stressText(tallies, skipped, stdoutStyle));
  const first = tallies.flatMap((tally) => tally.firsts)[0];
  if (first && flags.host === 'lockstep') {
    const line = repeatLine(first.plan, name, stressFlags(first.plan, flags), first.seed);
    print(`\n${labelled('repeat', line, 0).join('\n')}`);
  }
}

/** Where a scenario went through settings of its own, the one of a plan must be said. */
function stressFlags(plan: Plan, flags: StressFlags): RunFlags {
  const keys = plan.scenario.stressOver?.flatMap((set) => Object.keys(set)) ?? [];
  const own = Object.fromEntries(keys.map((key) => [key, String(plan.parameters[key])]));
  return { ...flags, set: { ...own, ...flags.set } };
}

function exitCode(tallies: readonly Tally[], isOne: boolean): number {
  if (tallies.some(({ errors }) => errors > 0)) return EXIT.FAULT;
  const violated = isOne ? tallies.some(({ found }) => found > 0) : false;
  if (violated) return EXIT.VIOLATION;
  if (tallies.some(({ bound }) => bound > 0)) return EXIT.BOUND;
  return isOne || tallies.every(behaved) ? EXIT.OK : EXIT.VIOLATION;
}
