/**
 * What each mechanism of the kernel costs a real program: the same traces with the kernel at rest, and at
 * work by each mechanism that the platform has, side by side.
 */
import type { Mechanism } from '../kernel/tlb-flush.ts';
import type { Platform } from '../machine/platform.ts';
import { tracePlatform } from './platform.ts';
import { alignRows } from './report-text.ts';
import {
  type CpuCounts,
  KERNEL_AT_REST,
  type KernelAtWork,
  runTrace,
  type TraceResult,
  type TraceRun,
} from './run.ts';
import { TraceError } from './trace-error.ts';

export interface Variation {
  readonly name: string;
  readonly run: TraceRun;
}

/** Figures of one variation, all CPUs together. */
export interface VariationResult {
  readonly name: string;
  readonly cycles: number;
  readonly tlbMisses: number;
  readonly l1dMisses: number;
  readonly l1iMisses: number;
  readonly faults: number;
  readonly shootdowns: number;
  readonly shootdownCycles: number;
  readonly ipisSent: number;
  readonly broadcasts: number;
  readonly result: TraceResult;
}

/** The kernel's events that a run can have, by option. */
const events = [
  ['munmap', 'munmapEvery'],
  ['fork', 'forkEvery'],
  ['migrate', 'migrateEvery'],
] as const;

/** The runs that a comparison is made of. @throws TraceError if nothing is left to compare */
export function variationsOf(run: TraceRun): Variation[] {
  const { work, platform } = run;
  const rest = { ...run, work: { ...KERNEL_AT_REST, switchEvery: work.switchEvery } };
  const asked = events.filter(([, key]) => work[key] > 0);
  if (asked.length === 0 && work.switchEvery === 0) {
    throw new TraceError(
      'nothing to compare: use --munmap-every, --fork-cow, --migrate-every or --switch-every',
    );
  }
  const variations: Variation[] = [];
  const mechanisms: Mechanism[] = platform.broadcast ? ['cross-call', 'broadcast'] : ['cross-call'];
  if (work.switchEvery === 0) variations.push({ name: 'kernel at rest', run: rest });
  else {
    // One trace after the other: what switching between them costs is the rest.
    variations.push({ name: 'no time slices', run: { ...rest, work: KERNEL_AT_REST } });
    for (const asids of [true, false]) {
      variations.push({
        name: asids ? 'ASIDs' : 'flush on switch',
        run: { ...rest, platform: withAsids(platform, asids, run.cpus) },
      });
    }
  }
  for (const [name, key] of asked) {
    for (const mechanism of mechanisms) {
      const only: KernelAtWork = { ...rest.work, pages: work.pages, [key]: work[key] };
      variations.push({ name: `${name}, ${mechanism}`, run: { ...run, mechanism, work: only } });
    }
  }
  return variations;
}

function withAsids(platform: Platform, asids: boolean, cpus: number): Platform {
  return tracePlatform({ base: platform, asids, cpus });
}

/** Runs them one after the other. @throws TraceError what is wrong with a trace */
export async function compareMechanisms(
  variations: readonly Variation[],
  done: (name: string) => void,
): Promise<VariationResult[]> {
  const results: VariationResult[] = [];
  for (const { name, run } of variations) {
    const result = await runTrace(run);
    if (result.outcome !== 'finished') {
      throw new TraceError(`${name}: ended with ${result.outcome} ${result.error ?? ''}`.trim());
    }
    results.push(figures(name, result));
    done(name);
  }
  return results;
}

function figures(name: string, result: TraceResult): VariationResult {
  const sum = (key: keyof CpuCounts) => result.cpus.reduce((all, cpu) => all + cpu[key], 0);
  return {
    name,
    cycles: Math.max(...result.cpus.map((cpu) => cpu.cycles)),
    tlbMisses: sum('tlbMisses'),
    l1dMisses: sum('l1dMisses'),
    l1iMisses: sum('fetchMisses'),
    faults: sum('faults'),
    shootdowns: sum('shootdowns'),
    shootdownCycles: sum('shootdownCycles'),
    ipisSent: sum('ipisSent'),
    broadcasts: sum('broadcasts'),
    result,
  };
}

/** One row a variation; what is behind the sign is the difference from the first. */
export function mechanismsText(results: readonly VariationResult[]): string {
  const first = results[0];
  const percent = (value: number, base: number) =>
    base === 0 ? '' : ` (${value >= base ? '+' : ''}${(((value - base) * 100) / base).toFixed(1)} %)`;
  const cell = (row: VariationResult, key: 'cycles' | 'tlbMisses' | 'l1dMisses' | 'l1iMisses') =>
    `${Math.round(row[key])}${row === first ? '' : percent(row[key], first[key])}`;
  const rows = results.map((row) => [
    row.name,
    cell(row, 'cycles'),
    cell(row, 'tlbMisses'),
    cell(row, 'l1dMisses'),
    cell(row, 'l1iMisses'),
    String(row.faults),
    String(row.shootdowns),
    row.shootdowns === 0 ? '-' : String(Math.round(row.shootdownCycles / row.shootdowns)),
    String(row.ipisSent),
    String(row.broadcasts),
  ]);
  const title = [
    'kernel',
    'cycles',
    'TLB misses',
    'L1D misses',
    'L1I misses',
    'faults',
    'shootdowns',
    'cycles each',
    'IPIs',
    'broadcasts',
  ];
  return alignRows([title, ...rows]);
}
