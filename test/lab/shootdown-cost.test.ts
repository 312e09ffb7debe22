import { beforeAll, describe, expect, it } from 'vitest';
import { LockstepPool } from '../../src/lab/lockstep-pool.ts';
import {
  type CostCell,
  type CostRow,
  costCells,
  costJob,
  measureLockstep,
  mechanisms,
} from '../../src/lab/shootdown-cost.ts';
import { platforms } from '../../src/platforms/index.ts';

const limits = { seed: 1, quantumCycles: 500, maxSteps: 1e7, maxSeconds: 60 };

async function measure(cells: readonly CostCell[], platform = platforms.neoverse): Promise<CostRow[]> {
  const rows: CostRow[] = [];
  await measureLockstep(platform, cells, limits, new LockstepPool(0), (row) => rows.push(row) > 0);
  return rows;
}

describe('a shootdown on neoverse', () => {
  const cells = costCells(mechanisms, [1, 2, 8], [1, 8]);
  let rows: CostRow[] = [];
  beforeAll(async () => {
    rows = await measure(cells);
  });
  const at = (mechanism: string, cpus: number, pages: number) => {
    const row = rows.find((r) => r.mechanism === mechanism && r.cpus === cpus && r.pages === pages);
    if (!row) throw new Error('not measured');
    return row;
  };

  it('has a row for each cell, in their order', () => {
    expect(rows.map(({ mechanism, cpus, pages }) => ({ mechanism, cpus, pages }))).toEqual(cells);
  });

  it('has no targets on one CPU, where a cross call is a local flush', () => {
    expect(at('cross-call', 1, 1)).toMatchObject({ targetCycles: null, allTargetsCycles: null });
    expect(at('cross-call', 1, 1).initiatorCycles).toBeLessThan(at('broadcast', 1, 1).initiatorCycles);
  });

  it('by cross call costs more with every CPU, by broadcast hardly', () => {
    const growth = (mechanism: string) =>
      at(mechanism, 8, 1).initiatorCycles / at(mechanism, 2, 1).initiatorCycles;
    expect(growth('cross-call')).toBeGreaterThan(1.5);
    expect(growth('broadcast')).toBeLessThan(1.2);
  });

  it('by broadcast costs more with every page, by cross call hardly', () => {
    const growth = (mechanism: string) =>
      at(mechanism, 8, 8).initiatorCycles / at(mechanism, 8, 1).initiatorCycles;
    expect(growth('broadcast')).toBeGreaterThan(2);
    expect(growth('cross-call')).toBeLessThan(1.5);
  });

  it('takes an interrupt from each target, or what a broadcast steals', () => {
    const { interruptEntryCycles, interruptExitCycles, broadcastTargetCycles } = platforms.neoverse.costs;
    expect(at('cross-call', 8, 1).targetCycles).toBeGreaterThan(interruptEntryCycles + interruptExitCycles);
    expect(at('broadcast', 8, 1).targetCycles).toBe(broadcastTargetCycles);
    expect(at('broadcast', 8, 8).targetCycles).toBe(8 * broadcastTargetCycles);
    expect(at('broadcast', 8, 1).allTargetsCycles).toBe(7 * broadcastTargetCycles);
  });
});

describe('what cannot be measured', () => {
  it('is refused with the remedy', () => {
    const cell = { mechanism: 'broadcast', cpus: 2, pages: 1 } as const;
    expect(() => costJob(platforms['x86-64'], cell, limits)).toThrow(/mechanism 'broadcast': x86-64 cannot/);
    const many = { mechanism: 'cross-call', cpus: 65, pages: 1 } as const;
    expect(() => costJob(platforms.sun4m, many, limits)).toThrow(/at most 64 CPUs, not 65/);
  });

  it('is an error if the run does not finish', async () => {
    const cell = { mechanism: 'cross-call', cpus: 2, pages: 1 } as const;
    const pool = new LockstepPool(0);
    const short = { ...limits, maxSteps: 50 };
    await expect(measureLockstep(platforms.neoverse, [cell], short, pool, () => true)).rejects.toThrow(
      /cross-call on lockstep, cpus=2 pages=1: it ended with step-limit/,
    );
  });
});
