/** The matrix as JSON: nothing in it depends on the wall clock, or on the number of workers. */
import type { CellOutcome } from '../lab/matrix.ts';
import { platformsOf } from './matrix-rows.ts';

export function matrixReport(
  outcomes: readonly CellOutcome[],
  settings: { readonly host: string; readonly seed: number; readonly runs: number },
) {
  return {
    command: 'matrix',
    ...settings,
    platforms: platformsOf(outcomes).map(({ platform: { name, title } }) => ({ name, title })),
    asExpected: outcomes.every(({ asExpected }) => asExpected),
    cells: outcomes.map(({ cell, result, runs, found, kinds, asExpected, firstSeed, error }) => ({
      scenario: cell.named.scenario.name,
      variant: cell.variant.name,
      platform: cell.on.platform.name,
      result,
      kinds,
      asExpected,
      ...(cell.expect !== undefined && { expect: cell.expect }),
      reason: cell.reason,
      ...(cell.plan && { cpus: cell.plan.cpus }),
      runs,
      found,
      ...(firstSeed !== undefined && { firstSeed }),
      ...(error !== undefined && { error }),
    })),
  };
}
