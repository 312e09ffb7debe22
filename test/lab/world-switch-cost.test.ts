import { describe, expect, it } from 'vitest';
import { LockstepPool } from '../../src/lab/lockstep-pool.ts';
import {
  gainOf,
  measureWorlds,
  REPORTED_GAIN,
  reportedPoints,
  type WorldRow,
  worldCells,
} from '../../src/lab/world-switch-cost.ts';
import { platforms } from '../../src/platforms/index.ts';

const limits = { seed: 1, quantumCycles: 10_000, maxSteps: 10_000_000, maxSeconds: 60 };
const { arm1136 } = platforms;

function measure(pages: readonly number[], work: readonly number[]): Promise<WorldRow[]> {
  return measureWorlds(arm1136, worldCells(pages, work), limits, new LockstepPool(0));
}

function rowOf(rows: readonly WorldRow[], design: string, pages: number, work = 0): WorldRow {
  return (
    rows.find((row) => row.design === design && row.pages === pages && row.work === work) ??
    expect.fail(`${design} ${pages} ${work}`)
  );
}

describe('world switches on an ARM1136', () => {
  it('whoever does not flush finds everything while it fits, and is faster', async () => {
    const rows = await measure([2, 8], []);
    for (const pages of [2, 8]) {
      const flush = rowOf(rows, 'flush', pages);
      // Each of process, kernel and guest is looked up again, in two switches.
      expect(flush.walks).toBeGreaterThanOrEqual((3 * pages) / 2);
      for (const design of ['kernel-asid', 'kernel-asid-user-window', 'user-asid', 'global']) {
        const row = rowOf(rows, design, pages);
        expect(row.walks).toBeLessThan(flush.walks);
        expect(gainOf(row, rows)).toBeGreaterThan(REPORTED_GAIN);
      }
      // Once per address space: more entries for the same pages.
      expect(rowOf(rows, 'user-asid', pages).walks).toBeGreaterThan(rowOf(rows, 'kernel-asid', pages).walks);
    }
  });

  it('setting the user’s ASID around accesses to user memory costs more than not to', async () => {
    const rows = await measure([8], []);
    const window = rowOf(rows, 'kernel-asid-user-window', 8).cycles;
    expect(window).toBeGreaterThan(rowOf(rows, 'kernel-asid', 8).cycles);
  });

  it('gains nothing where the working set does not fit into the TLB', async () => {
    const rows = await measure([48], []);
    expect(gainOf(rowOf(rows, 'kernel-asid', 48), rows)).toBeLessThan(0.05);
    const points = reportedPoints(arm1136, rows).filter(({ design }) => design === 'kernel-asid');
    expect(points).toMatchObject([{ pages: 48, work: null, switchesPerSecond: null }]);
  });

  it('gains what was reported at the rate that it says', async () => {
    const first = await measure([8], []);
    for (const { design, work, switchesPerSecond } of reportedPoints(arm1136, first)) {
      const at = work ?? expect.fail(design);
      const rows = await measure([8], [at]);
      const row = rowOf(rows, design, 8, at);
      expect(gainOf(row, rows)).toBeCloseTo(REPORTED_GAIN, 2);
      expect((arm1136.clockMHz * 1e6) / row.cycles / (switchesPerSecond ?? 0)).toBeCloseTo(1, 2);
    }
  });

  it('gains less the more is done in between', async () => {
    const rows = await measure([8], [1000, 10_000, 100_000]);
    const gains = [0, 1000, 10_000, 100_000].map((work) => gainOf(rowOf(rows, 'kernel-asid', 8, work), rows));
    expect(gains).toEqual([...gains].sort((a, b) => b - a));
    expect(gains[3]).toBeLessThan(0.02);
  });
});
