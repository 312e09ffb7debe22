import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { headerOf } from '../../src/campaign/header.ts';
import { Journal } from '../../src/campaign/journal.ts';
import type { StressLine, UnitLine } from '../../src/campaign/line.ts';
import { type CampaignPlan, planCampaign } from '../../src/campaign/plan.ts';
import { runLocally } from '../../src/campaign/run-locally.ts';
import { campaignSchema } from '../../src/campaign/schema.ts';
import type { Share } from '../../src/campaign/unit-set.ts';

/** A folder of its own for a file of tests. */
export function ownFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'flushlab-campaign-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A plan of entries as somebody writes them. */
export function planOf(entries: unknown[], name = 'test'): Promise<CampaignPlan> {
  return planCampaign(campaignSchema.parse({ name, entries }), process.cwd());
}

/** The shortest race of the library: both variants, with seeds from 1. */
export const stressEntry = (runs: number) => ({
  kind: 'stress',
  scenarios: ['reclaim-batch'],
  seeds: [{ from: 1, to: runs }],
});

export const ALL: Share = { index: 1, of: 1 };

/** Runs a plan here, and returns its journal's lines without the header. */
export async function runPlan(
  plan: CampaignPlan,
  path: string,
  { workers = 0, share = ALL }: { workers?: number; share?: Share } = {},
): Promise<string[]> {
  const journal = await Journal.open(path, headerOf(plan), () => {});
  try {
    await runLocally(plan, journal, { workers, share, signal: new AbortController().signal });
  } finally {
    await journal.close();
  }
  return linesIn(path);
}

/** Lines without the header. */
export function linesIn(path: string): string[] {
  return readFileSync(path, 'utf8').split('\n').slice(1, -1);
}

/** A line that nobody has run. */
export function lineOf({ cells }: CampaignPlan, unit: number, parts: Partial<StressLine> = {}): UnitLine {
  const cell = cells.findLast(({ first }) => first <= unit);
  return { unit, cell: cell?.name ?? '', seed: unit, verdict: 'clean', steps: 10, cycles: 100, ...parts };
}
