/** Measuring the points of a sweep on a pool, with progress and Ctrl-C. */
import { pointName, type Sweep } from '../lab/sweep/points.ts';
import { PointPool, runSweep } from '../lab/sweep/run-sweep.ts';
import { rowOf, type TableRow } from '../lab/sweep/table.ts';
import { plural } from '../report/text.ts';
import { measureOn } from './measure-on.ts';
import { complain } from './terminal.ts';

/**
 * Measures what is not known yet.
 * @param known rows of the first points
 * @param tell told of each further one, in order, before anything says that it is done
 * @returns all rows in order; those until then if Ctrl-C ended it
 */
export async function measureSweep(
  sweep: Sweep,
  { workers, quiet }: { readonly workers: number; readonly quiet?: boolean },
  known: readonly TableRow[] = [],
  tell: (row: TableRow) => void = () => {},
): Promise<{ rows: TableRow[]; interrupted: boolean }> {
  const rows = [...known];
  const total = sweep.points.length;
  const pool = new PointPool(Math.min(workers, total));
  const { interrupted } = await measureOn(pool, quiet === true, (show) =>
    runSweep(
      sweep,
      pool,
      (found) => {
        const row = rowOf(found);
        rows.push(row);
        tell(row);
        return show(`${rows.length} of ${total} points`);
      },
      known.length,
    ),
  );
  return { rows, interrupted };
}

/** Says on stderr how many points failed, and the first. @returns whether any did */
export function failedPoints(sweep: Sweep, rows: readonly TableRow[]): boolean {
  const failed = rows.flatMap(({ index, outcome }) => ('error' in outcome ? [{ index, ...outcome }] : []));
  const [first] = failed;
  if (!first) return false;
  const name = pointName(sweep, sweep.points[first.index]);
  complain(`${plural(failed.length, 'point')} failed, the first ${name}: ${first.error.split('\n')[0]}`);
  return true;
}
