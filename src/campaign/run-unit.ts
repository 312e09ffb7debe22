/** Runs one unit of a campaign in this thread. */
import { runTask } from '../lab/lockstep-task.ts';
import { jobOf, verdictOf } from '../lab/plan.ts';
import { type Cell, limitsOf } from './cells.ts';
import { runExploration } from './explore-unit.ts';
import type { StressLine, UnitLine } from './line.ts';
import { seedAt } from './seeds.ts';

/**
 * @param unit number within the campaign
 * @throws NotReproducible if a schedule that failed does not fail again; Error if a module cannot be loaded
 */
export async function runUnit(cell: Cell, unit: number): Promise<UnitLine> {
  const index = unit - cell.first;
  return cell.entry.kind === 'stress' ? runStress(cell, unit, index) : runExploration(cell, unit, index);
}

async function runStress(cell: Cell, unit: number, index: number): Promise<StressLine> {
  const { entry, plans, name } = cell;
  if (entry.kind !== 'stress') throw new Error(`${name}: is no stress`);
  const seed = seedAt(entry.seeds, index);
  const plan = plans[index % plans.length];
  const result = await runTask({ job: jobOf(plan, limitsOf(cell, plan), seed), scheduler: entry.scheduler });
  const verdict = verdictOf(plan, result);
  return {
    unit,
    cell: name,
    seed,
    verdict,
    ...(verdict === 'found' && {
      kind: result.findings[0]?.kind ?? 'deadlock',
      findings: result.findingCount,
    }),
    // The rest is a stack, with the paths of this machine.
    ...(verdict === 'error' && { error: (result.error ?? 'the run failed').split('\n')[0] }),
    steps: result.steps,
    cycles: Math.max(...result.cpus.map(({ clockCycles }) => clockCycles)),
    ...(result.reached && result.reached.length > 0 && { reached: [...result.reached] }),
  };
}
