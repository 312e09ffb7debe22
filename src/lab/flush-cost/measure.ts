/** What the flush interfaces cost, in simulated cycles: one lockstep run, smallest clock first, a figure. */
import type { Job, RunResult } from '../../hosts/job.ts';
import type { CostName, Platform } from '../../machine/platform.ts';
import type { LockstepPool } from '../lockstep-pool.ts';
import type { CostLimits } from '../shootdown-cost.ts';
import type { OperationName } from './operations.ts';
import programs, { FLUSH_NOTE, type FlushCostSettings } from './workload.ts';

/** One call of one interface on so many CPUs. */
export interface FlushCell extends FlushCostSettings {
  readonly cpus: number;
  /** What it is called for, in words. */
  readonly size: string;
}

export interface FlushRow extends FlushCell {
  /** Mean cycles of the initiator per call. */
  readonly initiatorCycles: number;
  /** Mean cycles lost by one target per call, in interrupt handlers and to broadcasts; null without targets. */
  readonly targetCycles: number | null;
  /** Mean cycles and TLB misses of using the pages once more; of context flushes only. */
  readonly afterCycles?: number;
  readonly afterMisses?: number;
}

/** Live contexts that a flush of the kernel's mappings is measured with. */
const LIVE_CONTEXTS = [1, 4, 16];

/** Every interface for a size, in the order in which tables show them. */
export function flushCells(
  platform: Platform,
  cpus: readonly number[],
  pages: readonly number[],
): FlushCell[] {
  return cpus.flatMap((n) => cellsOf(platform, pages).map((cell) => ({ ...cell, cpus: n })));
}

function cellsOf(platform: Platform, pages: readonly number[]): Omit<FlushCell, 'cpus'>[] {
  const most = Math.max(...pages);
  const both = (operation: OperationName, count: number, size: string) =>
    (['dirty', 'cold'] as const).map((cache) => ({ operation, pages: count, cache, contexts: 1, size }));
  const warm = (operation: OperationName, count: number, size: string, contexts = 1) => ({
    ...{ operation, pages: count, cache: 'dirty' as const, contexts, size },
  });
  const caches = pages.flatMap((n) =>
    n === 1 ? both('flushCachePage', 1, '1 page') : both('flushCacheRange', n, `${n} pages`),
  );
  const tlbs = pages.map((n) =>
    n === 1 ? warm('flushTlbPage', 1, '1 page') : warm('flushTlbRange', n, `${n} pages`),
  );
  const resident = most === 1 ? '1 page in use' : `${most} pages in use`;
  const { asidBits } = platform.mmu.tlb;
  const contexts = LIVE_CONTEXTS.filter((n) => asidBits === 0 || n < 2 ** asidBits);
  return [
    ...caches,
    ...both('flushCacheMm', most, resident),
    ...both('flushCacheAll', most, resident),
    ...tlbs,
    warm('flushTlbMm', most, resident),
    warm('flushTlbAll', most, resident),
    ...contexts.map((n) =>
      warm('flushTlbKernelRange', 1, `1 page, ${n} live ${n === 1 ? 'context' : 'contexts'}`, n),
    ),
    ...both('flushPageToRam', 1, '1 page'),
    ...both('flushDcachePage', 1, '1 page, mapped once'),
    warm('updateMmuCache', 1, '1 page, other colour'),
    ...both('flushIcacheRange', 1, '1 line'),
    ...both('flushIcachePage', 1, '1 page'),
    ...both('flushIcacheUserRange', 1, '1 line'),
    ...both('flushSignalTrampoline', 1, '1 line'),
    ...(platform.l1i.asidTagged ? [warm('flushIcacheAsids', 1, 'all ASIDs')] : []),
    ...(platform.l2?.primaryIndex === true ? [warm('coherencyException', 1, '1 load, other colour')] : []),
  ];
}

