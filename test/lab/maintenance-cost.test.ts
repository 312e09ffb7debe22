import { describe, expect, it } from 'vitest';
import { LockstepPool } from '../../src/lab/lockstep-pool.ts';
import {
  addressCells,
  lineCells,
  type MaintenanceRow,
  measureMaintenance,
  setWayCells,
} from '../../src/lab/maintenance-cost/measure.ts';
import { comparisons } from '../../src/lab/maintenance-cost/published.ts';
import type { MaintenanceSettings } from '../../src/lab/maintenance-cost/workload.ts';
import { platforms } from '../../src/platforms/index.ts';

const limits = { seed: 1, quantumCycles: 10_000, maxSteps: 10_000_000, maxSeconds: 60 };
const a53 = platforms['cortex-a53'];
const { costs } = a53;
const LINES = 64;

const measure = (cells: readonly MaintenanceSettings[], platform = a53): Promise<MaintenanceRow[]> =>
  measureMaintenance(platform, cells, limits, new LockstepPool(0));

function find(rows: readonly MaintenanceRow[], wanted: Partial<MaintenanceSettings>): MaintenanceRow {
  const fits = (row: MaintenanceRow) =>
    Object.entries(wanted).every(([key, value]) => row[key as keyof MaintenanceRow] === value);
  return rows.find(fits) ?? expect.fail(JSON.stringify(wanted));
}

describe('lines of a Cortex-A53', () => {
  const each = costs.maintenanceLineCycles + costs.maintenanceBroadcastCycles;

  it('cost a tag look-up when clean, whatever the operation, and write-backs when dirty', async () => {
    const rows = await measure(lineCells(a53).filter(({ reach }) => reach === 'coherency'));
    const page = (state: MaintenanceSettings['state'], operation: MaintenanceSettings['operation']) =>
      find(rows, { manner: 'page', state, operation }).cycles;
    const look = LINES * each + costs.dsbCycles;
    for (const operation of ['clean', 'invalidate', 'flush'] as const)
      expect(page('clean', operation)).toBe(look);
    const toL2 = LINES * costs.sharedHitCycles;
    const toMemory = LINES * costs.memoryCycles;
    expect(page('dirty', 'invalidate')).toBe(look);
    expect(page('dirty', 'flush')).toBe(look + toL2 + toMemory);
    expect(page('dirty', 'clean')).toBe(page('dirty', 'flush'));
    expect(page('below', 'flush')).toBe(look + toMemory);
    // One by one each line has a barrier of its own.
    expect(find(rows, { manner: 'line', state: 'clean', operation: 'flush' }).cycles).toBe(
      look + (LINES - 1) * costs.dsbCycles,
    );
    // What was cleaned is still there, what was invalidated is not.
    expect(find(rows, { manner: 'page', state: 'dirty', operation: 'clean' }).againCycles).toBe(
      LINES * costs.l1HitCycles,
    );
    expect(find(rows, { manner: 'page', state: 'dirty', operation: 'flush' }).againCycles).toBe(toMemory);
  });

  it('stop at the L1D on the way to the point of unification', async () => {
    const rows = await measure(lineCells(a53).filter(({ reach }) => reach === 'unification'));
    expect(rows.some(({ state }) => state === 'below')).toBe(false);
    expect(find(rows, { manner: 'page', state: 'dirty', operation: 'flush' }).cycles).toBe(
      LINES * (each + costs.sharedHitCycles) + costs.dsbCycles,
    );
  });

  it('have one reach where there is nothing behind the L1D', () => {
    expect(new Set(lineCells(platforms.arm926).map(({ reach }) => reach))).toEqual(new Set(['coherency']));
  });
});

describe('whole caches of a Cortex-A53', () => {
  it('cost an operation for each line that fits, and write-backs', async () => {
    const rows = await measure(setWayCells([1]));
    const level = (manner: string, pages: number) =>
      find(rows, { manner, pages } as Partial<MaintenanceSettings>);
    expect(level('first-level', 0)).toMatchObject({
      operations: 512,
      cycles: 512 * costs.setWayLineCycles + costs.dsbCycles,
    });
    expect(level('all-levels', 0).cycles).toBe(16_896 * costs.setWayLineCycles + costs.dsbCycles);
    const dirty = LINES * costs.sharedHitCycles;
    expect(level('first-level', 1).cycles).toBe(level('first-level', 0).cycles + dirty);
    expect(level('all-levels', 1).cycles).toBe(
      level('all-levels', 0).cycles + dirty + LINES * costs.memoryCycles,
    );
  });

  it('are held against what was measured on a Juno board', async () => {
    const [first, all] = comparisons(a53, await measure(setWayCells([])));
    // 650 MHz; 94 us is what setWayLineCycles was made of.
    expect(all).toMatchObject({ microseconds: 94, isCalibration: true });
    expect(Math.abs(all.deviation)).toBeLessThan(0.01);
    // 3250 cycles over 512 lines were 6.3 each; the calibration has 3.6.
    expect(first).toMatchObject({ microseconds: 5, isCalibration: false });
    expect(first.simulated).toBeCloseTo((512 * costs.setWayLineCycles + costs.dsbCycles) / 650, 6);
    expect(first.deviation).toBeCloseTo(first.simulated / 5 - 1, 6);
    expect(comparisons(platforms.neoverse, [])).toEqual([]);
  });

  it('cost by address what the amount says', async () => {
    const rows = await measure(addressCells([1, 2]));
    const clean = (pages: number) => find(rows, { manner: 'address', state: 'clean', pages }).cycles;
    const each = costs.maintenanceLineCycles + costs.maintenanceBroadcastCycles;
    expect(clean(1)).toBe(LINES * each + costs.dsbCycles);
    expect(clean(2)).toBe(2 * LINES * each + costs.dsbCycles);
    expect(find(rows, { state: 'absent', pages: 2 }).cycles).toBe(clean(2));
  });

  it('go to the controller of an outer cache as well', async () => {
    const a9 = platforms['cortex-a9'];
    const [row] = await measure(
      addressCells([1]).filter(({ state }) => state === 'absent'),
      a9,
    );
    const { maintenanceLineCycles, maintenanceBroadcastCycles, outerLineCycles, dsbCycles } = a9.costs;
    expect(row).toMatchObject({
      operations: 256,
      cycles: 128 * (maintenanceLineCycles + maintenanceBroadcastCycles + outerLineCycles) + 2 * dsbCycles,
    });
  });
});
