/** Options of the commands that explore schedules. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Command, Option } from 'commander';
import { Checkpoint, CheckpointError } from '../explore/checkpoint.ts';
import { type Strategy, strategies } from '../explore/explorer.ts';
import { makePlan, type Plan } from '../lab/plan.ts';
import { defaultBudgets, type SearchOptions } from '../lab/search.ts';
import { version } from '../lab/version.ts';
import { findState, findVariant, type Scenario, smallSizeOf } from '../scenarios/scenario.ts';
import { UsageError } from './errors.ts';
import { integer, maxStepsOption, resolvePlatform, seedOption, setting, workersOption } from './options.ts';
import { attempt, checkWritable } from './output-file.ts';

/** As commander leaves them. */
export interface ExploreFlags {
  readonly variant?: string;
  readonly platform?: string;
  readonly cpus?: number;
  readonly set: Readonly<Record<string, string>>;
  readonly seed?: number;
  readonly strategy: Strategy;
  readonly runs?: number;
  readonly depth: number;
  readonly preemptions: number;
  readonly delays: number;
  readonly walks?: number;
  readonly prefetches?: number;
  readonly evictions?: number;
  readonly maxSteps?: number;
  readonly workers: number;
  readonly checkpoint?: string;
  readonly shrink: boolean;
  readonly save?: string;
  readonly reach?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Runs that a search may make unless told otherwise: some seconds of sampling, minutes of a search. */
const DEFAULT_RUNS: Readonly<Record<Strategy, number>> = {
  pct: 10_000,
  random: 10_000,
  bounded: 100_000,
  dpor: 3_000_000,
};
const SHRINK_RUNS = 20_000;

/** Options of explore and verify. */
export function withSearchOptions(command: Command): Command {
  return command
    .option('--variant <name>', 'variant of the scenario (default: the first)')
    .option('--platform <name|file>', 'a built-in platform, or your own as a JSON file')
    .option('--cpus <n>', 'simulated CPUs', integer('--cpus', 1, 64))
    .option('--set <key=value>', 'a parameter of the scenario; repeatable', setting, {})
    .option('--runs <n>', 'runs to make at most', integer('--runs', 1, 1e12))
    .option('--walks <n>', 'speculative walks in a run', integer('--walks', 0, 64))
    .option('--prefetches <n>', 'prefetches in a run', integer('--prefetches', 0, 64))
    .option('--evictions <n>', 'untimely evictions in a run', integer('--evictions', 0, 64))
    .addOption(maxStepsOption('run', 1e9))
    .addOption(workersOption('runs side by side; changes nothing but the time'))
    .option('--checkpoint <file>', 'keep what is done in a file, and go on from it; seed 1 unless given')
    .option('--reach <state>', 'search for a state that the scenario declares reachable, and show how')
    .option('--no-shrink', 'leave the schedule that fails as it was found')
    .option('--save <file>', 'write the replay token to a file as well')
    .option('--json', 'print JSON')
    .option('--quiet', 'no progress on stderr');
}

/** Options of explore alone. */
export function withStrategyOptions(command: Command): Command {
  return command
    .addOption(new Option('--strategy <name>', 'how schedules are chosen').choices(strategies).default('pct'))
    .addOption(seedOption())
    .option('--depth <n>', 'pct: ordering constraints of the bug', integer('--depth', 1, 16), 3)
    .option('--preemptions <n>', 'bounded: most preemptions', integer('--preemptions', 0, 16), 2)
    .option('--delays <n>', 'bounded: most delays of the hardware', integer('--delays', 0, 16), 2);
}

/** @throws UsageError, ScenarioError */
export function planFor(scenario: Scenario, flags: ExploreFlags, isSmall: boolean): Plan {
  const usual =
    (flags.reach === undefined ? undefined : findState(scenario, flags.reach).variants?.[0]) ??
    scenario.variants[0].name;
  const variant = findVariant(scenario, flags.variant ?? usual);
  const small = isSmall ? smallSizeOf(scenario, variant, flags.set) : undefined;
  return makePlan({
    scenario,
    variant,
    platform: flags.platform === undefined ? undefined : resolvePlatform(flags.platform),
    cpus: flags.cpus ?? small?.cpus,
    given: { ...small?.parameters, ...flags.set },
  });
}

/**
 * @param reference what the user called the scenario by
 * @param isSmall the plan is of the scenario's small size
 * @throws UsageError
 */
export function searchOptions(
  plan: Plan,
  reference: string,
  flags: ExploreFlags,
  strategy: Strategy,
  seed: number,
  isSmall = false,
): SearchOptions {
  const small = isSmall ? smallSizeOf(plan.scenario, plan.variant, flags.set) : undefined;
  const usual = { ...defaultBudgets(plan), ...small?.budgets };
  const { platform } = plan;
  const budgets = {
    walk: flags.walks ?? usual.walk,
    prefetch: flags.prefetches ?? usual.prefetch,
    evict: flags.evictions ?? usual.evict,
  };
  for (const [name, option] of [
    ['walk', '--walks'],
    ['prefetch', '--prefetches'],
    ['evict', '--evictions'],
  ] as const) {
    if (budgets[name] === 0 || platform.agents.includes(name)) continue;
    throw new UsageError(`${option} ${budgets[name]}: ${platform.name} has no agent '${name}': leave it out`);
  }
  if (flags.save !== undefined) checkWritable('--save', flags.save);
  const samples = strategy === 'pct' || strategy === 'random';
  const options = {
    strategy,
    seed,
    reference,
    runs: flags.runs ?? (samples ? plan.variant.search?.runs : undefined) ?? DEFAULT_RUNS[strategy],
    depth: flags.depth ?? 3,
    budgets,
    most: { preemptions: flags.preemptions ?? 2, delays: flags.delays ?? 2 },
    workers: flags.workers,
    maxSteps: flags.maxSteps,
    goal: flags.reach,
    shrinkRuns: flags.shrink ? (plan.variant.search?.shrinkRuns ?? SHRINK_RUNS) : 0,
  };
  return { ...options, checkpoint: openCheckpoint(plan, options, flags.checkpoint) };
}

function openCheckpoint(
  plan: Plan,
  options: Omit<SearchOptions, 'checkpoint'>,
  path: string | undefined,
): Checkpoint | undefined {
  if (path === undefined) return undefined;
  const { scenario, variant, platform, cpus, parameters } = plan;
  // Neither changes what is explored.
  const { workers: _, shrinkRuns: __, ...rest } = options;
  const code = createHash('sha256')
    .update(readFileSync(fileURLToPath(scenario.module)))
    .digest('hex');
  const key = JSON.stringify([version, scenario.name, code, variant.name, platform, cpus, parameters, rest]);
  return attempt('--checkpoint', path, () => {
    try {
      return new Checkpoint(path, key);
    } catch (error) {
      if (error instanceof CheckpointError) throw new UsageError(error.message);
      throw error;
    }
  });
}
