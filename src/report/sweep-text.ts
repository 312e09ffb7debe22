/** A sweep with its conclusions, as plain text, as Markdown and as CSV. */
import type { GroupCrossover, GroupFit } from '../lab/sweep/analysis.ts';
import { cellOf, type SweepHead, type SweepTable } from '../lab/sweep/table.ts';
import { csv } from './csv.ts';
import { markdownTable, markdownText } from './markdown-table.ts';
import {
  type CellTable,
  crossoversTable,
  cutTable,
  fitFormula,
  fitsTable,
  pointTable,
  splitMeasures,
  unmeasured,
} from './sweep-tables.ts';
import { paint, type Style, table, WIDTH, wrap } from './text.ts';

export interface Conclusions {
  readonly fits: readonly GroupFit[];
  readonly crossovers: readonly GroupCrossover[];
}

/** @param measures to show, by name */
export function sweepText(
  sweep: SweepTable,
  measures: readonly string[],
  conclusions: Conclusions,
  style: Style,
): string {
  const { head } = sweep;
  const { shown, absent } = splitMeasures(sweep.rows, measures);
  const parts = cutTable(pointTable(sweep, shown), head.scanned.length, WIDTH);
  const lines = [
    ...wrap(`${head.experiment}: ${head.title}`),
    ...notes(head, shown).flatMap((note) => wrap(note, '', '  ')),
    ...parts.flatMap((part) => ['', ...tableText(part, style)]),
    ...[...absentText(absent), ...unmeasured(sweep.rows)].flatMap((text) => wrap(text, '', '  ')),
  ];
  const concluded = conclusionsText(conclusions, style);
  return [...lines, ...(concluded === '' ? [] : ['', concluded])].join('\n');
}

/** Fits and crossovers alone; empty if there are none. */
export function conclusionsText({ fits, crossovers }: Conclusions, style: Style): string {
  const parts: string[] = [];
  if (fits.length > 0) parts.push([fitFormula(fits[0]), ...tableText(fitsTable(fits), style)].join('\n'));
  if (crossovers.length > 0) {
    parts.push([crossoverTitle(crossovers[0]), ...tableText(crossoversTable(crossovers), style)].join('\n'));
  }
  return parts.join('\n\n');
}

export function sweepMarkdown(
  sweep: SweepTable,
  measures: readonly string[],
  conclusions: Conclusions,
): string {
  const { head } = sweep;
  const { fits, crossovers } = conclusions;
  const { shown, absent } = splitMeasures(sweep.rows, measures);
  const points = pointTable(sweep, shown);
  const missing = [...absentText(absent), ...unmeasured(sweep.rows)];
  const item = (text: string) => `- ${markdownText(text)}`;
  const section = (title: string, content: CellTable) => [
    '',
    `${markdownText(title)}:`,
    '',
    ...markdownTable(content.columns, content.rows),
  ];
  return [
    `# ${markdownText(`${head.experiment}: ${head.title}`)}`,
    '',
    ...notes(head, shown).map(item),
    '',
    ...markdownTable(points.columns, points.rows),
    ...(missing.length > 0 ? ['', ...missing.map(item)] : []),
    ...(fits.length > 0 ? section(fitFormula(fits[0]), fitsTable(fits)) : []),
    ...(crossovers.length > 0 ? section(crossoverTitle(crossovers[0]), crossoversTable(crossovers)) : []),
  ].join('\n');
}

/** One line a point, repeats on lines of their own; what could not be measured has its reason in the last column. */
export function sweepCsv({ head, rows }: SweepTable, measures: readonly string[]): string {
  const names = [...head.scanned.map(({ name }) => name), ...Object.keys(head.fixed)];
  const titles = ['experiment', ...names, 'seed', ...measures, 'note'];
  return csv([
    titles,
    ...rows.map((row) => {
      const { outcome } = row;
      const figures = 'measures' in outcome ? outcome.measures : {};
      const note = 'na' in outcome ? `n/a: ${outcome.na}` : 'error' in outcome ? outcome.error : undefined;
      return [
        head.experiment,
        ...names.map((name) => cellOf(row, name)),
        row.seed,
        ...measures.map((measure) => figures[measure]),
        note,
      ];
    }),
  ]);
}

function notes(head: SweepHead, measures: readonly string[]): string[] {
  const platforms = head.platforms.map(({ name, title, clockMHz }) => `${name} (${title}, ${clockMHz} MHz)`);
  const fixed = Object.entries(head.fixed).filter(([name]) => name !== 'platform');
  const seeds =
    head.repeat === 1 ? `seed ${head.seed}` : `seeds ${head.seed} to ${head.seed + head.repeat - 1}`;
  return [
    `on ${platforms.join(', ')}`,
    [...fixed.map(([name, value]) => `${name}=${value}`), seeds, `flushlab ${head.version}`].join(', '),
    ...measures.map((name) => `${name}: ${head.measures[name].title}, ${head.measures[name].unit}`),
    `source: ${head.source}`,
  ];
}

function absentText(absent: readonly string[]): string[] {
  return absent.length === 0 ? [] : [`means nothing at any of these points: ${absent.join(', ')}`];
}

function crossoverTitle({ along }: GroupCrossover): string {
  return `crossovers along ${along}, by straight lines between the points`;
}

function tableText({ columns, rows }: CellTable, style: Style): string[] {
  const [titles, ...lines] = table(columns, rows);
  return [paint(style, 'bold', titles), ...lines];
}
