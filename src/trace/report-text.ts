/** A trace run as tables. */
import type { CpuCounts, TraceResult } from './run.ts';

interface Column {
  readonly title: string;
  value(cpu: CpuCounts): number;
  /** Not a sum: shown as a percentage. */
  readonly of?: (cpu: CpuCounts) => number;
}

const count = (title: string, name: keyof CpuCounts): Column => ({ title, value: (cpu) => cpu[name] });

const fetchColumns: readonly Column[] = [
  count('accesses', 'fetches'),
  { title: 'hits', value: (cpu) => cpu.fetches - cpu.fetchMisses },
  count('misses', 'fetchMisses'),
  { title: 'miss %', value: (cpu) => cpu.fetchMisses, of: (cpu) => cpu.fetches },
  count('evictions', 'l1iEvictions'),
];
const dataColumns: readonly Column[] = [
  count('reads', 'reads'),
  count('writes', 'writes'),
  count('hits', 'l1dHits'),
  count('read misses', 'readMisses'),
  count('write misses', 'writeMisses'),
  { title: 'miss %', value: (cpu) => cpu.l1dMisses, of: (cpu) => cpu.reads + cpu.writes },
  count('evictions', 'l1dEvictions'),
  count('dirty', 'l1dDirtyEvictions'),
];
const behindColumns: readonly Column[] = [
  count('L2 hits', 'l2Hits'),
  count('L2 evictions', 'l2Evictions'),
  count('shared hits', 'sharedHits'),
  count('memory reads', 'memoryReads'),
  count('write-backs', 'writeBacks'),
];
const coherenceColumns: readonly Column[] = [
  count('upgrades', 'upgrades'),
  count('invalidated', 'invalidationsReceived'),
  count('downgraded', 'downgrades'),
  count('held elsewhere', 'heldElsewhere'),
  count('cache-to-cache', 'cacheToCache'),
  count('dirty supplied', 'dirtySupplied'),
];
const translationColumns: readonly Column[] = [
  count('TLB misses', 'tlbMisses'),
  count('2nd TLB hits', 'secondTlbHits'),
  count('walks', 'walks'),
  count('faults', 'faults'),
  count('pages', 'pagesMapped'),
  count('cycles', 'cycles'),
];
const kernelColumns: readonly Column[] = [
  count('shootdowns', 'shootdowns'),
  count('pages taken', 'shootdownPages'),
  count('cycles in them', 'shootdownCycles'),
  count('pages copied', 'pagesCopied'),
  count('IPIs sent', 'ipisSent'),
  count('interrupts', 'interrupts'),
  count('broadcasts', 'broadcasts'),
  count('switches', 'switches'),
];

/** Tables of what each CPU did, and their sums where there are several. */
export function traceText(result: TraceResult): string {
  const { run, cpus, seconds } = result;
  const { platform } = run;
  const shape = (cache: { sizeBytes: number; ways: number }) =>
    `${cache.sizeBytes / 1024} KB ${cache.ways}-way`;
  const accesses = cpus.reduce((sum, cpu) => sum + cpu.fetches + cpu.reads + cpu.writes, 0);
  const head = [
    `${platform.name}: ${run.cpus} ${run.cpus === 1 ? 'CPU' : 'CPUs'}, L1D ${shape(platform.l1d)}, L1I ${shape(platform.l1i)}, lines of ${platform.lineBytes} bytes, ${platform.coherence}, ${run.host}`,
    `${accesses} accesses in ${seconds.toFixed(1)} s (${(accesses / seconds / 1e6).toFixed(1)} M/s), seed ${run.seed}, ${result.outcome}`,
  ];
  const tables = [
    cpus.some((cpu) => cpu.fetches > 0) ? table('L1I', fetchColumns, cpus) : '',
    table('L1D', dataColumns, cpus),
    table('behind the L1', platform.l2 || platform.shared ? behindColumns : behindColumns.slice(3), cpus),
    cpus.length > 1 ? table('coherence', coherenceColumns, cpus) : '',
    table('translation and time', translationColumns, cpus),
    cpus.some((cpu) => cpu.shootdowns + cpu.switches > 0) ? table('kernel', kernelColumns, cpus) : '',
  ];
  return [...head, ...tables.filter((text) => text !== '')].join('\n');
}

function table(title: string, columns: readonly Column[], cpus: readonly CpuCounts[]): string {
  const cell = (column: Column, list: readonly CpuCounts[]) => {
    const sum = list.reduce((all, cpu) => all + column.value(cpu), 0);
    if (!column.of) return String(Math.round(sum));
    const { of } = column;
    const whole = list.reduce((all, cpu) => all + of(cpu), 0);
    return whole === 0 ? '-' : ((sum * 100) / whole).toFixed(2);
  };
  const rows = [
    [title, ...columns.map((column) => column.title)],
    ...cpus.map((cpu) => [`CPU ${cpu.cpu}`, ...columns.map((column) => cell(column, [cpu]))]),
  ];
  if (cpus.length > 1) rows.push(['all', ...columns.map((column) => cell(column, cpus))]);
  return `\n${alignRows(rows)}`;
}

/** Rows of cells as lines: the first column to the left, the others to the right. */
export function alignRows(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  const line = (row: readonly string[]) =>
    row.map((text, i) => (i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i]))).join('  ');
  return rows.map(line).join('\n');
}
