/** What ASIDs cost when they run out, and what they save. */
import {
  type AsidCosts,
  type RolloverRow,
  rolloverAllocators,
  type SwitchRow,
} from '../lab/asid-cost/measure.ts';
import { FOOTPRINT_PAGES } from '../lab/asid-cost/rollover.ts';
import type { Platform } from '../machine/platform.ts';
import { costHead } from './cost-head.ts';
import { type ColumnSpec, indentTable, paint, type Style, table, thousandsOrNone } from './text.ts';

export function asidCaption({ name, clockMHz, mmu }: Platform): string {
  return `Cycles on ${name} at ${clockMHz} MHz; lockstep, smallest clock first. Rollover: every switch is to a new process, which then uses ${FOOTPRINT_PAGES} pages. runs out: a switch that finds no ASID left; other: any other one; a target: what each other CPU loses in interrupts for it; mean: cycles of all CPUs for each switch. Context switch: two processes take turns on one CPU; a TLB without tags is emptied whenever the table base is written, which by itself costs nothing here. The first-level TLB has ${mmu.tlb.data.entries} entries: from half as many pages on, both processes no longer fit into it.`;
}

/** Between two allocators. */
const GAP = ' '.repeat(5);

export function asidCostText({ rollovers, switches }: AsidCosts, style: Style): string {
  const widths = [...new Set(rollovers.map(({ bits }) => bits))];
  const blocks = widths.map((bits) => {
    const own = rollovers.filter((row) => row.bits === bits);
    return block(style, `rollover of ${own[0].asids} usable ASIDs (${bits} bits)`, rolloverLines(own, style));
  });
  if (switches.length > 0) blocks.push(block(style, 'context switch', switchLines(switches, style)));
  return blocks.join('\n\n');
}

function block(style: Style, title: string, lines: readonly string[]): string {
  return [paint(style, 'bold', title), ...lines].join('\n');
}

/** The allocators side by side. */
function rolloverLines(rows: readonly RolloverRow[], style: Style): string[] {
  const titles = ['runs out', 'other', 'a target', 'mean'];
  const counts = [...new Set(rows.map(({ cpus }) => cpus))];
  const blocks = rolloverAllocators.map((name, which) => {
    const columns = [...(which === 0 ? ['CPUs'] : []), ...titles].map(
      (title): ColumnSpec => ({ title, align: 'right' }),
    );
    const cells = counts.map((cpus) => {
      const row = rows.find((one) => one.cpus === cpus && one.allocator === name);
      const figures = [row?.rolloverCycles, row?.otherCycles, row?.targetCycles, row?.cycles].map(
        thousandsOrNone,
      );
      return [...(which === 0 ? [String(cpus)] : []), ...figures];
    });
    const lines = table(columns, cells);
    const width = Math.max(...lines.map((line) => line.length));
    return [name.padStart(width), ...lines].map((line) => line.padEnd(width));
  });
  const [first] = blocks;
  const [heads, titleLine, ...lines] = first.map((_, i) =>
    blocks
      .map((each) => each[i])
      .join(GAP)
      .trimEnd(),
  );
  return [paint(style, 'bold', `  ${heads}`), ...indentTable([titleLine, ...lines], style)];
}

function switchLines(rows: readonly SwitchRow[], style: Style): string[] {
  const titles = ['pages', 'with ASIDs', 'misses', 'without', 'misses', 'saved', 'share'];
  const columns = titles.map((title): ColumnSpec => ({ title, align: 'right' }));
  const counts = [...new Set(rows.map(({ pages }) => pages))];
  const cells = counts.map((pages) => {
    const own = rows.filter((row) => row.pages === pages);
    const tagged = own.find(({ isTagged }) => isTagged);
    const untagged = own.find(({ isTagged }) => !isTagged);
    const before = untagged?.cycles ?? null;
    const after = tagged?.cycles ?? null;
    const saved = before === null || after === null ? null : before - after;
    return [
      String(pages),
      ...[after, tagged?.walks, before, untagged?.walks, saved].map(thousandsOrNone),
      saved === null || before === null ? '-' : `${((saved / before) * 100).toFixed(1)} %`,
    ];
  });
  return indentTable(table(columns, cells), style);
}

export function asidCostReport(platform: Platform, seed: number, costs: AsidCosts) {
  return { ...costHead('asid', platform), seed, ...costs };
}
