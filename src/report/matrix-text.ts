/** The matrix of scenarios and platforms as plain text. */
import { type FindingKind, findingKinds, kindNames } from '../checker/finding.ts';
import type { CellOutcome } from '../lab/matrix.ts';
import { expectText, matrixRows, platformsOf, summary } from './matrix-rows.ts';
import { type ColumnSpec, paint, plural, type Style, table, wrap } from './text.ts';

/** What a kind of finding is called in a cell. */
const LETTERS: Readonly<Record<FindingKind, string>> = {
  'stale-data': 'D',
  'lost-write': 'L',
  'stale-translation': 'T',
  'freed-frame': 'F',
  'walker-old-entry': 'W',
  'freed-table': 'P',
  'stale-instruction': 'I',
  'multiple-match': 'M',
  deadlock: 'X',
  invariant: 'C',
  'device-old-data': 'V',
  'flush-order': 'O',
};

export interface MatrixView {
  readonly style: Style;
  /** Columns of the terminal. */
  readonly width: number;
  /** Hit rates instead of verdicts. */
  readonly rates: boolean;
}

/** The table, in parts that fit the width; what its letters mean; and every cell that is not as expected. */
export function matrixText(outcomes: readonly CellOutcome[], view: MatrixView): string {
  const kinds = kindNames.filter((kind) => outcomes.some((outcome) => outcome.kinds.includes(kind)));
  const legend = kinds.map((kind) => `${LETTERS[kind]} ${kind}: ${findingKinds[kind]}`);
  return [
    ...tables(outcomes, view),
    ...(legend.length > 0 ? ['', 'found', ...legend.flatMap((line) => wrap(line, '  ', '    '))] : []),
    '',
    ...wrap(summary(outcomes)),
    ...outcomes.filter(({ asExpected }) => !asExpected).flatMap((outcome) => surprise(outcome, view.style)),
  ].join('\n');
}

function tables(outcomes: readonly CellOutcome[], view: MatrixView): string[] {
  const platforms = platformsOf(outcomes);
  const rows = matrixRows(outcomes);
  const lead = rows.map(({ scenario, variant, isFirst }) => [isFirst ? scenario : '', variant]);
  const leadWidth =
    widest(['scenario', ...lead.map(([a]) => a)]) + 2 + widest(['variant', ...lead.map(([, b]) => b)]);
  const cells = platforms.map((on) => rows.map(({ cells }) => cellText(cells.get(on), view.rates)));
  const lines: string[] = [];
  for (let from = 0; from < platforms.length; ) {
    let width = leadWidth;
    let to = from;
    do {
      width += 2 + widest([platforms[to].platform.name, ...cells[to]]);
      to++;
    } while (
      to < platforms.length &&
      width + 2 + widest([platforms[to].platform.name, ...cells[to]]) <= view.width
    );
    const shown = platforms.slice(from, to);
    const columns: ColumnSpec[] = ['scenario', 'variant', ...shown.map(({ platform }) => platform.name)].map(
      (title) => ({ title, align: 'left' }),
    );
    const body = lead.map((names, row) => [...names, ...cells.slice(from, to).map((column) => column[row])]);
    if (from > 0) lines.push('');
    lines.push(...painted(table(columns, body), view.style));
    from = to;
  }
  return lines;
}

/** Titles bold; what is not as expected red. */
function painted([titles, ...rows]: readonly string[], style: Style): string[] {
  return [
    paint(style, 'bold', titles),
    ...rows.map((row) => row.replace(/!\S+( [A-Z]+\b)?/g, (text) => paint(style, 'red', text))),
  ];
}

const widest = (texts: readonly string[]) => Math.max(...texts.map(({ length }) => length));

function cellText(outcome: CellOutcome | undefined, rates: boolean): string {
  if (!outcome) return '';
  const { result, asExpected, found, runs, kinds, cell } = outcome;
  const mark = asExpected ? '' : '!';
  const isRate = rates && (result === 'found' || (result === 'clean' && cell.expect !== 'clean'));
  const text = isRate ? `${found}/${runs}` : result;
  const letters = kinds.map((kind) => LETTERS[kind]).join('');
  return `${mark}${text}${letters === '' ? '' : ` ${letters}`}`;
}

function surprise(outcome: CellOutcome, style: Style): string[] {
  const { cell, kinds, found, runs, firstSeed, error } = outcome;
  const where = `${cell.named.scenario.name}/${cell.variant.name}/${cell.on.platform.name}`;
  const seen =
    error?.split('\n')[0] ??
    (found === 0
      ? `${outcome.result} in ${plural(runs, 'run')}`
      : `${kinds.join(', ')} in ${found} of ${plural(runs, 'run')}, first with seed ${firstSeed}`);
  const text = `${where}: must show ${expectText(cell.expect)}, but: ${seen}. ${cell.reason}`;
  return wrap(text, '  ', '    ').map((line) => paint(style, 'red', line));
}

/** Each cell with its verdict and the sentence that it follows from. */
export function reasonsText(outcomes: readonly CellOutcome[]): string {
  const lines: string[] = [];
  for (const { scenario, variant, isFirst, title, cells } of matrixRows(outcomes)) {
    if (lines.length > 0) lines.push('');
    if (isFirst) lines.push(scenario);
    lines.push(...wrap(`${variant}: ${title}`, '  ', '    '));
    for (const [on, outcome] of cells) {
      const what = `${on.platform.name}: ${verdictText(outcome)}`;
      lines.push(...wrap(`${what}: ${outcome.cell.reason}`, '    ', '      '));
    }
  }
  return lines.join('\n');
}

/** A verdict in words: what was seen, and what had to be where that is another thing. */
export function verdictText({ result, kinds, asExpected, found, runs, cell }: CellOutcome): string {
  const seen = result === 'found' ? `found ${kinds.join(', ')}` : result;
  const rate = result === 'found' && runs > 1 ? ` in ${found} of ${runs} runs` : '';
  const isMissed = result === 'clean' && cell.expect !== 'clean';
  const wanted = asExpected && !isMissed ? '' : ` (must show ${expectText(cell.expect)})`;
  return `${seen}${rate}${wanted}`;
}
