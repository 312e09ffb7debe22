/** The outcomes of a matrix in the shape of its table, for every format. */
import type { CellOutcome, NamedPlatform } from '../lab/matrix.ts';
import type { Expect } from '../scenarios/scenario.ts';
import { plural } from './text.ts';

interface MatrixRow {
  readonly scenario: string;
  readonly variant: string;
  /** What the variant does. */
  readonly title: string;
  /** The first row of its scenario. */
  readonly isFirst: boolean;
  /** In the order of the columns. */
  readonly cells: ReadonlyMap<NamedPlatform, CellOutcome>;
}

/** The columns. */
export function platformsOf(outcomes: readonly CellOutcome[]): NamedPlatform[] {
  return [...new Set(outcomes.map(({ cell }) => cell.on))];
}

/** The rows, as far as anything is known of them. */
export function matrixRows(outcomes: readonly CellOutcome[]): MatrixRow[] {
  const rows = new Map<string, { first: CellOutcome; cells: Map<NamedPlatform, CellOutcome> }>();
  for (const outcome of outcomes) {
    const { named, variant, on } = outcome.cell;
    const key = `${named.reference}/${variant.name}`;
    const row = rows.get(key) ?? { first: outcome, cells: new Map() };
    row.cells.set(on, outcome);
    rows.set(key, row);
  }
  let before = '';
  return [...rows.values()].map(({ first: { cell }, cells }) => {
    const isFirst = cell.named.reference !== before;
    before = cell.named.reference;
    const { name, title } = cell.variant;
    return { scenario: cell.named.scenario.name, variant: name, title, isFirst, cells };
  });
}

export function expectText(expect: Expect | undefined): string {
  if (expect === undefined || expect === 'clean') return 'nothing';
  return expect.join(' or ');
}

/** How many cells there are of each result, and whether all are as expected. */
export function summary(outcomes: readonly CellOutcome[]): string {
  const count = (result: CellOutcome['result']) => outcomes.filter((o) => o.result === result).length;
  const parts = [`${count('found')} found`, `${count('clean')} clean`, `${count('n/a')} not applicable`];
  if (count('bound') > 0) parts.push(`${count('bound')} without answer`);
  if (count('error') > 0) parts.push(`${count('error')} failed`);
  const surprises = outcomes.filter(({ asExpected }) => !asExpected).length;
  const verdict = surprises === 0 ? 'every one as expected' : `${surprises} NOT as expected`;
  return `${plural(outcomes.length, 'cell')}: ${parts.join(', ')}; ${verdict}.`;
}
