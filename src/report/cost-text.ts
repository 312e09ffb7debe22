/** What shootdowns cost, mechanisms side by side. */
import { type CostRow, type Mechanism, mechanisms } from '../lab/shootdown-cost.ts';
import { type ColumnSpec, paint, plural, type Style, table, thousandsOrNone } from './text.ts';

const TITLES: Readonly<Record<Mechanism, string>> = {
  'cross-call': 'cross call',
  broadcast: 'broadcast',
};

type Host = CostRow['host'];

/** A figure of one mechanism. */
interface Figure {
  readonly title: string;
  readonly mechanism: Mechanism;
  value(row: Find): string;
}
type Find = (host: Host) => CostRow | undefined;

export interface CostView {
  readonly clockMHz: number;
  /** Show the initiator's time beside its cycles. */
  readonly times: boolean;
}

/** One table for each page count: CPUs down, the figures of each mechanism across. */
export function costText(rows: readonly CostRow[], view: CostView, style: Style): string {
  const pages = [...new Set(rows.map((row) => row.pages))];
  const blocks = pages.map((count) => {
    const own = rows.filter((row) => row.pages === count);
    return [paint(style, 'bold', plural(count, 'page')), ...pageTable(own, view, style)].join('\n');
  });
  return blocks.join('\n\n');
}

function pageTable(rows: readonly CostRow[], view: CostView, style: Style): string[] {
  const used = mechanisms.filter((m) => rows.some((row) => row.mechanism === m));
  const figures = used.flatMap((mechanism) => figuresOf(mechanism, rows, view));
  const cpus = [...new Set(rows.map((row) => row.cpus))];
  const columns: ColumnSpec[] = [
    { title: 'CPUs', align: 'right' },
    ...figures.map(({ title, mechanism }, i): ColumnSpec => {
      const isFirst = i > 0 && figures[i - 1].mechanism !== mechanism;
      return { title, align: 'right', gap: isFirst ? 5 : 2 };
    }),
  ];
  const cells = cpus.map((n) => [
    String(n),
    ...figures.map(({ mechanism, value }) =>
      value((host) => rows.find((r) => r.cpus === n && r.mechanism === mechanism && r.host === host)),
    ),
  ]);
  const lines = table(columns, cells).map((line) => `  ${line}`);
  return [paint(style, 'bold', heads(columns, cells, figures)), ...lines];
}

/** The line above the titles: each mechanism over its figures. */
function heads(
  columns: readonly ColumnSpec[],
  cells: readonly (readonly string[])[],
  figures: readonly Figure[],
): string {
  let line = '  ';
  for (const [i, { title, gap = 2 }] of columns.entries()) {
    const width = Math.max(title.length, ...cells.map((row) => row[i].length));
    const start = line.length + (i === 0 ? 0 : gap);
    if (i > 0 && figures[i - 2]?.mechanism !== figures[i - 1].mechanism) {
      line = `${line.padEnd(start)}${TITLES[figures[i - 1].mechanism]} `;
    }
    line = line.padEnd(start + width);
  }
  return line.trimEnd();
}

function figuresOf(mechanism: Mechanism, rows: readonly CostRow[], view: CostView): Figure[] {
  const has = (host: Host) => rows.some((row) => row.host === host);
  const figure = (title: string, value: Figure['value']): Figure => ({ title, mechanism, value });
  const both = has('lockstep') && has('threads');
  const main: Host = has('lockstep') ? 'lockstep' : 'threads';
  const figures = [figure('initiator', (find) => thousandsOrNone(find(main)?.initiatorCycles))];
  if (view.times) {
    figures.push(figure('ns', (find) => thousandsOrNone(toNs(find(main)?.initiatorCycles, view.clockMHz))));
  }
  if (both) figures.push(figure('threads', (find) => thousandsOrNone(find('threads')?.initiatorCycles)));
  figures.push(figure('a target', (find) => thousandsOrNone(find(main)?.targetCycles)));
  figures.push(figure('all', (find) => thousandsOrNone(find(main)?.allTargetsCycles)));
  return figures;
}

function toNs(value: number | undefined, clockMHz: number): number | undefined {
  return value === undefined ? undefined : (value * 1000) / clockMHz;
}
