/** Units as they go to a worker thread: the campaign's text and numbers, from which the thread makes the rest itself. */
import { demandBuiltIn, parseCampaign } from './campaign-file.ts';
import type { Cell } from './cells.ts';
import type { UnitLine } from './line.ts';
import { type CampaignPlan, cellOf, PlanMismatch, planCampaign } from './plan.ts';
import { runUnit } from './run-unit.ts';

export interface UnitTask {
  readonly campaign: unknown;
  /** Hash of the plan that the numbers are of. */
  readonly plan: string;
  readonly units: readonly number[];
  /** The campaign comes from elsewhere: no file of this machine is part of it. */
  readonly builtInOnly?: boolean;
}

export interface UnitResults {
  readonly lines: readonly UnitLine[];
  /** Wall-clock time that they took: says how many units the next task may have. */
  readonly milliseconds: number;
}

/** Plans that this thread has made, the last one last. */
const plans = new Map<string, Promise<CampaignPlan>>();
const MOST_PLANS = 4;

/**
 * Runs units in this thread, one after the other.
 * @throws PlanMismatch if this flushlab makes another plan of the campaign; ScenarioError if it makes none
 */
export async function runUnits({ campaign, plan, units, builtInOnly }: UnitTask): Promise<UnitResults> {
  const made = await planOf(campaign, plan, builtInOnly === true);
  const began = performance.now();
  const lines: UnitLine[] = [];
  for (const unit of units) {
    if (unit >= made.units) throw new PlanMismatch(`the campaign has no unit ${unit}`);
    lines.push(await run(cellOf(made, unit), unit));
  }
  return { lines, milliseconds: performance.now() - began };
}

/** Whoever reads of a failure wants to know what of a night's work it was. */
async function run(cell: Cell, unit: number): Promise<UnitLine> {
  try {
    return await runUnit(cell, unit);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${cell.name}, unit ${unit}: ${message}`, { cause: error });
  }
}

function planOf(campaign: unknown, hash: string, builtInOnly: boolean): Promise<CampaignPlan> {
  const known = plans.get(hash);
  if (known) return known;
  const [oldest] = plans.keys();
  if (plans.size >= MOST_PLANS) plans.delete(oldest);
  const made = planAs(campaign, hash, builtInOnly);
  plans.set(hash, made);
  return made;
}

async function planAs(value: unknown, hash: string, builtInOnly: boolean): Promise<CampaignPlan> {
  const campaign = parseCampaign(value, 'the campaign');
  if (builtInOnly) demandBuiltIn(campaign);
  const plan = await planCampaign(campaign, process.cwd());
  if (plan.hash === hash) return plan;
  throw new PlanMismatch('this flushlab makes another plan of the campaign: use the same version everywhere');
}
