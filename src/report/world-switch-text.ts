/** What world switches cost, designs below each other, and where the reported gain comes out. */
import {
  gainOf,
  REPORTED_GAIN,
  type ReportedPoint,
  reportedPoints,
  type WorldRow,
} from '../lab/world-switch-cost.ts';
import type { Platform } from '../machine/platform.ts';
import { costHead } from './cost-head.ts';
import { type ColumnSpec, indentTable, paint, plural, type Style, table, thousands, wrap } from './text.ts';

export function worldSwitchCaption({ name, clockMHz }: Platform): string {
  return `Cycles from one world switch to the next on ${name} at ${clockMHz} MHz; lockstep, smallest clock first. A process, the host’s kernel and a guest use so many pages each; between two switches there is other work. Misses: table walks. Gain: how much more gets done in the same time than with a flush on every switch.`;
}

const percent = (gain: number) => `${(gain * 100).toFixed(1)} %`;

/** One table for each working set, then the reported gain. */
export function worldSwitchText(rows: readonly WorldRow[], platform: Platform, style: Style): string {
  const columns: ColumnSpec[] = [
    { title: 'work', align: 'right' },
    { title: 'design', align: 'left' },
    { title: 'cycles', align: 'right' },
    { title: 'misses', align: 'right' },
    { title: 'gain', align: 'right' },
  ];
  const blocks = [...new Set(rows.map(({ pages }) => pages))].map((pages) => {
    const own = rows.filter((row) => row.pages === pages);
    const cells = own.map((row) => [
      thousands(row.work),
      row.design,
      thousands(row.cycles),
      row.walks.toFixed(1),
      row.design === 'flush' ? '-' : percent(gainOf(row, rows)),
    ]);
    const title = paint(style, 'bold', `${plural(pages, 'page')} each`);
    return [title, ...indentTable(table(columns, cells), style)].join('\n');
  });
  return [...blocks, reportedText(reportedPoints(platform, rows), style)].join('\n\n');
}

function reportedText(points: readonly ReportedPoint[], style: Style): string {
  const title = paint(style, 'bold', `the ${REPORTED_GAIN * 100} % that the thread reports come out`);
  const lines = points.map(
    ({ design, pages, work, switchesPerSecond, mostGain }) =>
      `${design}, ${plural(pages, 'page')} each: ${
        work === null || switchesPerSecond === null
          ? `at no rate; at most ${percent(mostGain)}`
          : `at ${thousands(work)} cycles of work between two switches, ${thousands(switchesPerSecond)} switches a second`
      }`,
  );
  return [title, ...lines.flatMap((line) => wrap(line, '  ', '    '))].join('\n');
}

export function worldSwitchReport(platform: Platform, seed: number, rows: readonly WorldRow[]) {
  return {
    ...costHead('world-switch', platform),
    seed,
    rows: rows.map((row) => ({ ...row, gain: row.design === 'flush' ? null : gainOf(row, rows) })),
    reported: { gain: REPORTED_GAIN, points: reportedPoints(platform, rows) },
  };
}
