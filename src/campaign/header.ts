/** The first line of a journal: which campaign it is of, so that its results can be read without anything else. */
import { z } from 'zod';
import { kindNames } from '../checker/finding.ts';
import { version } from '../lab/version.ts';
import type { Cell } from './cells.ts';
import type { CampaignPlan } from './plan.ts';

/** Format of journals. */
const FORMAT = 1;

const parameters = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

const headerSchema = z.strictObject({
  flushlab: z.string(),
  journal: z.literal(FORMAT),
  plan: z.string().regex(/^[0-9a-f]{64}$/),
  units: z.int().min(1),
  campaign: z.looseObject({ name: z.string() }),
  cells: z.array(
    z.strictObject({
      name: z.string(),
      kind: z.enum(['stress', 'random', 'pct', 'dpor']),
      scenario: z.string(),
      variant: z.string(),
      expect: z.union([z.literal('clean'), z.array(z.enum(kindNames))]),
      /** What its runs take turns with. */
      on: z.array(z.strictObject({ platform: z.string(), cpus: z.int(), parameters })).min(1),
      first: z.int().min(0),
      units: z.int().min(1),
    }),
  ),
  skipped: z.array(z.strictObject({ name: z.string(), scenario: z.string(), reason: z.string() })),
});

export type Header = z.infer<typeof headerSchema>;
export type HeaderCell = Header['cells'][number];

export function headerOf({ campaign, hash, units, cells, skipped }: CampaignPlan): Header {
  return {
    flushlab: version,
    journal: FORMAT,
    plan: hash,
    units,
    campaign,
    cells: cells.map(headerCell),
    skipped: skipped.map(({ name, scenario, reason }) => ({ name, scenario, reason })),
  };
}

function headerCell({ name, entry, reference, plans, expect, first, units }: Cell): HeaderCell {
  return {
    name,
    kind: entry.kind,
    scenario: reference,
    variant: plans[0].variant.name,
    expect: expect === 'clean' ? expect : [...expect],
    on: plans.map(({ platform, cpus, parameters: set }) => ({
      platform: platform.name,
      cpus,
      parameters: { ...set },
    })),
    first,
    units,
  };
}

/** The line without its end. */
export function encodeHeader(header: Header): string {
  return JSON.stringify(header);
}

/** @returns undefined for what is no first line of a journal that this flushlab reads */
export function decodeHeader(text: string): Header | undefined {
  try {
    const parsed = headerSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
