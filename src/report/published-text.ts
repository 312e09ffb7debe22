/** The table of `flushlab cost --against published`. */
import type { Basis, ComparisonRow, Limit } from '../lab/published/compare.ts';
import { type PublishedRecord, publishedRecords } from '../lab/published/records.ts';
import { type ColumnSpec, paint, type Style, table, wrap } from './text.ts';

const COLUMNS: readonly ColumnSpec[] = [
  { title: '', align: 'left' },
  { title: 'simulated', align: 'right' },
  { title: 'published', align: 'right' },
  { title: 'deviation', align: 'right' },
  { title: 'limit', align: 'left' },
  { title: 'verdict', align: 'left' },
];

/** One table a record, with what was measured, under which conditions, and by whom. */
export function publishedText(rows: readonly ComparisonRow[], style: Style): string {
  const records: readonly PublishedRecord[] = Object.values(publishedRecords);
  const blocks = records.flatMap((record) => {
    const own = rows.filter((row) => row.record === record.id);
    if (own.length === 0) return [];
    const [{ unit }] = own;
    const head = wrap(`${record.id}: ${record.quantity}, by ${record.varied}, ${unit}`, '', '  ');
    const about = `${record.conditions}. ${record.source}.`;
    const lines = table(
      COLUMNS,
      own.map((row) => cells(row)),
    ).map((line) => `  ${line}`);
    return [
      [...head.map((line) => paint(style, 'bold', line)), ...wrap(about, '  ', '  '), ...lines].join('\n'),
    ];
  });
  return [...blocks, summary(rows, style)].join('\n\n');
}

function cells(row: ComparisonRow): string[] {
  const digits = Math.abs(row.published) < 100 ? 1 : 0;
  const sign = row.deviation < 0 ? '' : '+';
  return [
    row.point,
    row.simulated.toFixed(digits),
    row.published.toFixed(digits),
    `${sign}${(row.deviation * 100).toFixed(1)} %`,
    limitText(row.limit),
    verdictText(row),
  ];
}

function limitText(limit: Limit | undefined): string {
  if (limit === undefined) return '-';
  if ('within' in limit) return `${Math.round(limit.within * 100)} %`;
  if ('times' in limit) return `${limit.times} times`;
  return `${limit.from} to ${limit.to}`;
}

/** What became of a row: whether it holds, and whether it could have been otherwise. */
export function verdictText({ holds, limit, basis }: ComparisonRow): string {
  if (!holds) return 'FAILS';
  if (limit === undefined) return 'for information';
  if (basis === 'calibrated') return 'holds; calibrated on it';
  return basis === 'in sight' ? 'holds; had in sight' : 'holds';
}

function summary(rows: readonly ComparisonRow[], style: Style): string {
  const judged = rows.filter(({ limit }) => limit !== undefined);
  const failed = judged.filter(({ holds }) => !holds);
  const count = (basis: Basis) => judged.filter((row) => row.basis === basis).length;
  const text = [
    `${judged.length - failed.length} of ${judged.length} hold. Parameters were calibrated on ${count('calibrated')} of them;`,
    `estimates of the machine were chosen with ${count('in sight')} in sight, which shows consistency only;`,
    `${count('predicted')} are predicted.`,
  ].join(' ');
  return wrap(text, '', '')
    .map((line) => paint(style, failed.length > 0 ? 'red' : 'green', line))
    .join('\n');
}
