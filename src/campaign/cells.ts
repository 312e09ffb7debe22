/**
 * From a campaign to its cells: each a variant of a scenario on a platform, with what must show there, and how
 * many lines of the journal it comes to. Depends on the campaign alone, so that whoever has its text has the same.
 */

import { jobOf, makePlan, type Plan, platformOf, type RunLimits } from '../lab/plan.ts';
import { defaultBudgets, exploreLimits } from '../lab/search.ts';
import { turnsOf } from '../lab/turns.ts';
import type { Platform } from '../machine/platform.ts';
import { platforms as builtIn } from '../platforms/index.ts';
import type { Parameters } from '../program/workload.ts';
import { scenarios as library } from '../scenarios/index.ts';
import { loadScenario } from '../scenarios/load-scenario.ts';
import {
  type Expect,
  findVariant,
  resolveParameters,
  type Scenario,
  ScenarioError,
  smallSizeOf,
  type Variant,
} from '../scenarios/scenario.ts';
import type { Campaign, Entry } from './schema.ts';
import { countOf, shardsIn } from './seeds.ts';

export interface Cell {
  /** Unlike that of any other cell: scenario/variant/platform, and what sets it apart. */
  readonly name: string;
  readonly entry: Entry;
  /** What the campaign calls the scenario by. */
  readonly reference: string;
  /** What its runs take turns with; explorations have one. */
  readonly plans: readonly Plan[];
  readonly expect: Expect;
  /** Number of its first unit. */
  readonly first: number;
  /** Lines of the journal that it comes to when all is done. */
  readonly units: number;
}

/** A combination that means nothing. */
interface Skipped {
  readonly name: string;
  /** What the campaign calls it by. */
  readonly scenario: string;
  readonly reason: string;
}

export interface Expanded {
  readonly cells: readonly Cell[];
  readonly skipped: readonly Skipped[];
  /** Units of all cells. */
  readonly units: number;
}

/** A bit for each is kept in memory, and a line for each in a file. */
const MOST_UNITS = 100_000_000;

/**
 * @param cwd folder that paths of scenarios are relative to
 * @throws ScenarioError, one line that says which entry is wrong
 */
export async function expandCampaign({ entries }: Campaign, cwd: string): Promise<Expanded> {
  const cells: Cell[] = [];
  const skipped: Skipped[] = [];
  const taken = new Map<string, number>();
  let units = 0;
  for (const [index, entry] of entries.entries()) {
    const found = await cellsOf(entry, cwd).catch((error: unknown) => {
      if (!(error instanceof ScenarioError)) throw error;
      throw new ScenarioError(`entries[${index}]: ${error.message}`);
    });
    skipped.push(...found.skipped);
    for (const cell of found.cells) {
      const count = (taken.get(cell.name) ?? 0) + 1;
      taken.set(cell.name, count);
      const name = count === 1 ? cell.name : `${cell.name} #${count}`;
      const size = unitsOf(entry);
      cells.push({ ...cell, name, entry, first: units, units: size });
      units += size;
    }
    if (found.cells.length === 0) {
      throw new ScenarioError(`entries[${index}]: nothing of it can run: ${found.skipped[0].reason}`);
    }
  }
  if (units > MOST_UNITS) {
    throw new ScenarioError(`a campaign of ${units} lines: split it into some of at most ${MOST_UNITS}`);
  }
  return { cells, skipped, units };
}

/** Lines of the journal that each cell of an entry comes to. */
function unitsOf(entry: Entry): number {
  if (entry.kind === 'dpor') return entry.parts;
  return entry.kind === 'stress' ? countOf(entry.seeds) : shardsIn(entry.seeds, entry.runsPerShard);
}

type Found = {
  readonly cells: readonly Omit<Cell, 'entry' | 'first' | 'units'>[];
  readonly skipped: readonly Skipped[];
};

