/**
 * What a TLB shootdown costs: the CPU that takes pages away, from clearing the first table entry until the
 * flush has returned; and its targets, in interrupt handlers and in cycles that incoming broadcasts steal.
 * Reference is the lockstep host with the smallest clock first.
 *
 * The measured operation is munmap. The targets are threads of the same process that use the pages and
 * compute in between: without the computing every one of them sits in a page fault while the pages are
 * away, and what is measured is how the interconnect copes with that. Computing is not interrupted in the
 * middle, so it is kept short beside the latency of an interrupt.
 */
import type { Job, RunResult } from '../hosts/job.ts';
import type { ThreadsHost } from '../hosts/threads.ts';
import type { Platform } from '../machine/platform.ts';
import { MOST_THREADS } from '../machine/state.ts';
import type { Scenario } from '../scenarios/scenario.ts';
import { ScenarioError } from '../scenarios/scenario.ts';
import { tlbShootdown } from '../scenarios/tlb-shootdown/scenario.ts';
import { SHOOTDOWN_NOTE } from '../scenarios/tlb-shootdown/workload.ts';
import type { LockstepPool } from './lockstep-pool.ts';

export const mechanisms = ['cross-call', 'broadcast'] as const;
export type Mechanism = (typeof mechanisms)[number];

/** Units of work between two accesses of a target. */
export const IDLE_UNITS = 200;
/** Shootdowns a cell: enough for a mean that more of them do not move. */
const ROUNDS = 24;
/** Fewer where each is long, because the targets touch every page between two, and on threads, which are slow. */
const ROUNDS_FEW = 10;
const MANY_PAGES = 32;
/**
 * Threads measure with a tight bound: every message between two CPUs may carry the whole drift of their
 * clocks into the figure.
 */
export const COST_QUANTUM_CYCLES = 500;

export interface CostCell {
  readonly mechanism: Mechanism;
  readonly cpus: number;
  readonly pages: number;
}

export interface CostRow extends CostCell {
  readonly host: 'lockstep' | 'threads';
  readonly shootdowns: number;
  /** Mean cycles of the initiator per shootdown. */
  readonly initiatorCycles: number;
  /** Mean cycles lost by one target per shootdown; null without targets. */
  readonly targetCycles: number | null;
  /** Mean cycles lost by all targets together per shootdown; null without targets. */
  readonly allTargetsCycles: number | null;
}

export interface CostLimits {
  readonly seed: number;
  readonly quantumCycles: number;
  readonly maxSteps: number;
  readonly maxSeconds: number;
}

/** Every combination, in the order in which tables show them. */
export function costCells(
  which: readonly Mechanism[],
  cpus: readonly number[],
  pages: readonly number[],
): CostCell[] {
  return pages.flatMap((p) => cpus.flatMap((c) => which.map((m) => ({ mechanism: m, cpus: c, pages: p }))));
}

/**
 * The job that measures one cell.
 * @throws ScenarioError if the platform cannot do it
 */
export function costJob(
  platform: Platform,
  cell: CostCell,
  limits: CostLimits,
  host: CostRow['host'] = 'lockstep',
): Job {
  const scenario: Scenario = tlbShootdown;
  const variant = scenario.variants.find((v) => v.name === cell.mechanism);
  const reason = variant?.unsupported?.(platform);
  if (reason !== undefined) throw new ScenarioError(`mechanism '${cell.mechanism}': ${reason}`);
  if (cell.cpus > platform.maxCpus) {
    throw new ScenarioError(
      `${platform.name} has at most ${platform.maxCpus} CPUs, not ${cell.cpus}: use --cpus with ${platform.maxCpus} or fewer`,
    );
  }
  if (host === 'threads' && cell.cpus > MOST_THREADS) {
    throw new ScenarioError(`on threads ${MOST_THREADS} CPUs can run, not ${cell.cpus}: leave out --host`);
  }
  const parameters = {
    pages: cell.pages,
    rounds: host === 'threads' || cell.pages >= MANY_PAGES ? ROUNDS_FEW : ROUNDS,
    operation: 'munmap',
    idle: IDLE_UNITS,
    variant: cell.mechanism,
  };
  const source = { module: scenario.module, parameters };
  return { platform, cpus: cell.cpus, source, checked: false, ...limits };
}

/** Reads the figures out of a finished run. @throws Error if the run did not finish */
export function costRow(cell: CostCell, host: CostRow['host'], result: RunResult): CostRow {
  if (result.outcome !== 'finished') {
    const why = result.error ?? `it ended with ${result.outcome} after ${result.steps} steps`;
    throw new Error(`cost of ${cell.mechanism} on ${host}, cpus=${cell.cpus} pages=${cell.pages}: ${why}`);
  }
  const [initiator, ...targets] = result.cpus;
  const shootdowns = initiator.notes[SHOOTDOWN_NOTE.SHOOTDOWNS];
  const lost = targets.reduce(
    (sum, { counters }) => sum + counters.interruptCycles + counters.stolenCycles,
    0,
  );
  return {
    ...cell,
    host,
    shootdowns,
    initiatorCycles: round(initiator.notes[SHOOTDOWN_NOTE.SHOOTDOWN_CYCLES] / shootdowns),
    targetCycles: targets.length === 0 ? null : round(lost / shootdowns / targets.length),
    allTargetsCycles: targets.length === 0 ? null : round(lost / shootdowns),
  };
}

function round(cycles: number): number {
  return Math.round(cycles * 10) / 10;
}

/** Measures cells on lockstep, side by side. @param tell returning false stops */
export async function measureLockstep(
  platform: Platform,
  cells: readonly CostCell[],
  limits: CostLimits,
  pool: LockstepPool,
  tell: (row: CostRow) => boolean,
): Promise<void> {
  const tasks = cells.map((cell) => ({ job: costJob(platform, cell, limits), scheduler: 'clock' as const }));
  await pool.run(tasks, (result, i) => tell(costRow(cells[i], 'lockstep', result)));
}

/** Measures cells on threads, one after the other. @param tell returning false stops */
export async function measureThreads(
  platform: Platform,
  cells: readonly CostCell[],
  limits: CostLimits,
  host: ThreadsHost,
  tell: (row: CostRow) => boolean,
): Promise<void> {
  for (const cell of cells) {
    const result = await host.run(costJob(platform, cell, limits, 'threads'));
    if (!tell(costRow(cell, 'threads', result))) return;
  }
}
