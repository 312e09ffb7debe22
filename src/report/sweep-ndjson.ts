/**
 * A sweep as lines of JSON: a line that says what all points have in common, a line a point, in order, and at the end
 * what was concluded. A file that ends early, even within a line, is read up to the last whole point.
 */
import { z } from 'zod';
import type { GroupCrossover, GroupFit } from '../lab/sweep/analysis.ts';
import type { SweepHead, SweepTable, TableRow } from '../lab/sweep/table.ts';

/** Of the lines. */
const FORMAT = 1;

const value = z.union([z.string(), z.number()]);
const measure = z.object({ title: z.string(), unit: z.string() });

const headSchema = z.object({
  kind: z.literal('sweep'),
  format: z.literal(FORMAT),
  experiment: z.string(),
  title: z.string(),
  source: z.string(),
  version: z.string(),
  seed: z.number(),
  repeat: z.number(),
  points: z.number(),
  platforms: z.array(
    z.object({ name: z.string(), title: z.string(), clockMHz: z.number(), digest: z.string() }),
  ),
  scanned: z.array(z.object({ name: z.string(), title: z.string(), values: z.array(value) })),
  fixed: z.record(z.string(), value),
  measures: z.record(z.string(), measure),
});

const rowSchema = z.object({
  kind: z.literal('point'),
  index: z.number(),
  platform: z.string(),
  parameters: z.record(z.string(), value),
  seed: z.number(),
  measures: z.record(z.string(), z.number()).optional(),
  na: z.string().optional(),
  error: z.string().optional(),
});

/** A sweep read from lines. */
export interface ReadSweep extends SweepTable {
  /** The first line, as it stands there. */
  readonly headLine: string;
  /** Bytes up to the end of the last point. */
  readonly bytes: number;
}

export function headLine(head: SweepHead): string {
  return JSON.stringify({ kind: 'sweep', format: FORMAT, ...head });
}

export function rowLine({ outcome, ...row }: TableRow): string {
  return JSON.stringify({ kind: 'point', ...row, ...outcome });
}

export function fitLineOf(fit: GroupFit): string {
  return JSON.stringify({ kind: 'fit', ...fit });
}

export function crossoverLine(crossover: GroupCrossover): string {
  return JSON.stringify({ kind: 'crossover', ...crossover });
}

/**
 * Reads what has been written so far.
 * @returns a problem: what is wrong with it, and in which line
 */
export function readSweep(text: string): ReadSweep | { readonly problem: string } {
  const lines = text.split('\n');
  // What follows the last line feed is torn, or nothing.
  lines.pop();
  const head = parse(headSchema, lines[0]);
  if (!head) return { problem: 'line 1 does not begin a sweep' };
  const { kind: _, format: __, ...rest } = head;
  const rows: TableRow[] = [];
  let bytes = Buffer.byteLength(`${lines[0]}\n`);
  for (const [i, line] of lines.slice(1).entries()) {
    if (isConclusion(line)) break;
    const row = parse(rowSchema, line);
    const outcome = row && outcomeOf(row);
    if (!row || !outcome) return { problem: `line ${i + 2} is no point of a sweep` };
    if (row.index !== rows.length || row.index >= head.points) {
      return { problem: `line ${i + 2} is point ${row.index}, not point ${rows.length} of ${head.points}` };
    }
    rows.push({
      index: row.index,
      platform: row.platform,
      parameters: row.parameters,
      seed: row.seed,
      outcome,
    });
    bytes += Buffer.byteLength(`${line}\n`);
  }
  return { head: rest, rows, headLine: lines[0], bytes };
}

function isConclusion(line: string): boolean {
  return /^\{"kind":"(fit|crossover)"/.test(line);
}

function outcomeOf({ measures, na, error }: z.infer<typeof rowSchema>): TableRow['outcome'] | undefined {
  if (measures) return { measures };
  if (na !== undefined) return { na };
  return error === undefined ? undefined : { error };
}

function parse<T>(schema: z.ZodType<T>, line: string | undefined): T | undefined {
  try {
    return schema.safeParse(JSON.parse(line ?? '')).data;
  } catch {
    return undefined;
  }
}
