/** A campaign as numbered units, with a hash that says whether two are the same. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { version } from '../lab/version.ts';
import type { Platform } from '../machine/platform.ts';
import { packageRoot } from '../program/import-module.ts';
import { type Cell, type Expanded, expandCampaign, limitsOf } from './cells.ts';
import type { Campaign } from './schema.ts';

export interface CampaignPlan extends Expanded {
  readonly campaign: Campaign;
  /** Of all that a unit's result depends on, as far as it can be told before it runs: hexadecimal. */
  readonly hash: string;
}

/** Somebody has made another plan of the same campaign. */
export class PlanMismatch extends Error {}

/**
 * @param cwd folder that paths of scenarios are relative to
 * @throws ScenarioError, one line, if a part of the campaign cannot run
 */
export async function planCampaign(campaign: Campaign, cwd: string): Promise<CampaignPlan> {
  const expanded = await expandCampaign(campaign, cwd);
  return { campaign, hash: hashOf(campaign, expanded), ...expanded };
}

function hashOf(campaign: Campaign, { cells, skipped }: Expanded): string {
  const hash = createHash('sha256');
  const machines = new Map<Platform, string>();
  const machine = (platform: Platform) => {
    const known = machines.get(platform) ?? sha256(JSON.stringify(platform));
    machines.set(platform, known);
    return known;
  };
  hash.update(JSON.stringify([version, campaign, skipped]));
  for (const cell of cells) hash.update(JSON.stringify([identity(cell, machine)]));
  return hash.digest('hex');
}

function identity(cell: Cell, machine: (platform: Platform) => string): unknown {
  const { name, plans, expect, first, units } = cell;
  const { scenario } = plans[0];
  return [
    [name, expect, first, units, isOwn(scenario.module) ? '' : codeOf(scenario.module)],
    plans.map((plan) => [
      plan.cpus,
      plan.parameters,
      machine(plan.platform),
      plan.parts,
      limitsOf(cell, plan),
    ]),
  ];
}

/** Whether a module is part of flushlab, whose version says enough. */
function isOwn(module: string): boolean {
  return ['src/', 'dist/'].some((folder) => module.startsWith(new URL(folder, packageRoot).href));
}

const codeOf = (module: string) => sha256(readFileSync(fileURLToPath(module)));

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

/** The cell that a unit belongs to. @param unit number from 0 */
export function cellOf({ cells }: { readonly cells: readonly Cell[] }, unit: number): Cell {
  let low = 0;
  let high = cells.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (cells[middle].first <= unit) low = middle;
    else high = middle - 1;
  }
  return cells[low];
}
