/**
 * A line of the journal: what became of one unit. It depends on the unit alone, neither on when nor on which
 * thread or machine it ran, so that whoever runs it writes the same bytes.
 */
import { z } from 'zod';

const count = z.int().min(0);
const reached = z.record(z.string(), count);

const stressLine = z.strictObject({
  unit: count,
  cell: z.string(),
  seed: z.int(),
  verdict: z.enum(['clean', 'found', 'bound', 'error']),
  /** Of the first finding, or 'deadlock'. */
  kind: z.string().optional(),
  findings: count.optional(),
  error: z.string().optional(),
  steps: count,
  /** Of the CPU whose clock went furthest. */
  cycles: z.number().min(0),
  reached: z.array(z.string()).optional(),
});

const exploreLine = z.strictObject({
  unit: count,
  cell: z.string(),
  /** Sampling: the first seed. */
  seed: z.int().optional(),
  runs: count,
  redundant: count.optional(),
  steps: count,
  longest: count,
  /** Schedules up to equivalence: none was left out. */
  complete: z.boolean().optional(),
  /** The search had been cut for programs that stay within the caches, and they do not. */
  wentUncached: z.boolean().optional(),
  failures: z.array(
    z.strictObject({
      signature: z.string(),
      count,
      seed: z.int().optional(),
      /** Of the first run, see schedule-text.ts. */
      choices: z.string(),
    }),
  ),
  reached: reached.optional(),
});

export type StressLine = z.infer<typeof stressLine>;
export type ExploreLine = z.infer<typeof exploreLine>;
export type UnitLine = StressLine | ExploreLine;

export function isStress(line: UnitLine): line is StressLine {
  return 'verdict' in line;
}

/** The line without its end. */
export function encodeLine(line: UnitLine): string {
  return JSON.stringify(line);
}

/** @returns undefined for what is no line of a journal of so many units */
export function decodeLine(text: string, units: number): UnitLine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const schema = typeof value === 'object' && value !== null && 'verdict' in value ? stressLine : exploreLine;
  const parsed = schema.safeParse(value);
  return parsed.success && parsed.data.unit < units ? parsed.data : undefined;
}
