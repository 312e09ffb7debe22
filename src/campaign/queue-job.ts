/** Jobs of the queue: some thousand units each, with all that a worker needs to know. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { decodeLine, encodeLine, type UnitLine } from './line.ts';
import type { UnitSet } from './unit-set.ts';

const ranges = z.array(z.tuple([z.int().min(0), z.int().min(1)]));

const jobSchema = z.strictObject({
  campaign: z.unknown(),
  plan: z.string(),
  /** Units to run: from, to (exclusive). */
  ranges,
});

const resultSchema = z.strictObject({ lines: z.array(z.string()) });

export type JobData = z.infer<typeof jobSchema>;
export type JobResult = z.infer<typeof resultSchema>;
type Ranges = z.infer<typeof ranges>;

/** @throws Error if it is no job of a campaign */
export function jobData(value: unknown): JobData {
  return jobSchema.parse(value);
}

/**
 * The part of the campaign with number `part`.
 * @param size units of a part
 */
export function partRange(units: number, size: number, part: number): readonly [number, number] {
  return [part * size, Math.min(units, (part + 1) * size)];
}

/** Name of the job of a whole part: whoever adds the same once more adds nothing. */
export function partId(plan: string, size: number, part: number): string {
  return `${plan.slice(0, 32)}-${size}-${part}`;
}

/** Name of the job of what is left of a part. */
export function restId(id: string, left: Ranges): string {
  return `${id}-${createHash('sha256').update(JSON.stringify(left)).digest('hex').slice(0, 16)}`;
}

/** What of a part is not done. */
export function leftOf(done: UnitSet, [from, to]: readonly [number, number]): Ranges {
  const left: Ranges = [];
  for (let unit = from; unit < to; unit++) {
    if (done.has(unit)) continue;
    const last = left.at(-1);
    if (last?.[1] === unit) last[1]++;
    else left.push([unit, unit + 1]);
  }
  return left;
}

export function* unitsIn(all: Ranges): Generator<number, undefined> {
  for (const [from, to] of all) for (let unit = from; unit < to; unit++) yield unit;
  return undefined;
}

export function resultOf(lines: readonly UnitLine[]): JobResult {
  return { lines: [...lines].sort((a, b) => a.unit - b.unit).map(encodeLine) };
}

/** @returns undefined for what is no result of those units. @param units of the campaign */
export function linesOf(result: unknown, units: number): UnitLine[] | undefined {
  const parsed = resultSchema.safeParse(result);
  if (!parsed.success) return undefined;
  const lines = parsed.data.lines.map((text) => decodeLine(text, units));
  return lines.every((line) => line !== undefined) ? lines : undefined;
}
