/** Lines through the curves of a sweep, and where curves cross; one for each combination of everything else. */
import { ScenarioError } from '../../scenarios/scenario.ts';
import { type Relation, relate } from '../crossover.ts';
import { type Fit, fitLine, fitPower, type Sample } from '../fit.ts';
import { cellOf, type SweepHead, type SweepTable, type TableRow } from './table.ts';

/** `linear`: y against x; `log-log`: a power law. */
export const fitScales = ['linear', 'log-log'] as const;
export type FitScale = (typeof fitScales)[number];

/** Values of what was scanned besides the axes: the curve that something is said of. */
export type Group = Readonly<Record<string, string | number>>;

export interface GroupFit {
  readonly group: Group;
  readonly measure: string;
  readonly along: string;
  readonly scale: FitScale;
  readonly fit: Fit;
}

export interface GroupCrossover {
  readonly group: Group;
  readonly measure: string;
  readonly along: string;
  /** The parameter whose values are compared, and the two. */
  readonly between: string;
  readonly first: string | number;
  readonly second: string | number;
  readonly relation: Relation;
}

/**
 * Fits each measure along a parameter.
 * @throws ScenarioError if it is not a number that was scanned
 */
export function fitTable(
  { head, rows }: SweepTable,
  along: string,
  measures: readonly string[],
  scale: FitScale = 'linear',
): GroupFit[] {
  checkAxis(head, along, '--fit');
  const line = scale === 'linear' ? fitLine : fitPower;
  return groupsOf(head, rows, [along]).flatMap(({ group, own }) =>
    measures.map((measure) => ({ group, measure, along, scale, fit: line(samples(own, along, measure)) })),
  );
}

/**
 * Compares each two values of a parameter along another one.
 * @param asked along which; default: the only other one that has numbers
 * @throws ScenarioError if there is nothing to compare
 */
export function crossTable(
  { head, rows }: SweepTable,
  between: string,
  measures: readonly string[],
  asked?: string,
): GroupCrossover[] {
  const values = head.scanned.find(({ name }) => name === between)?.values ?? [];
  if (values.length < 2) {
    throw new ScenarioError(`--cross ${between}: it has no two values to compare: add --scan ${between}=...`);
  }
  const along = asked ?? onlyAxis(head, between);
  checkAxis(head, along, '--along');
  if (along === between)
    throw new ScenarioError(`--along ${along}: it is what is compared: name another one`);
  const pairs = values.flatMap((first, i) => values.slice(i + 1).map((second) => ({ first, second })));
  return groupsOf(head, rows, [along, between]).flatMap(({ group, own }) =>
    measures.flatMap((measure) =>
      pairs.map(({ first, second }) => {
        const curve = (value: string | number) =>
          samples(
            own.filter((row) => cellOf(row, between) === value),
            along,
            measure,
          );
        return {
          ...{ group, measure, along, between, first, second },
          relation: relate(curve(first), curve(second)),
        };
      }),
    ),
  );
}

/** The numbers of a measure along a parameter, in the order of the rows; rows that have none are left out. */
export function samples(rows: readonly TableRow[], along: string, measure: string): Sample[] {
  return rows.flatMap((row) => {
    const { outcome } = row;
    const y = 'measures' in outcome ? outcome.measures[measure] : undefined;
    return y === undefined ? [] : [{ x: Number(cellOf(row, along)), y }];
  });
}

/** Rows that differ in the given parameters and in the seed only, in the order of the sweep. */
export function groupsOf(
  head: SweepHead,
  rows: readonly TableRow[],
  without: readonly string[],
): { readonly group: Group; readonly own: TableRow[] }[] {
  const names = head.scanned.map(({ name }) => name).filter((name) => !without.includes(name));
  const groups = new Map<string, { group: Group; own: TableRow[] }>();
  for (const row of rows) {
    const group = Object.fromEntries(names.map((name) => [name, cellOf(row, name)]));
    const key = JSON.stringify(group);
    const found = groups.get(key);
    if (found) found.own.push(row);
    else groups.set(key, { group, own: [row] });
  }
  return [...groups.values()];
}

/** Names of scanned parameters that are numbers. */
export function numericAxes({ scanned }: Pick<SweepHead, 'scanned'>): string[] {
  return scanned.filter(({ values }) => values.every((v) => typeof v === 'number')).map(({ name }) => name);
}

function onlyAxis(head: SweepHead, between: string): string {
  const axes = numericAxes(head).filter((name) => name !== between);
  if (axes.length === 1) return axes[0];
  const which = axes.length === 0 ? 'no number was scanned' : `${axes.join(' and ')} were scanned`;
  throw new ScenarioError(`--cross ${between}: ${which}: say along which parameter with --along <parameter>`);
}

function checkAxis(head: SweepHead, name: string, option: string): void {
  const axes = numericAxes(head);
  if (axes.includes(name)) return;
  const known = axes.length === 0 ? 'nothing else was' : `use one of ${axes.join(', ')}`;
  throw new ScenarioError(
    `${option} ${name}: no numbers of it were scanned: ${known}, or add --scan ${name}=...`,
  );
}
