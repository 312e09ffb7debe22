/** Options that several commands share, and the checks of their values. */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { type Command, Option } from 'commander';
import { DEFAULT_MAX_SECONDS, DEFAULT_QUANTUM_CYCLES, type RunLimits } from '../lab/plan.ts';
import { type SchedulerName, schedulerNames } from '../lab/schedulers.ts';
import type { Platform } from '../machine/platform.ts';
import { parsePlatform } from '../machine/platform-checks.ts';
import { platformByName, platforms } from '../platforms/index.ts';
import type { Scenario } from '../scenarios/scenario.ts';
import { UsageError } from './errors.ts';

type HostName = 'lockstep' | 'threads';

/** As commander leaves them. */
export interface RunFlags {
  readonly host: HostName;
  readonly scheduler: SchedulerName;
  readonly cpus?: number;
  readonly platform?: string;
  readonly variant?: string;
  readonly seed?: number;
  readonly set: Readonly<Record<string, string>>;
  readonly maxSteps?: number;
  readonly maxSeconds: number;
  readonly quantum: number;
  readonly unchecked?: boolean;
  readonly keepGoing?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const MAX_SEED = 2 ** 31 - 1;

/** What commands that take a scenario say of their argument. */
export const SCENARIO_ARGUMENT =
  'a name that flushlab list shows, or the path of a module such as ./my-race.ts';

/** Makes the check of an integer option. @throws UsageError from the check */
export function integer(option: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max) {
      throw new UsageError(`${option} ${text}: use an integer from ${min} to ${max}`);
    }
    return value;
  };
}

/** Makes the check of a list of integers with commas between; each once, in order. */
export function integers(option: string, min: number, max: number): (text: string) => number[] {
  const one = integer(option, min, max);
  return (text) => [...new Set(text.split(',').map(one))].sort((a, b) => a - b);
}

export function setting(text: string, before: Readonly<Record<string, string>>): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageError(`--set ${text}: use --set parameter=value`);
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

export function seedOption(): Option {
  const title = 'starts every random choice (default: drawn at random, and printed)';
  return new Option('--seed <n>', title).argParser(integer('--seed', 0, MAX_SEED));
}

/** @param least 0 where the calling thread can do without others */
export function workersOption(title: string, least: 0 | 1 = 1): Option {
  const option = new Option('--workers <n>', title);
  return option.argParser(integer('--workers', least, 256)).default(availableParallelism());
}

/** @param what ends then. @param most steps that can be asked for */
export function maxStepsOption(what = 'run', most = 1e15): Option {
  const option = new Option('--max-steps <n>', `end a ${what} after this many steps`);
  return option.argParser(integer('--max-steps', 1, most));
}

/** @param what ends then */
export function maxSecondsOption(what = 'run', usual = DEFAULT_MAX_SECONDS): Option {
  const option = new Option('--max-seconds <n>', `end a ${what} after this many seconds`);
  return option.argParser(integer('--max-seconds', 1, 1e6)).default(usual);
}

export function quantumOption(usual = DEFAULT_QUANTUM_CYCLES): Option {
  const option = new Option('--quantum <cycles>', 'threads: how far simulated clocks may drift apart');
  return option.argParser(integer('--quantum', 1, 1e12)).default(usual);
}

/** A seed for whoever gave none. Leaves room for the seeds that follow it in a series. */
export function drawSeed(): number {
  return randomInt(1, 1_000_000_000);
}

/** The options of commands that run scenarios. */
export function withRunOptions(command: Command): Command {
  const host = new Option('--host <host>', 'who turns the crank').choices(['lockstep', 'threads']);
  const scheduler = new Option('--scheduler <name>', 'lockstep: who takes the next step').choices(
    schedulerNames,
  );
  return command
    .option('--variant <name>', 'variant of the scenario')
    .addOption(host.default('lockstep'))
    .addOption(scheduler.default('random'))
    .option('--cpus <n>', 'simulated CPUs', integer('--cpus', 1, 64))
    .option('--platform <name|file>', 'a built-in platform, or your own as a JSON file')
    .addOption(seedOption())
    .option('--set <key=value>', 'a parameter of the scenario; repeatable', setting, {})
    .addOption(maxStepsOption())
    .addOption(maxSecondsOption())
    .addOption(quantumOption())
    .option('--unchecked', 'run without the checker: counts and times only')
    .option('--keep-going', 'go on after a finding')
    .option('--json', 'print JSON')
    .option('--quiet', 'no progress on stderr');
}

export function limitsOf(flags: RunFlags, scenario: Scenario): RunLimits {
  return {
    checked: flags.unchecked !== true,
    keepGoing: flags.keepGoing === true,
    quantumCycles: flags.quantum,
    maxSteps: flags.maxSteps ?? scenario.maxSteps,
    maxSeconds: flags.maxSeconds,
  };
}

/**
 * A platform by name, or from a file if the name looks like a path.
 * @throws UsageError, one line for each problem of the file
 */
export function resolvePlatform(name: string): Platform {
  const known = platformByName(name);
  if (known) return known;
  if (!/[/\\]|\.json$/i.test(name)) {
    const names = Object.keys(platforms).join(', ');
    throw new UsageError(`there is no platform '${name}': use one of ${names}, or the path of a JSON file`);
  }
  const parsed = parsePlatform(readJson(name), name);
  if ('problems' in parsed) throw new UsageError(...parsed.problems);
  return parsed.platform;
}

function readJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`${path}: cannot be read (${code}): name a JSON file that describes a platform`);
  }
  try {
    return JSON.parse(text.replace(/^\ufeff/, ''));
  } catch (error) {
    const why = (error as Error).message.replace(/\s+/g, ' ');
    throw new UsageError(`${path}: is not JSON (${why}): see flushlab platform neoverse for one that is`);
  }
}

/** A word of a command line that can be pasted into a POSIX shell. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** The options that a user gave, as they would be typed again; without host, scheduler, variant and seed. */
export function repeatedFlags(flags: RunFlags): string[] {
  const words: string[] = [];
  if (flags.platform !== undefined) words.push('--platform', flags.platform);
  if (flags.cpus !== undefined) words.push('--cpus', String(flags.cpus));
  for (const [key, value] of Object.entries(flags.set)) words.push('--set', `${key}=${value}`);
  if (flags.maxSteps !== undefined) words.push('--max-steps', String(flags.maxSteps));
  if (flags.unchecked === true) words.push('--unchecked');
  if (flags.keepGoing === true) words.push('--keep-going');
  return words.map(quoted);
}
