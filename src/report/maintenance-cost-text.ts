/** What cache maintenance costs on a platform: by address, line by line and by page; by set and way. */
import type { CostFigure } from '../lab/flush-cost/measure.ts';
import { hasLevelBelow, type MaintenanceRow } from '../lab/maintenance-cost/measure.ts';
import { type Comparison, comparisons, microseconds } from '../lab/maintenance-cost/published.ts';
import type { LineState } from '../lab/maintenance-cost/workload.ts';
import type { CostName, Platform } from '../machine/platform.ts';
import { PAGE_BYTES } from '../machine/platform.ts';
import { costHead } from './cost-head.ts';
import { sourcesText } from './flush-cost-text.ts';
import {
  type ColumnSpec,
  indentTable,
  paint,
  type Style,
  table,
  thousands,
  thousandsOrNone,
  wrap,
} from './text.ts';

const stateNames: Readonly<Record<LineState, string>> = {
  absent: 'in no cache',
  clean: 'clean',
  dirty: 'dirty',
  below: 'dirty one level down',
};

const perLine = (row: MaintenanceRow, platform: Platform): number =>
  row.cycles / ((row.pages * PAGE_BYTES) / platform.lineBytes);

const tenth = (value: number): string => value.toFixed(1);

/** What the tables of `cost line-maintenance` show, in a paragraph. */
export function lineCaption(platform: Platform): string {
  const { name, clockMHz, lineBytes, maintenance } = platform;
  const parts = [
    `Cycles per line of maintenance by address on ${name} at ${clockMHz} MHz; lockstep, one CPU, ${PAGE_BYTES / lineBytes} lines of a page in its own L1D.`,
    'one by one: with a barrier after each; in a page: with one at the end. again: reading a line afterwards.',
    'An invalidate of a dirty line loses what was stored.',
  ];
  if (hasLevelBelow(platform)) {
    parts.push(
      'To the point of unification an operation stops at the first level; to the point of coherency it goes on as far as memory.',
    );
  }
  if (platform.outer?.maintainedBy === 'controller')
    parts.push('Neither acts on the outer cache, which has a controller of its own.');
  if (maintenance.byAddress === 'broadcast' && platform.maxCpus > 1)
    parts.push('Every operation is broadcast, and that is part of its price.');
  return parts.join(' ');
}

/** A table for each reach, what a flush costs over an invalidate, and the sources. */
export function lineText(rows: readonly MaintenanceRow[], platform: Platform, style: Style): string {
  const reaches = [...new Set(rows.map(({ reach }) => reach))];
  const blocks = reaches.map((reach) => {
    const own = rows.filter((row) => row.reach === reach);
    const title = paint(style, 'bold', `to the point of ${reach}`);
    return [title, ...lineTable(own, platform, style), '', ...overInvalidate(own, platform)].join('\n');
  });
  return [...blocks, sourcesText(maintenanceFigures(platform), style)].join('\n\n');
}

function lineTable(rows: readonly MaintenanceRow[], platform: Platform, style: Style): string[] {
  const columns: ColumnSpec[] = [
    { title: 'line', align: 'left' },
    { title: 'operation', align: 'left' },
    { title: 'one by one', align: 'right' },
    { title: 'in a page', align: 'right' },
    { title: 'the page', align: 'right' },
    { title: 'again', align: 'right' },
  ];
  const cells = rows
    .filter(({ manner }) => manner === 'line')
    .map((one) => {
      const page = partner(rows, one);
      const again = page ? page.againCycles / (PAGE_BYTES / platform.lineBytes) : 0;
      return [
        stateNames[one.state],
        one.operation,
        tenth(perLine(one, platform)),
        page ? tenth(perLine(page, platform)) : '-',
        thousandsOrNone(page?.cycles),
        tenth(again),
      ];
    });
  return indentTable(table(columns, cells), style);
}

const partner = (rows: readonly MaintenanceRow[], one: MaintenanceRow) =>
  rows.find(
    ({ manner, state, operation }) => manner === 'page' && state === one.state && operation === one.operation,
  );

/** The answer to "how much does flushing cost over invalidating". */
function overInvalidate(rows: readonly MaintenanceRow[], platform: Platform): string[] {
  return [...new Set(rows.map(({ state }) => state))].map((state) => {
    const costOf = (name: string) => {
      const row = rows.find((one) => one.manner === 'page' && one.state === state && one.operation === name);
      return row ? perLine(row, platform) : Number.NaN;
    };
    const [flush, invalidate] = [costOf('flush'), costOf('invalidate')];
    const more = flush - invalidate;
    const share = `${Math.round((100 * more) / invalidate)} %`;
    const how = more === 0 ? 'nothing' : `${tenth(more)} cycles a line, ${share}`;
    return `  flush over invalidate, ${stateNames[state]}: ${how}`;
  });
}

