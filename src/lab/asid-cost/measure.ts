/** What ASIDs cost when they run out, and what they save: one lockstep run, smallest clock first, a figure. */
import type { Job, RunResult } from '../../hosts/job.ts';
import type { Platform } from '../../machine/platform.ts';
import type { LockstepPool } from '../lockstep-pool.ts';
import type { CostLimits } from '../shootdown-cost.ts';
import contextSwitch, { SWITCH_NOTE } from './context-switch.ts';
import rollover, { ROLLOVER_NOTE, type RolloverSettings } from './rollover.ts';

/** By an IPI to all, and by each CPU when it comes by. */
export const rolloverAllocators = ['arm-ipi', 'arm64-bitmap'] as const;
const WIDTHS_BITS = [5, 6, 8];

interface RolloverCell extends RolloverSettings {
  readonly cpus: number;
  /** Width of an ASID; one of its numbers is reserved. */
  readonly bits: number;
}

interface SwitchCell {
  readonly pages: number;
  /** False: whatever writes the table base empties the TLB. */
  readonly isTagged: boolean;
}

export interface RolloverRow extends RolloverCell {
  readonly rollovers: number;
  /** Mean cycles of a switch that finds no ASID left, and of any other. */
  readonly rolloverCycles: number | null;
  readonly otherCycles: number | null;
  /** Mean cycles that one other CPU loses in interrupts for each rollover; null with one CPU. */
  readonly targetCycles: number | null;
  /** Mean cycles for each switch, with what interrupts take elsewhere; and table walks. */
  readonly cycles: number | null;
  readonly walks: number | null;
}

export interface SwitchRow extends SwitchCell {
  /** Mean cycles and table walks of a switch and of using the pages once. */
  readonly cycles: number | null;
  readonly walks: number | null;
}

export interface AsidCosts {
  readonly rollovers: RolloverRow[];
  readonly switches: SwitchRow[];
}

/** The global allocators need more numbers than CPUs. */
export function rolloverCells({ mmu }: Platform, cpus: readonly number[]): RolloverCell[] {
  const widths = WIDTHS_BITS.filter((bits) => bits <= mmu.tlb.asidBits);
  return widths.flatMap((bits) =>
    cpus
      .filter((n) => n < 2 ** bits - 1)
      .flatMap((n) =>
        rolloverAllocators.map((allocator) => ({ allocator, bits, asids: 2 ** bits - 1, cpus: n })),
      ),
  );
}

export function switchCells(pages: readonly number[]): SwitchCell[] {
  return pages.flatMap((n) => [true, false].map((isTagged) => ({ pages: n, isTagged })));
}

/** Measures all cells. @throws Error if a run did not finish. @param tell told after each; returning false stops */
export async function measureAsids(
  platform: Platform,
  rollovers: readonly RolloverCell[],
  switches: readonly SwitchCell[],
  limits: CostLimits,
  pool: LockstepPool,
  tell: () => boolean = () => true,
): Promise<AsidCosts> {
  const costs: AsidCosts = { rollovers: [], switches: [] };
  const jobs = [
    ...rollovers.map((cell) => rolloverJob(platform, cell, limits)),
    ...switches.map((cell) => switchJob(platform, cell, limits)),
  ];
  const tasks = jobs.map((job) => ({ job, scheduler: 'clock' as const }));
  await pool.run(tasks, (result, i) => {
    if (i < rollovers.length) costs.rollovers.push(rolloverRow(rollovers[i], result));
    else costs.switches.push(switchRow(switches[i - rollovers.length], result));
    return tell();
  });
  return costs;
}

function rolloverJob(platform: Platform, { allocator, asids, cpus }: RolloverCell, limits: CostLimits): Job {
  const source = { module: rollover.module, parameters: { allocator, asids } };
  return { platform, cpus, source, checked: false, ...limits };
}

function switchJob(platform: Platform, { pages, isTagged }: SwitchCell, limits: CostLimits): Job {
  const source = { module: contextSwitch.module, parameters: { pages } };
  return {
    platform: isTagged ? platform : withoutTags(platform),
    ...{ cpus: 1, source, checked: false, ...limits },
  };
}

/** The same machine with a TLB that the write of the table base empties, at no cost of its own. */
export function withoutTags(platform: Platform): Platform {
  const { mmu, costs } = platform;
  return {
    ...platform,
    mmu: { ...mmu, tlb: { ...mmu.tlb, asidBits: 0 } },
    costs: { ...costs, tlbInvalidateAllCycles: 0 },
  };
}

function rolloverRow(cell: RolloverCell, result: RunResult): RolloverRow {
  mustHaveFinished(result, `${cell.allocator}, ${cell.cpus} CPUs, ${cell.asids} ASIDs`);
  const sum = (note: number) => result.cpus.reduce((total, { notes }) => total + (notes[note] ?? 0), 0);
  const switches = sum(ROLLOVER_NOTE.SWITCHES);
  const rollovers = sum(ROLLOVER_NOTE.ROLLOVERS);
  const cycles = sum(ROLLOVER_NOTE.CYCLES);
  const within = sum(ROLLOVER_NOTE.ROLLOVER_CYCLES);
  const interrupts = sum(ROLLOVER_NOTE.INTERRUPT_CYCLES);
  return {
    ...cell,
    rollovers,
    rolloverCycles: mean(within, rollovers),
    otherCycles: mean(cycles - within, switches - rollovers),
    targetCycles: mean(interrupts, rollovers * (cell.cpus - 1)),
    cycles: mean(cycles + interrupts, switches),
    walks: mean(sum(ROLLOVER_NOTE.WALKS), switches),
  };
}

function switchRow(cell: SwitchCell, result: RunResult): SwitchRow {
  mustHaveFinished(result, `a context switch with ${cell.pages} pages`);
  const note = (which: number) => result.cpus[0].notes[which] ?? 0;
  const switches = note(SWITCH_NOTE.SWITCHES);
  return {
    ...cell,
    cycles: mean(note(SWITCH_NOTE.CYCLES), switches),
    walks: mean(note(SWITCH_NOTE.WALKS), switches),
  };
}

function mustHaveFinished({ outcome, error, steps }: RunResult, what: string): void {
  if (outcome === 'finished') return;
  throw new Error(`cost of ${what}: ${error ?? `it ended with ${outcome} after ${steps} steps`}`);
}

/** Null where there is nothing to take a mean of. */
function mean(total: number, count: number): number | null {
  return count === 0 ? null : Math.round((total / count) * 10) / 10;
}
