/** What a campaign's file says: which scenarios are run how, on what, and with which seeds. */
import { z } from 'zod';
import { schedulerNames } from '../lab/schedulers.ts';
import { platformSchema } from '../machine/platform.ts';

const MAX_SEED = 2 ** 31 - 1;

const seed = z.int().min(0).max(MAX_SEED);
const seedRange = z
  .strictObject({ from: seed.describe('first seed'), to: seed.describe('last seed, itself included') })
  .refine(({ from, to }) => from <= to, { message: "must have 'to' at or after 'from'", path: ['to'] });

const names = z.array(z.string().min(1)).min(1);
const setting = z.union([z.string(), z.number()]);

const where = {
  scenarios: z
    .union([z.literal('all'), names])
    .describe("'all', or names that flushlab list shows, or paths of modules, from the current folder"),
  variants: z
    .union([z.literal('all'), names])
    .default('all')
    .describe("'all', or names"),
  platforms: z
    .union([
      z.literal('all'),
      z
        .array(z.union([z.string().min(1), z.strictObject({ file: z.string(), platform: platformSchema })]))
        .min(1),
    ])
    .optional()
    .describe("'all', or names, or paths of JSON files; absent: the one that each scenario chooses"),
  cpus: z.array(z.int().min(1).max(64)).min(1).optional().describe("absent: each scenario's own choice"),
  set: z
    .array(z.record(z.string(), setting))
    .min(1)
    .default([{}])
    .describe('settings of parameters, one after the other'),
  maxSteps: z.int().min(1).max(1e12).optional().describe('limit on the steps of a run'),
};

const seeds = z.array(seedRange).min(1).max(1000).describe('ranges of seeds');
const budget = z.int().min(0).max(64);
const schedules = {
  ...where,
  walks: budget.optional().describe('speculative walks in a run, at most'),
  prefetches: budget.optional().describe('prefetches in a run, at most'),
  evictions: budget.optional().describe('untimely evictions in a run, at most'),
};
const runsPerShard = z
  .int()
  .min(1)
  .max(100_000)
  .default(200)
  .describe('runs that make one line of the journal');
const size = z.enum(['normal', 'small']).describe('small: the size at which verify explores a scenario');

const stressEntry = z.strictObject({
  kind: z.literal('stress'),
  ...where,
  seeds,
  scheduler: z.enum(schedulerNames).default('random'),
  keepGoing: z.boolean().default(false).describe('go on after a finding'),
});
const randomEntry = z.strictObject({
  kind: z.literal('random'),
  ...schedules,
  seeds,
  runsPerShard,
  size: size.default('normal'),
});
const pctEntry = z.strictObject({
  kind: z.literal('pct'),
  ...schedules,
  seeds,
  runsPerShard,
  size: size.default('normal'),
  depth: z.int().min(1).max(16).default(3).describe('ordering constraints that the bug needs'),
});
const dporEntry = z.strictObject({
  kind: z.literal('dpor'),
  ...schedules,
  seed: seed.default(1).describe('of the programs'),
  parts: z.int().min(1).max(1024).default(32).describe('lines of the journal that a search is cut into'),
  maxRuns: z.int().min(1).max(1e12).default(1_000_000).describe('runs of one part, at most'),
  uncached: z
    .boolean()
    .optional()
    .describe('programs go past the caches; absent: as some hundred runs of them show'),
  size: size.default('small'),
});

export const campaignSchema = z.strictObject({
  $schema: z.string().optional(),
  name: z.string().min(1).max(100),
  entries: z
    .array(z.discriminatedUnion('kind', [stressEntry, randomEntry, pctEntry, dporEntry]))
    .min(1)
    .describe('each is every combination of its scenarios, variants, platforms, CPUs and settings'),
});

/** A campaign with all defaults filled in; platforms from files have become part of it. */
export type Campaign = z.infer<typeof campaignSchema>;
export type Entry = Campaign['entries'][number];

/** The schema of the file as JSON Schema. */
export function campaignJsonSchema(): object {
  return z.toJSONSchema(campaignSchema, { io: 'input' });
}
