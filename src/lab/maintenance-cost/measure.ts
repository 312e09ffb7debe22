/** What cache maintenance costs, in simulated cycles: one lockstep run, smallest clock first, a figure. */
import type { Job, RunResult } from '../../hosts/job.ts';
import type { Platform } from '../../machine/platform.ts';
import type { LockstepPool } from '../lockstep-pool.ts';
import type { CostLimits } from '../shootdown-cost.ts';
import programs, {
  type LineOperationName,
  type LineState,
  lineOperations,
  MAINTENANCE_NOTE,
  type MaintenanceSettings,
} from './workload.ts';

export interface MaintenanceRow extends MaintenanceSettings {
  /** Mean cycles of all of it, with its barriers. */
  readonly cycles: number;
  /** Operations on lines that this took. */
  readonly operations: number;
  /** Mean cycles of reading the pages once more, a line each. */
  readonly againCycles: number;
}

const OPERATIONS = Object.keys(lineOperations) as LineOperationName[];

/** Is there a cache behind the L1D? */
export const hasLevelBelow = ({ l2, shared, outer }: Platform): boolean => Boolean(l2 ?? shared ?? outer);

/** Every operation on one page: how far it reaches, what it finds, a barrier after each line or one at the end. */
export function lineCells(platform: Platform): MaintenanceSettings[] {
  const below = hasLevelBelow(platform);
  const reaches = below ? (['coherency', 'unification'] as const) : (['coherency'] as const);
  const cell = (reach: (typeof reaches)[number], state: LineState, operation: LineOperationName) =>
    (['line', 'page'] as const).map((manner) => ({ manner, operation, reach, state, pages: 1 }));
  return reaches.flatMap((reach) =>
    // Nothing that stops at the first level gets at what is dirty behind it.
    (['clean', 'dirty', ...(below && reach === 'coherency' ? (['below'] as const) : [])] as const).flatMap(
      (state) => OPERATIONS.flatMap((operation) => cell(reach, state, operation)),
    ),
  );
}

/** Emptying caches by set and way with so many dirty pages in them, 0 first. */
export function setWayCells(pages: readonly number[]): MaintenanceSettings[] {
  const amounts = [...new Set([0, ...pages])].sort((a, b) => a - b);
  return amounts.flatMap((n) =>
    (['first-level', 'all-levels'] as const).map((manner) => ({
      ...{ manner, operation: 'flush' as const, reach: 'coherency' as const, pages: n },
      state: n === 0 ? ('absent' as const) : ('dirty' as const),
    })),
  );
}

/** Flushing so many pages by address, outer cache included: with no line of them in a cache, clean ones, dirty ones. */
export function addressCells(pages: readonly number[]): MaintenanceSettings[] {
  const amounts = pages.filter((n) => n > 0);
  return amounts.flatMap((n) =>
    (['absent', 'clean', 'dirty'] as const).map((state) => ({
      ...{
        manner: 'address' as const,
        operation: 'flush' as const,
        reach: 'coherency' as const,
        pages: n,
        state,
      },
    })),
  );
}

/** @throws Error if a run did not finish. @param tell told each row; returning false stops */
export async function measureMaintenance(
  platform: Platform,
  cells: readonly MaintenanceSettings[],
  limits: CostLimits,
  pool: LockstepPool,
  tell: (row: MaintenanceRow) => boolean = () => true,
): Promise<MaintenanceRow[]> {
  const rows: MaintenanceRow[] = [];
  const tasks = cells.map((cell) => ({ job: jobOf(platform, cell, limits), scheduler: 'clock' as const }));
  await pool.run(tasks, (result, i) => {
    const row = rowOf(cells[i], result);
    rows.push(row);
    return tell(row);
  });
  return rows;
}

function jobOf(platform: Platform, cell: MaintenanceSettings, limits: CostLimits): Job {
  const source = { module: programs.module, parameters: { ...cell } };
  return { platform, cpus: 1, source, checked: false, ...limits };
}

function rowOf(cell: MaintenanceSettings, { outcome, error, steps, cpus }: RunResult): MaintenanceRow {
  if (outcome !== 'finished') {
    const why = error ?? `it ended with ${outcome} after ${steps} steps`;
    throw new Error(`cost of ${cell.operation}, ${cell.manner}, ${cell.pages} pages: ${why}`);
  }
  // Notes end with the last one that is not zero.
  const noteOf = (note: number) => cpus[0].notes[note] ?? 0;
  const rounds = noteOf(MAINTENANCE_NOTE.ROUNDS);
  return {
    ...cell,
    cycles: round(noteOf(MAINTENANCE_NOTE.CYCLES) / rounds),
    operations: noteOf(MAINTENANCE_NOTE.LINES) / rounds,
    againCycles: round(noteOf(MAINTENANCE_NOTE.AGAIN_CYCLES) / rounds),
  };
}

const round = (value: number) => Math.round(value * 100) / 100;
