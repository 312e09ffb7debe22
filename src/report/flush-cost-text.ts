/** What the flush interfaces of a platform cost, and where the figures behind it come from. */
import type { CostFigure, FlushRow } from '../lab/flush-cost/measure.ts';
import { flushFigures } from '../lab/flush-cost/measure.ts';
import type { Platform } from '../machine/platform.ts';
import { dataAliases } from '../machine/traits.ts';
import { costHead } from './cost-head.ts';
import {
  type ColumnSpec,
  indentTable,
  paint,
  plural,
  type Style,
  table,
  thousandsOrNone,
  wrap,
} from './text.ts';

/** What a table shows, in a paragraph. */
export function flushCaption(experiment: 'flush' | 'context-flush', platform: Platform): string {
  const { name, clockMHz, maxCpus, mmu } = platform;
  const parts = [`Cycles per call on ${name} at ${clockMHz} MHz; lockstep, smallest clock first.`];
  if (experiment === 'flush') {
    parts.push(
      'warm: the lines of the pages are dirty in the cache of the CPU that flushes, as far as they fit, and TLBs hold their translations; cold: the cache holds no line of them.',
    );
    if (!dataAliases(platform)) {
      parts.push(
        'Its data cache finds lines by physical address, so a cache flush is no more than the call.',
      );
    }
  } else {
    parts.push(
      'flush: translations are invalidated by the context’s number; renumber: the address space gets a number that nobody has used. After that the pages in use are touched once more.',
    );
    if (mmu.tlb.asidBits === 0)
      parts.push('Its TLB carries no context numbers, so there is nothing to renumber.');
  }
  if (maxCpus > 1) parts.push('a target: cycles lost by each other CPU that runs the address space.');
  return parts.join(' ');
}

/** One table for each number of CPUs, and the sources. */
export function flushCostText(
  rows: readonly FlushRow[],
  figures: readonly CostFigure[],
  style: Style,
): string {
  const columns: ColumnSpec[] = [
    { title: 'interface', align: 'left' },
    { title: 'for', align: 'left' },
    { title: 'warm', align: 'right' },
    { title: 'cold', align: 'right' },
    { title: 'a target', align: 'right' },
  ];
  return blocks(rows, figures, style, columns, (own) => {
    const first = own.filter(({ cache }) => cache === 'dirty');
    return first.map((row) => {
      const cold = own.find(
        ({ operation, size, cache }) => cache === 'cold' && operation === row.operation && size === row.size,
      );
      const { operation, size, initiatorCycles, targetCycles } = row;
      return [
        operation,
        size,
        thousandsOrNone(initiatorCycles),
        thousandsOrNone(cold?.initiatorCycles),
        thousandsOrNone(targetCycles),
      ];
    });
  });
}

/** Both ways side by side, as functions of the pages in use. */
export function contextCostText(
  rows: readonly FlushRow[],
  figures: readonly CostFigure[],
  style: Style,
): string {
  const titles = ['pages', 'flush', 'then', 'misses', 'a target', 'renumber', 'then', 'misses', 'a target'];
  const columns = titles.map((title, i): ColumnSpec => ({ title, align: 'right', gap: i === 5 ? 5 : 2 }));
  return blocks(rows, figures, style, columns, (own) => {
    const pages = [...new Set(own.map((row) => row.pages))];
    return pages.map((count) => [
      String(count),
      ...(['contextFlush', 'contextRenew'] as const).flatMap((operation) => {
        const row = own.find((one) => one.pages === count && one.operation === operation);
        const { initiatorCycles, afterCycles, afterMisses, targetCycles } = row ?? {};
        return [initiatorCycles, afterCycles, afterMisses, targetCycles].map(thousandsOrNone);
      }),
    ]);
  });
}

function blocks(
  rows: readonly FlushRow[],
  figures: readonly CostFigure[],
  style: Style,
  columns: readonly ColumnSpec[],
  cellsOf: (own: readonly FlushRow[]) => string[][],
): string {
  const counts = [...new Set(rows.map((row) => row.cpus))];
  const tables = counts.map((count) => {
    const lines = table(columns, cellsOf(rows.filter((row) => row.cpus === count)));
    return [paint(style, 'bold', plural(count, 'CPU')), ...indentTable(lines, style)].join('\n');
  });
  return [...tables, sourcesText(figures, style)].join('\n\n');
}

/** Where the figures come from that tables are made of. */
export function sourcesText(figures: readonly CostFigure[], style: Style): string {
  const lines = figures.flatMap(({ name, cycles: value, source }) =>
    wrap(`${name} ${value}: ${source ?? 'no source is given'}`, '  ', '    '),
  );
  return [paint(style, 'bold', 'made of'), ...lines].join('\n');
}

export function flushCostReport(
  experiment: 'flush' | 'context-flush',
  platform: Platform,
  seed: number,
  rows: readonly FlushRow[],
) {
  return {
    ...costHead(experiment, platform),
    seed,
    rows: rows.map(({ operation, size, ...row }) => ({ operation, size, ...row })),
    figures: flushFigures(platform),
  };
}
