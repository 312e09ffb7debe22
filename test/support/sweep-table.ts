/** Sweeps whose results are known beforehand. */

import type { PointOutcome } from '../../src/lab/sweep/measure-point.ts';
import type { SweepHead, SweepTable, TableRow } from '../../src/lab/sweep/table.ts';
import type { Parameters } from '../../src/program/workload.ts';

type Value = string | number;
type Result = Readonly<Record<string, number>> | PointOutcome;

/**
 * A sweep through all combinations of values; `platform` may be one of the parameters.
 * @param result of a point: its measures, or its outcome
 */
export function sweepTable(
  values: Readonly<Record<string, readonly Value[]>>,
  result: (at: Readonly<Record<string, Value>>, seed: number) => Result,
  more: Partial<SweepHead> = {},
): SweepTable {
  const names = Object.keys(values);
  const places = names.reduce<Record<string, Value>[]>(
    (all, name) => all.flatMap((place) => values[name].map((value) => ({ ...place, [name]: value }))),
    [{}],
  );
  const { seed = 1, repeat = 1 } = more;
  const rows = places
    .flatMap((place) =>
      Array.from({ length: repeat }, (_, i) => {
        const { platform = 'neoverse', ...parameters } = place;
        const found = result(place, seed + i);
        const outcome = (
          'na' in found || 'error' in found || 'measures' in found ? found : { measures: found }
        ) as PointOutcome;
        return { platform: String(platform), parameters: parameters as Parameters, seed: seed + i, outcome };
      }),
    )
    .map((row, index): TableRow => ({ index, ...row }));
  const platforms = (values.platform ?? ['neoverse']).map((name) => ({
    ...{ name: String(name), title: `the ${name}`, clockMHz: 2000, digest: '0' },
  }));
  const head: SweepHead = {
    ...{ experiment: 'known', title: 'Known curves', source: 'arithmetic', version: '1.2.3', seed, repeat },
    points: rows.length,
    platforms,
    scanned: names.map((name) => ({ name, title: `how many ${name}`, values: values[name] })),
    fixed: {},
    measures: { cycles: { title: 'time', unit: 'cycles' }, misses: { title: 'refills', unit: 'misses' } },
    ...more,
  };
  return { head, rows };
}
