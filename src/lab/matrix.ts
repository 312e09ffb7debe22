/**
 * Who needs which flush: every variant of some scenarios on every platform, each cell held against what the
 * scenario says must show there. A cell is a stress of its own; one that must find something ends with its
 * first finding, except on threads, where the hit rate is what is wanted.
 */
import { type FindingKind, kindNames } from '../checker/finding.ts';
import type { Platform } from '../machine/platform.ts';
import {
  type Expect,
  resolveParameters,
  type Scenario,
  ScenarioError,
  type Variant,
} from '../scenarios/scenario.ts';
import { makePlan, type Plan, type RunLimits } from './plan.ts';
import { behaved, type StressHost, stressVariant, type Tally } from './stress.ts';

/** A scenario and what the user calls it by: its name or a path. */
export interface NamedScenario {
  readonly reference: string;
  readonly scenario: Scenario;
}

/** A platform and what the user calls it by: its name or a file. */
export interface NamedPlatform {
  readonly reference: string;
  readonly platform: Platform;
}

/** One variant on one platform, before it has run. */
export interface MatrixCell {
  readonly named: NamedScenario;
  readonly variant: Variant;
  readonly on: NamedPlatform;
  /** Undefined where the variant means nothing. */
  readonly plan: Plan | undefined;
  /** What must show; undefined where the variant means nothing. */
  readonly expect: Expect | undefined;
  /** Why that must show, or why the variant means nothing there. */
  readonly reason: string;
}

type CellResult = 'found' | 'clean' | 'n/a' | 'bound' | 'error';

/** What became of a cell. */
export interface CellOutcome {
  readonly cell: MatrixCell;
  readonly result: CellResult;
  readonly runs: number;
  readonly found: number;
  /** Of the first finding of each run, in the order of the kinds. */
  readonly kinds: readonly FindingKind[];
  readonly asExpected: boolean;
  /** Of the first run that found something. */
  readonly firstSeed?: number;
  /** Message of the first run that failed. */
  readonly error?: string;
}

/**
 * All cells, row by row.
 * @throws ScenarioError for a scenario that does not say what it must show on each platform
 */
export function matrixCells(
  scenarios: readonly NamedScenario[],
  platforms: readonly NamedPlatform[],
): MatrixCell[] {
  return scenarios.flatMap((named) =>
    named.scenario.variants.flatMap((variant) => platforms.map((on) => cellOf(named, variant, on))),
  );
}

function cellOf(named: NamedScenario, variant: Variant, on: NamedPlatform): MatrixCell {
  const { scenario } = named;
  if (!variant.expectOn) {
    throw new ScenarioError(
      `${scenario.name} does not say what variant '${variant.name}' must show on each platform: use flushlab stress ${named.reference}`,
    );
  }
  const { platform } = on;
  const missing = variant.unsupported?.(platform) ?? tooFewCpus(scenario, variant, platform);
  if (missing !== undefined) {
    return { named, variant, on, plan: undefined, expect: undefined, reason: missing };
  }
  const { expect, reason } = variant.expectOn(platform);
  const plan = makePlan({ scenario, variant, platform, given: {} });
  return { named, variant, on, plan, expect, reason };
}

/** Why a platform has too few CPUs for a variant, or undefined if it has enough. */
export function tooFewCpus(scenario: Scenario, variant: Variant, platform: Platform): string | undefined {
  const { name } = variant;
  const minCpus = Math.max(scenario.minCpus, variant.minCpus ?? 0);
  // Devices are counted among the CPUs, and every platform can have some.
  const devices = scenario.adapt?.(name, resolveParameters(scenario, {})).devices ?? 0;
  const { maxCpus } = scenario.machineFor?.(platform) ?? platform;
  if (minCpus <= maxCpus + devices) return undefined;
  return `it takes ${minCpus - devices} CPUs, and ${platform.name} has ${maxCpus === 1 ? 'one' : `at most ${maxCpus}`}`;
}

export interface MatrixOptions {
  /** Runs of a cell that must be clean, and at most of one that is not. */
  readonly runs: number;
  /** Every cell begins with this seed. */
  readonly seed: number;
  limitsOf(scenario: Scenario): RunLimits;
  /** Somebody wants this to end: the cell that runs does not count. */
  readonly isStopped: () => boolean;
  /** Called after every run with the number of cells that are done. */
  onRun(done: number, cell: MatrixCell): void;
}

/** Runs cells one after the other. What was known when somebody stopped it is returned. */
export async function runMatrix(
  cells: readonly MatrixCell[],
  host: StressHost,
  { runs, seed, limitsOf, isStopped, onRun }: MatrixOptions,
): Promise<CellOutcome[]> {
  const outcomes: CellOutcome[] = [];
  for (const cell of cells) {
    const { plan, expect } = cell;
    if (!plan) {
      outcomes.push({ cell, result: 'n/a', runs: 0, found: 0, kinds: [], asExpected: true });
      continue;
    }
    const endsAtFirst = expect !== 'clean' && !host.threads;
    const tally = await stressVariant([plan], host, {
      limits: limitsOf(plan.scenario),
      runs,
      seed,
      isStopped,
      onRun: ({ found }) => {
        onRun(outcomes.length, cell);
        return !(endsAtFirst && found > 0);
      },
    });
    if (isStopped()) break;
    outcomes.push(outcomeOf(cell, tally, host.threads !== undefined));
  }
  return outcomes;
}

/** @param isThreads a wrong variant that real threads did not run into is no failure: it is shown */
export function outcomeOf(cell: MatrixCell, tally: Tally, isThreads: boolean): CellOutcome {
  const { runs, found, bound, errors, firsts, error } = tally;
  const isQuiet = found === 0 && bound === 0 && errors === 0;
  return {
    cell,
    result: resultOf(tally),
    runs,
    found,
    kinds: kindNames.filter((kind) => tally.kinds.has(kind)),
    asExpected: behaved(tally) || (isThreads && isQuiet),
    ...(firsts.length > 0 && { firstSeed: firsts[0].seed }),
    ...(error && { error: `seed ${error.seed}: ${error.message}` }),
  };
}

function resultOf({ errors, found, bound }: Tally): CellResult {
  if (errors > 0) return 'error';
  if (found > 0) return 'found';
  return bound > 0 ? 'bound' : 'clean';
}
