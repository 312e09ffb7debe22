import { beforeAll, describe, expect, it } from 'vitest';
import { TaskPool } from '../../../src/hosts/task-pool.ts';
import { findExperiment } from '../../../src/lab/experiments/index.ts';
import { measurePoint, type PointOutcome, type PointTask } from '../../../src/lab/sweep/measure-point.ts';
import { layOutSweep } from '../../../src/lab/sweep/points.ts';
import { PointPool, runSweep, type SweepRow } from '../../../src/lab/sweep/run-sweep.ts';
import { parseScan } from '../../../src/lab/sweep/scan.ts';
import { platforms } from '../../../src/platforms/index.ts';

const layOut = (...scans: string[]) =>
  layOutSweep({
    ...{ experiment: findExperiment('shootdown'), set: {}, repeat: 1, seed: 1 },
    scans: scans.map((text) => parseScan(text)),
    findPlatform: (name) => platforms[name],
  });

describe('a sweep', () => {
  const sweep = layOut('mechanism=cross-call,broadcast', 'cpus=2,1', 'platform=neoverse,x86-64');

  async function rowsWith(workers: number): Promise<SweepRow[]> {
    const rows: SweepRow[] = [];
    const pool = new PointPool(workers);
    try {
      await runSweep(sweep, pool, (row) => rows.push(row) > 0);
    } finally {
      await pool.close();
    }
    return rows;
  }

  let alone: SweepRow[] = [];
  beforeAll(async () => {
    alone = await rowsWith(0);
  });

  it('finds the same whatever the number of workers, in the order of its points', async () => {
    expect(alone.map(({ point }) => point)).toEqual(sweep.points);
    expect(await rowsWith(2)).toEqual(alone);
  });

  it('says why a point means nothing', () => {
    const na = alone.filter(({ outcome }) => 'na' in outcome);
    expect(na.map(({ point }) => [point.parameters.mechanism, point.platform.name])).toEqual(
      Array(2).fill(['broadcast', 'x86-64']),
    );
    expect(na[0].outcome).toEqual({ na: expect.stringContaining('x86-64') });
  });

  it('goes on from a point, and stops when told to', async () => {
    const asked: number[] = [];
    const pool = new TaskPool<PointTask, PointOutcome>(
      'none',
      async ({ parameters }) => {
        asked.push(Number(parameters.cpus));
        return { measures: { cycles: 1 } };
      },
      0,
    );
    const seen: number[] = [];
    const few = layOut('cpus=1..9');
    await runSweep(few, pool, ({ point }) => seen.push(point.index) < 3, 4);
    expect(seen).toEqual([4, 5, 6]);
    expect(asked).toEqual([5, 6, 7]);
  });
});

describe('a point', () => {
  const place = {
    platform: platforms.sun4m,
    parameters: { mechanism: 'cross-call', cpus: 2, pages: 1 },
    seed: 1,
  };

  it('with more CPUs than the platform takes means nothing', async () => {
    const platform = { ...platforms.sun4m, maxCpus: 1 };
    expect(await measurePoint({ experiment: 'shootdown', ...place, platform })).toEqual({
      na: 'sun4m has at most 1 CPU',
    });
  });

  it('has what went wrong for an outcome', async () => {
    // A machine without frames for the pages.
    const platform = { ...platforms.sun4m, memoryBytes: 1 << 14 };
    const outcome = await measurePoint({ experiment: 'shootdown', ...place, platform });
    expect(outcome).toEqual({ error: expect.any(String) });
  });

  it('belongs to an experiment', async () => {
    await expect(measurePoint({ experiment: 'nosuch', ...place })).rejects.toThrow(/no experiment 'nosuch'/);
  });
});