/** What the tables of `cost set-way-host` show, in a paragraph. */
export function setWayCaption({ name, clockMHz }: Platform): string {
  return [
    `Cycles of cleaning and invalidating caches on ${name} at ${clockMHz} MHz; lockstep, one CPU, no hypervisor.`,
    'By set and way it takes an operation for each line that a cache can hold, whatever is in it; by address one for each',
    'line of the amount, a barrier at the end. Dirty lines add their write-back at its full latency; hardware overlaps them.',
  ].join(' ');
}

/** Both ways as functions of what is in the caches, published times, and the sources. */
export function setWayText(rows: readonly MaintenanceRow[], platform: Platform, style: Style): string {
  const time = (cycles: number) => tenth(microseconds(platform, cycles));
  const bold = (text: string) => paint(style, 'bold', text);
  const titled = (title: string, columns: readonly string[], cells: string[][]) => {
    const specs = columns.map((one): ColumnSpec => ({ title: one, align: 'right' }));
    return [bold(title), ...indentTable(table(specs, cells), style)].join('\n');
  };
  const levels = (['first-level', 'all-levels'] as const).map((manner) =>
    titled(
      manner === 'first-level' ? 'by set and way, L1D alone' : 'by set and way, every level that is reached',
      ['dirty pages', 'operations', 'cycles', 'us', 'an operation'],
      rows
        .filter((row) => row.manner === manner)
        .map(({ pages, operations, cycles }) => [
          `${pages}`,
          thousands(operations),
          thousands(cycles),
          time(cycles),
          (cycles / operations).toFixed(2),
        ]),
    ),
  );
  const amounts = [...new Set(rows.filter(({ manner }) => manner === 'address').map(({ pages }) => pages))];
  const byAddress = titled(
    'by address, as far as memory',
    ['pages', 'lines', 'in no cache', 'clean', 'dirty', 'us'],
    amounts.map((pages) => {
      const own = rows.filter((row) => row.manner === 'address' && row.pages === pages);
      const cyclesOf = (state: LineState) => own.find((row) => row.state === state)?.cycles;
      const shown = (['absent', 'clean', 'dirty'] as const).map((state) => {
        return thousandsOrNone(cyclesOf(state));
      });
      const dirty = cyclesOf('dirty');
      const lines = (pages * PAGE_BYTES) / platform.lineBytes;
      return [`${pages}`, thousands(lines), ...shown, dirty === undefined ? '-' : time(dirty)];
    }),
  );
  const compared = comparisons(platform, rows);
  const blocks = [...levels, ...(amounts.length > 0 ? [byAddress] : [])];
  if (compared.length > 0) blocks.push([bold('published'), ...compared.flatMap(comparedText)].join('\n'));
  return [...blocks, sourcesText(maintenanceFigures(platform), style)].join('\n\n');
}

function comparedText(one: Comparison): string[] {
  const { manner, microseconds: us, range, simulated, deviation, isCalibration, source } = one;
  const what = manner === 'first-level' ? 'L1D alone' : 'every level';
  const several = range[0] === range[1] ? '' : `, ${range[0]} to ${range[1]} in all tests`;
  const off = `${Math.abs(100 * deviation).toFixed(1)} % ${deviation < 0 ? 'less' : 'more'}`;
  const how = isCalibration ? 'calibrated on it' : 'not calibrated';
  return wrap(
    `${what}: ${us} us published${several}; ${tenth(simulated)} us here with empty caches, ${off} (${how}; ${source})`,
    '  ',
    '    ',
  );
}

const FIGURES: readonly (CostName | 'outerLineCycles')[] = [
  'maintenanceLineCycles',
  'maintenanceBroadcastCycles',
  'setWayLineCycles',
  'outerLineCycles',
  'l2HitCycles',
  'sharedHitCycles',
  'outerHitCycles',
  'memoryCycles',
  'dsbCycles',
];

/** The costs of a platform that maintenance is made of, where they are not zero. */
function maintenanceFigures({ costs, sources }: Platform): CostFigure[] {
  return FIGURES.filter((name) => costs[name] > 0).map((name) => ({
    ...{ name, cycles: costs[name], source: sources[`costs.${name}`] ?? sources.costs },
  }));
}

export function maintenanceReport(
  experiment: 'line-maintenance' | 'set-way-host',
  platform: Platform,
  seed: number,
  rows: readonly MaintenanceRow[],
) {
  return {
    ...costHead(experiment, platform),
    seed,
    rows,
    ...(experiment === 'set-way-host' && { published: comparisons(platform, rows) }),
    figures: maintenanceFigures(platform),
  };
}
