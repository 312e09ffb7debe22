import { describe, expect, it } from 'vitest';
import { whyNot } from '../../../src/lab/experiments/experiment.ts';
import { findExperiment } from '../../../src/lab/experiments/index.ts';
import { measurePoint } from '../../../src/lab/sweep/measure-point.ts';
import { platforms } from '../../../src/platforms/index.ts';
import { resolveParameters } from '../../../src/scenarios/scenario.ts';

function reason(name: string, platform: string, given: Record<string, string | number>): string | undefined {
  const experiment = findExperiment(name);
  return whyNot(experiment, platforms[platform], resolveParameters(experiment, given));
}

async function measured(name: string, platform: string, given: Record<string, string | number>) {
  const parameters = resolveParameters(findExperiment(name), given);
  const outcome = await measurePoint({
    experiment: name,
    platform: platforms[platform],
    parameters,
    seed: 1,
  });
  if (!('measures' in outcome)) throw new Error(JSON.stringify(outcome));
  return outcome.measures;
}

describe('cells of cost tables as points', () => {
  it.each([
    ['asid-rollover', 'arm926', {}, /no ASIDs that its hardware looks up/],
    ['asid-rollover', 'r4000', {}, /no ASIDs that its hardware looks up/],
    ['asid-rollover', 'arm1136', { bits: 9, cpus: 1 }, /an ASID of arm1136 has 8 bits/],
    ['asid-rollover', 'neoverse', { bits: 3, cpus: 7 }, /more ASIDs than CPUs/],
    ['asid-rollover', 'neoverse', { bits: 3, cpus: 6 }, undefined],
    ['flush-interface', 'sun4m', { operation: 'coherencyException' }, /no virtual coherency exceptions/],
    ['flush-interface', 'r4000', { operation: 'coherencyException' }, undefined],
    ['flush-interface', 'arm926', { operation: 'contextRenew' }, /has no ASIDs/],
    ['flush-interface', 'sun4m', { operation: 'flushIcacheAsids' }, /belong to no ASID/],
    ['flush-interface', 'arm926', { cpus: 2 }, /at most 1 CPU/],
    ['line-maintenance', 'arm926', { reach: 'unification' }, /arm926 has nothing behind its L1D/],
    ['line-maintenance', 'arm926', { state: 'below' }, /arm926 has nothing behind its L1D/],
    ['line-maintenance', 'cortex-a53', { state: 'below', reach: 'unification' }, /stops at the first level/],
    ['line-maintenance', 'cortex-a53', { state: 'below' }, undefined],
    ['set-way-host', 'riscv-h', {}, /riscv-h has no operations by set and way/],
    ['set-way-host', 'riscv-h', { by: 'address' }, undefined],
    ['set-way-host', 'cortex-a53', { by: 'address', pages: 0 }, /no address to flush/],
  ])('%s on %s with %j', (name, platform, given, why) => {
    const found = reason(name, platform, given as Record<string, string | number>);
    if (why === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(why);
  });

  it('leave out what means nothing on one CPU', async () => {
    const alone = await measured('asid-rollover', 'neoverse', { bits: 5, cpus: 1 });
    expect(Object.keys(alone)).toEqual(['rolloverCycles', 'otherCycles', 'cycles', 'walks']);
    const flush = await measured('flush-interface', 'sun4m', { operation: 'flushTlbMm' });
    expect(Object.keys(flush)).toEqual(['initiatorCycles']);
  });

  it('of maintenance are what the costs of the platform say, line by line', async () => {
    const { costs } = platforms['cortex-a53'];
    const lines = 128;
    const look = costs.maintenanceLineCycles + costs.maintenanceBroadcastCycles;
    const flush = await measured('line-maintenance', 'cortex-a53', { pages: 2, barrier: 'each' });
    // Out of the L1D, and out of the L2.
    const each = look + costs.sharedHitCycles + costs.memoryCycles + costs.dsbCycles;
    expect(flush).toEqual({
      ...{ cycles: lines * each, lineCycles: each, againCycles: lines * costs.memoryCycles },
    });
    const kept = { operation: 'clean', reach: 'unification', pages: 2 };
    expect(await measured('line-maintenance', 'cortex-a53', kept)).toMatchObject({
      cycles: lines * (look + costs.sharedHitCycles) + costs.dsbCycles,
      againCycles: lines * costs.l1HitCycles,
    });
  });

  it('of emptying caches grow with the caches by set and way, with the pages by address', async () => {
    const { costs, clockMHz } = platforms['cortex-a53'];
    const of = (by: string, pages: number) =>
      measured('set-way-host', 'cortex-a53', { by, pages, state: pages > 0 ? 'clean' : 'absent' });
    // 32 KB and 1 MB, in lines of 64 bytes.
    const cycles = 16_896 * costs.setWayLineCycles + costs.dsbCycles;
    const empty = await of('all-levels', 0);
    expect(empty).toEqual({
      ...{ cycles, microseconds: Math.round((cycles / clockMHz) * 100) / 100, operations: 16_896 },
    });
    expect((await of('all-levels', 8)).cycles).toBe(cycles);
    expect((await of('first-level', 8)).operations).toBe(512);
    const [one, two] = [await of('address', 1), await of('address', 2)];
    expect(two.cycles - one.cycles).toBe(
      64 * (costs.maintenanceLineCycles + costs.maintenanceBroadcastCycles),
    );
    expect([one.operations, two.operations]).toEqual([64, 128]);
  });

  it('of worlds cost what work between them takes, cycle for cycle', async () => {
    const [idle, busy] = [
      await measured('worlds', 'arm1136', { design: 'user-asid', pages: 2 }),
      await measured('worlds', 'arm1136', { design: 'user-asid', pages: 2, work: 1000 }),
    ];
    // Work touches no memory.
    expect(busy.cycles - idle.cycles).toBeCloseTo(1000, 0);
    expect(busy.walks).toBe(idle.walks);
  });
});