/** Flushing a context, and giving the address space another one, for so many resident pages. */
export function contextCells(
  platform: Platform,
  cpus: readonly number[],
  pages: readonly number[],
): FlushCell[] {
  const ways = ['contextFlush', 'contextRenew'] as const;
  const possible = ways.filter((way) => way === 'contextFlush' || platform.mmu.tlb.asidBits > 0);
  return cpus.flatMap((n) =>
    pages.flatMap((resident) =>
      possible.map((operation) => ({
        ...{ operation, pages: resident, cache: 'dirty' as const, contexts: 1, cpus: n, size: `${resident}` },
      })),
    ),
  );
}

function flushCostJob(platform: Platform, cell: FlushCell, limits: CostLimits): Job {
  const { operation, pages, cache, contexts, cpus } = cell;
  const source = { module: programs.module, parameters: { operation, pages, cache, contexts } };
  return { platform, cpus, source, checked: false, ...limits };
}

/** @throws Error if a run did not finish. @param tell returning false stops */
export async function measureFlushes(
  platform: Platform,
  cells: readonly FlushCell[],
  limits: CostLimits,
  pool: LockstepPool,
  tell: (row: FlushRow) => boolean,
): Promise<void> {
  const tasks = cells.map((cell) => ({
    job: flushCostJob(platform, cell, limits),
    scheduler: 'clock' as const,
  }));
  await pool.run(tasks, (result, i) => tell(rowOf(cells[i], result)));
}

function rowOf(cell: FlushCell, result: RunResult): FlushRow {
  if (result.outcome !== 'finished') {
    const why = result.error ?? `it ended with ${result.outcome} after ${result.steps} steps`;
    throw new Error(`cost of ${cell.operation}, ${cell.size}, on ${cell.cpus} CPUs: ${why}`);
  }
  // Notes end with the last one that is not zero.
  const noteOf = (cpu: number, note: number) => result.cpus[cpu].notes[note] ?? 0;
  const targets = result.cpus.slice(1);
  const rounds = noteOf(0, FLUSH_NOTE.ROUNDS);
  const lost = targets.reduce((sum, _, i) => sum + noteOf(i + 1, FLUSH_NOTE.LOST_CYCLES), 0);
  const isContext = cell.operation === 'contextFlush' || cell.operation === 'contextRenew';
  return {
    ...cell,
    initiatorCycles: round(noteOf(0, FLUSH_NOTE.CYCLES) / rounds),
    targetCycles: targets.length === 0 ? null : round(lost / rounds / targets.length),
    ...(isContext && {
      afterCycles: round(noteOf(0, FLUSH_NOTE.AFTER_CYCLES) / rounds),
      afterMisses: round(noteOf(0, FLUSH_NOTE.AFTER_MISSES) / rounds),
    }),
  };
}

const round = (value: number) => Math.round(value * 10) / 10;

/** A figure that went into the measurement. */
export interface CostFigure {
  readonly name: string;
  readonly cycles: number;
  readonly source: string | undefined;
}

/** The costs of a platform that flushes are made of, where they are not zero. */
export function flushFigures({ costs, sources, broadcast, maxCpus }: Platform): CostFigure[] {
  const names: readonly (CostName | 'flushCallCycles' | 'coherencyExceptionCycles')[] = [
    'flushCallCycles',
    'maintenanceLineCycles',
    'setWayLineCycles',
    'maintenanceBroadcastCycles',
    'memoryCycles',
    'tlbInvalidateCycles',
    'tlbInvalidateAllCycles',
    'broadcastLatencyCycles',
    'broadcastOccupancyCycles',
    'broadcastTargetCycles',
    'ipiSendCycles',
    'ipiLatencyCycles',
    'interruptEntryCycles',
    'interruptExitCycles',
    'dsbCycles',
    'isbCycles',
    'contextSwitchCycles',
    'walkStepCycles',
    'coherencyExceptionCycles',
  ];
  return names
    .filter((name) => costs[name] > 0)
    .filter((name) => broadcast !== undefined || !name.startsWith('broadcast'))
    .filter((name) => maxCpus > 1 || !/^(ipi|interrupt)/.test(name))
    .map((name) => ({ name, cycles: costs[name], source: sources[`costs.${name}`] ?? sources.costs }));
}
