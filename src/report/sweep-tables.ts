/** A sweep, its fits and its crossovers as tables, for plain text and for Markdown alike. */
import type { Relation } from '../lab/crossover.ts';
import type { GroupCrossover, GroupFit } from '../lab/sweep/analysis.ts';
import { groupsOf } from '../lab/sweep/analysis.ts';
import { cellOf, type SweepTable, type TableRow } from '../lab/sweep/table.ts';
import { type ColumnSpec, plural, thousands } from './text.ts';

export interface CellTable {
  readonly columns: readonly ColumnSpec[];
  readonly rows: readonly (readonly string[])[];
}

const SIGNIFICANT = 4;
/** Blanks between two columns of text. */
const GAP = 2;

/** One row a point; repeated points are one row, with their mean and range. */
export function pointTable({ head, rows }: SweepTable, measures: readonly string[]): CellTable {
  const names = head.scanned.map(({ name }) => name);
  const columns = [
    ...head.scanned.map(({ name, values }) => column(name, typeof values[0] === 'string' ? 'left' : 'right')),
    ...measures.map((measure) => column(measure, 'right')),
  ];
  const cells = groupsOf(head, rows, []).map(({ own }) => [
    ...names.map((name) => String(cellOf(own[0], name))),
    ...measures.map((measure) => measured(own, measure)),
  ]);
  return { columns, rows: cells };
}

/** Which measures there are figures of, and which mean nothing in the whole sweep. */
export function splitMeasures(
  rows: readonly TableRow[],
  measures: readonly string[],
): { readonly shown: string[]; readonly absent: string[] } {
  const found = new Set(
    rows.flatMap(({ outcome }) => ('measures' in outcome ? Object.keys(outcome.measures) : [])),
  );
  // Where there is nothing at all, the reasons say enough.
  const isShown = (measure: string) => found.size === 0 || found.has(measure);
  return { shown: measures.filter(isShown), absent: measures.filter((measure) => !isShown(measure)) };
}

/** Cuts a table into parts that fit a width, each with the first columns. @param lead how many those are */
export function cutTable({ columns, rows }: CellTable, lead: number, width: number): CellTable[] {
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...rows.map((row) => row[i].length)));
  const first = [...columns.keys()].slice(0, lead);
  const start = first.reduce((sum, i) => sum + widths[i] + GAP, 0);
  const parts: number[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const i of [...columns.keys()].slice(lead)) {
    if (used + widths[i] > width) {
      parts.push([]);
      used = start;
    }
    parts[parts.length - 1].push(i);
    used += widths[i] + GAP;
  }
  if (parts.length === 0) return [{ columns, rows }];
  return parts.map((part) => {
    const kept = [...first, ...part];
    return { columns: kept.map((i) => columns[i]), rows: rows.map((row) => kept.map((i) => row[i])) };
  });
}

/** What could not be measured, and why: `12 points n/a: ...`. */
export function unmeasured(rows: readonly TableRow[]): string[] {
  const counts = new Map<string, number>();
  for (const { outcome } of rows) {
    if ('measures' in outcome) continue;
    const text = 'na' in outcome ? `n/a: ${outcome.na}` : `failed: ${outcome.error}`;
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return [...counts].map(([text, count]) => `${plural(count, 'point')} ${text}`);
}

export function fitsTable(fits: readonly GroupFit[]): CellTable {
  const [first] = fits;
  const isPower = first?.scale === 'log-log';
  const groups = Object.keys(first?.group ?? {});
  const hasNotes = fits.some(({ fit }) => noteOf(fit) !== '');
  return {
    columns: [
      ...groups.map((name) => column(name, 'left')),
      column('measure', 'left'),
      column(isPower ? 'factor' : 'intercept', 'right'),
      column(isPower ? 'exponent' : 'slope', 'right'),
      column('R2', 'right'),
      column('points', 'right'),
      ...(hasNotes ? [column('note', 'left')] : []),
    ],
    rows: fits.map(({ group, measure, fit }) => [
      ...groups.map((name) => String(group[name])),
      measure,
      ...('none' in fit
        ? ['-', '-', '-', '-']
        : [
            figure(isPower ? Math.exp(fit.intercept) : fit.intercept),
            figure(fit.slope),
            fit.r2 === null ? '-' : r2Text(fit.r2),
            String(fit.points),
          ]),
      ...(hasNotes ? [noteOf(fit)] : []),
    ]),
  };
}

/** What a fit means: `initiatorCycles = intercept + slope * pages`. */
export function fitFormula({ along, scale }: GroupFit): string {
  return scale === 'linear'
    ? `least squares: measure = intercept + slope * ${along}`
    : `least squares of the logarithms: measure = factor * ${along} ^ exponent`;
}

export function crossoversTable(crossovers: readonly GroupCrossover[]): CellTable {
  const groups = Object.keys(crossovers[0]?.group ?? {});
  return {
    columns: [...groups, 'measure', 'between', 'crossover'].map((name) => column(name, 'left')),
    rows: crossovers.map((one) => [
      ...groups.map((name) => String(one.group[name])),
      one.measure,
      `${one.first} / ${one.second}`,
      relationText(one.relation, one),
    ]),
  };
}

function relationText(relation: Relation, { along, first, second }: GroupCrossover): string {
  const nameOf = (which: 'first' | 'second') => String(which === 'first' ? first : second);
  switch (relation.kind) {
    case 'cross':
      return relation.crossings
        .map(
          ({ x, y, lowerAfter }) =>
            `${along} ${figure(x)} (at ${figure(y)}), then ${nameOf(lowerAfter)} is lower`,
        )
        .join('; ');
    case 'apart':
      return `none from ${relation.from} to ${relation.to}: ${nameOf(relation.lower)} is lower`;
    case 'equal':
      return `equal from ${relation.from} to ${relation.to}`;
    case 'unknown':
      return `unknown: ${relation.why}`;
  }
}

function noteOf(fit: GroupFit['fit']): string {
  if ('none' in fit) return fit.none;
  return fit.r2 === null ? 'constant: nothing for R2 to explain' : '';
}

/** Never rounded up to a perfect one. */
function r2Text(r2: number): string {
  return r2 === 1 ? '1' : String(Math.floor(r2 * 10_000) / 10_000);
}

function measured(rows: readonly TableRow[], measure: string): string {
  const found = rows.flatMap(({ outcome }) =>
    'measures' in outcome && outcome.measures[measure] !== undefined ? [outcome.measures[measure]] : [],
  );
  if (found.length === 0) {
    const { outcome } = rows[0];
    return 'na' in outcome ? 'n/a' : 'error' in outcome ? 'failed' : '-';
  }
  const [least, most] = [Math.min(...found), Math.max(...found)];
  const mean = found.reduce((sum, one) => sum + one, 0) / found.length;
  return least === most ? figure(mean) : `${figure(mean)} (${figure(least)} to ${figure(most)})`;
}

/** A number with commas; below a thousand with four digits of it if it has a fraction. */
export function figure(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return thousands(value);
  return String(Number(value.toPrecision(SIGNIFICANT)));
}

function column(title: string, align: ColumnSpec['align']): ColumnSpec {
  return { title, align };
}