async function cellsOf(entry: Entry, cwd: string): Promise<Found> {
  const cells: Found['cells'][number][] = [];
  const skipped: Skipped[] = [];
  const references = entry.scenarios === 'all' ? library.map(({ name }) => name) : entry.scenarios;
  const machines = machinesOf(entry);
  for (const reference of references) {
    const scenario = await loadScenario(reference, cwd);
    const variants =
      entry.variants === 'all'
        ? scenario.variants
        : entry.variants.map((name) => findVariant(scenario, name));
    for (const set of entry.set) {
      // What no scenario of the entry could run with is a mistake, and not a combination to leave out.
      resolveParameters(scenario, set);
      for (const variant of variants) {
        for (const platform of machines) {
          for (const cpus of entry.cpus ?? [undefined]) {
            const { plans, reason } = plansOf(entry, scenario, variant, platform, cpus, set);
            const name = nameOf(entry, reference, variant, platform ?? plans[0]?.platform, cpus, set);
            if (plans.length > 0) cells.push({ name, reference, plans, expect: plans[0].variant.expect });
            else skipped.push({ name, scenario: reference, reason: reason ?? 'it cannot run' });
          }
        }
      }
    }
  }
  return { cells, skipped };
}

function machinesOf({ platforms }: Entry): readonly (Platform | undefined)[] {
  if (platforms === undefined) return [undefined];
  if (platforms === 'all') return Object.values(builtIn);
  return platforms.map((each) =>
    typeof each === 'string' ? platformOf(each, each) : platformOf(each.platform, each.file),
  );
}

function plansOf(
  entry: Entry,
  scenario: Scenario,
  variant: Variant,
  platform: Platform | undefined,
  cpus: number | undefined,
  set: Parameters,
): { readonly plans: readonly Plan[]; readonly reason: string | undefined } {
  if (entry.kind === 'stress') return turnsOf({ scenario, variant, platform, cpus, given: set });
  try {
    const small = entry.size === 'small' ? smallSizeOf(scenario, variant, set) : undefined;
    const given = { ...small?.parameters, ...set };
    const plan = makePlan({ scenario, variant, platform, cpus: cpus ?? small?.cpus, given });
    return { plans: [plan], reason: undefined };
  } catch (error) {
    if (!(error instanceof ScenarioError)) throw error;
    return { plans: [], reason: error.message };
  }
}

function nameOf(
  { kind }: Entry,
  reference: string,
  variant: Variant,
  platform: Platform | undefined,
  cpus: number | undefined,
  set: Parameters,
): string {
  const words = [`${reference}/${variant.name}/${platform?.name ?? 'any'}`];
  if (kind !== 'stress') words.push(kind);
  if (cpus !== undefined) words.push(`cpus=${cpus}`);
  for (const [key, value] of Object.entries(set)) words.push(`${key}=${value}`);
  return words.join(' ');
}

/** How often the agents that only disturb may act in a run of an exploration, unless the entry says. */
export function usualBudgets({ entry, plans: [plan] }: Cell) {
  const isSmall = entry.kind !== 'stress' && entry.size === 'small';
  const small = isSmall ? smallSizeOf(plan.scenario, plan.variant, plan.parameters) : undefined;
  return { ...defaultBudgets(plan), ...small?.budgets };
}

/** What one wall clock would cut off, another one would not: only the number of steps ends a run early. */
const NO_TIME_LIMIT_SECONDS = 1e9;

/** Limits of the runs of a cell. */
export function limitsOf({ entry }: Cell, plan: Plan): RunLimits {
  if (entry.kind !== 'stress')
    return { ...exploreLimits(plan, entry.maxSteps), maxSeconds: NO_TIME_LIMIT_SECONDS };
  return {
    checked: true,
    keepGoing: entry.keepGoing,
    quantumCycles: 1e9,
    maxSteps: entry.maxSteps ?? plan.scenario.maxSteps,
    maxSeconds: NO_TIME_LIMIT_SECONDS,
  };
}

/** The job of an exploration: all its schedules are schedules of the same programs. */
export function exploreJobOf(cell: Cell) {
  const { entry, plans } = cell;
  if (entry.kind === 'stress') throw new Error(`${cell.name}: is no exploration`);
  const seed = entry.kind === 'dpor' ? entry.seed : entry.seeds[0].from;
  return jobOf(plans[0], limitsOf(cell, plans[0]), seed);
}
