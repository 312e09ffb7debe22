/** What experiments share that measure cells of the tables of `flushlab cost`. */
import { COST_QUANTUM_CYCLES } from '../shootdown-cost.ts';

/** More than any of them needs. */
export const LIMITS = { quantumCycles: COST_QUANTUM_CYCLES, maxSteps: 100_000_000, maxSeconds: 300 };

/** Figures without those that mean nothing. */
export function figures(row: Readonly<Record<string, number | null | undefined>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(row).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
  );
}
