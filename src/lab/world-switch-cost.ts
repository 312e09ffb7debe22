/**
 * What a switch between host and guest costs in each design, as a function of the pages in use and of the work
 * between two switches; and for which of them the gain over flushing is what was reported.
 */
import type { Job, RunResult } from '../hosts/job.ts';
import { type WorldDesign, worldDesigns } from '../kernel/asid/world-switch.ts';
import type { Platform } from '../machine/platform.ts';
import worldSwitch, { SWITCHES_A_ROUND, WORLD_NOTE } from '../scenarios/asid/world-switch.ts';
import type { LockstepPool } from './lockstep-pool.ts';
import type { CostLimits } from './shootdown-cost.ts';

const ROUNDS = 20;

/**
 * Gain over flushing that Christoffer Dall reported: "Using non-Global mappings for kernel address space",
 * linux-arm-kernel, 2010-11-08.
 */
export const REPORTED_GAIN = 0.33;

interface WorldCell {
  readonly design: WorldDesign;
  /** Pages that process, kernel and guest use, each. */
  readonly pages: number;
  /** Cycles of other work between two switches. */
  readonly work: number;
}

export interface WorldRow extends WorldCell {
  /** Mean cycles from one world switch to the next, the work included. */
  readonly cycles: number;
  /** Mean table walks from one world switch to the next. */
  readonly walks: number;
}

/** Every combination, in the order in which tables show them; always with no work at all, which others build on. */
export function worldCells(pages: readonly number[], work: readonly number[]): WorldCell[] {
  const works = [...new Set([0, ...work])].sort((a, b) => a - b);
  return pages.flatMap((n) =>
    works.flatMap((w) => worldDesigns.map((design) => ({ design, pages: n, work: w }))),
  );
}

/** @throws Error if a run did not finish. @param tell told after each; returning false stops */
export async function measureWorlds(
  platform: Platform,
  cells: readonly WorldCell[],
  limits: CostLimits,
  pool: LockstepPool,
  tell: () => boolean = () => true,
): Promise<WorldRow[]> {
  const rows: WorldRow[] = [];
  const tasks = cells.map((cell) => ({ job: worldJob(platform, cell, limits), scheduler: 'clock' as const }));
  await pool.run(tasks, (result, i) => {
    rows.push(rowOf(cells[i], result));
    return tell();
  });
  return rows;
}

/** Why a platform has nothing to measure, or undefined. */
export function noWorlds(platform: Platform): string | undefined {
  return worldSwitch.variants[0].unsupported?.(platform);
}

function worldJob(platform: Platform, { design, pages, work }: WorldCell, limits: CostLimits): Job {
  const parameters = { pages, work, rounds: ROUNDS, variant: design };
  const source = { module: worldSwitch.module, parameters };
  return { platform, cpus: 1, source, checked: false, ...limits };
}

function rowOf(cell: WorldCell, { outcome, error, cpus }: RunResult): WorldRow {
  if (outcome !== 'finished') {
    throw new Error(
      `cost of ${cell.design} with ${cell.pages} pages: ${error ?? `it ended with ${outcome}`}`,
    );
  }
  const [{ notes }] = cpus;
  const switches = (notes[WORLD_NOTE.ROUNDS] ?? 0) * SWITCHES_A_ROUND;
  return {
    ...cell,
    cycles: round((notes[WORLD_NOTE.CYCLES] ?? 0) / switches),
    walks: round((notes[WORLD_NOTE.WALKS] ?? 0) / switches),
  };
}

/** How much more gets done in the same time than with a flush on every switch: 0.33 is 33 %. */
export function gainOf(row: WorldRow, rows: readonly WorldRow[]): number {
  const { cycles } = find(rows, 'flush', row.pages, row.work);
  return cycles / row.cycles - 1;
}

/** Where a design gains what was reported. */
export interface ReportedPoint {
  readonly design: WorldDesign;
  readonly pages: number;
  /** Cycles of work between two switches at which it gains so much; null if it gains less even without any. */
  readonly work: number | null;
  /** World switches a second there. */
  readonly switchesPerSecond: number | null;
  /** Most that it gains with these pages: without any work. */
  readonly mostGain: number;
}

/** Work adds the same to both sides, so where the gain has come down to what was reported follows from no work. */
export function reportedPoints({ clockMHz }: Platform, rows: readonly WorldRow[]): ReportedPoint[] {
  return rows
    .filter(({ design, work }) => work === 0 && design !== 'flush')
    .map((row) => {
      const { design, pages, cycles } = row;
      const flush = find(rows, 'flush', pages, 0).cycles;
      const work = (flush - (1 + REPORTED_GAIN) * cycles) / REPORTED_GAIN;
      const isReached = work >= 0;
      return {
        design,
        pages,
        work: isReached ? Math.round(work) : null,
        switchesPerSecond: isReached ? Math.round((clockMHz * 1e6) / (cycles + work)) : null,
        mostGain: flush / cycles - 1,
      };
    });
}

function find(rows: readonly WorldRow[], design: WorldDesign, pages: number, work: number): WorldRow {
  const row = rows.find((one) => one.design === design && one.pages === pages && one.work === work);
  if (!row) throw new Error(`${design} with ${pages} pages and ${work} cycles of work has not been measured`);
  return row;
}

const round = (value: number) => Math.round(value * 10) / 10;
