/** What experiments share that measure cells of the tables of `flushlab cost`. */
import { PAGE_BYTES, type Platform } from '../../machine/platform.ts';
import { COST_QUANTUM_CYCLES } from '../shootdown-cost.ts';

/** More than any of them needs. */
export const LIMITS = { quantumCycles: COST_QUANTUM_CYCLES, maxSteps: 100_000_000, maxSeconds: 300 };

/** Figures without those that mean nothing. */
export function figures(row: Readonly<Record<string, number | null | undefined>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(row).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
  );
}

/** Why a platform has not so many pages of physical memory, or undefined: the lowest one is nobody's. */
export function tooManyPages({ name, memoryBytes }: Platform, pages: number): string | undefined {
  const most = memoryBytes / PAGE_BYTES - 1;
  return pages <= most ? undefined : `${name} has memory for ${most} pages`;
}
