import { describe, expect, it } from 'vitest';
import { type AsidCosts, measureAsids, rolloverCells, switchCells } from '../../src/lab/asid-cost/measure.ts';
import { LockstepPool } from '../../src/lab/lockstep-pool.ts';
import type { Platform } from '../../src/machine/platform.ts';
import { platforms } from '../../src/platforms/index.ts';

const limits = { seed: 1, quantumCycles: 10_000, maxSteps: 10_000_000, maxSeconds: 60 };
const pool = () => new LockstepPool(0);

/** Cycles saved by tags, by pages in use. */
async function saved(platform: Platform, pages: readonly number[]): Promise<number[]> {
  const { switches } = await measureAsids(platform, [], switchCells(pages), limits, pool());
  return pages.map((n) => {
    const [tagged, untagged] = [true, false].map((isTagged) =>
      switches.find((row) => row.pages === n && row.isTagged === isTagged),
    );
    expect(tagged?.walks).toBe(0);
    expect(untagged?.walks).toBe(n);
    return (untagged?.cycles ?? 0) - (tagged?.cycles ?? 0);
  });
}

describe('a context switch', () => {
  it.each([
    ['neoverse', [0, 1, 2, 4, 8, 16, 24]],
    ['cortex-a9', [0, 1, 2, 4, 8, 16]],
    ['arm1136', [0, 1, 2, 4]],
    ['sun4m', [0, 1, 2, 4, 8, 16, 32]],
  ])('%s: tags save more the more pages are in use, and nothing for none', async (name, pages) => {
    const curve = await saved(platforms[name], pages);
    expect(curve[0]).toBe(0);
    for (const [i, cycles] of curve.entries()) if (i > 0) expect(cycles).toBeGreaterThan(curve[i - 1]);
  });

  it('tags save something even where both processes do not fit into the first-level TLB', async () => {
    const [first, second] = await saved(platforms.neoverse, [64, 256]);
    expect(first).toBeGreaterThan(0);
    expect(second).toBeGreaterThan(first);
  });
});

describe('a rollover on neoverse', () => {
  const of = ({ rollovers }: AsidCosts, allocator: string, cpus: number, bits: number) =>
    rollovers.find((row) => row.allocator === allocator && row.cpus === cpus && row.bits === bits) ??
    expect.fail(`${allocator} ${cpus} ${bits}`);

  it('interrupts every CPU with the one allocator and none with the other', async () => {
    const cells = rolloverCells(platforms.neoverse, [1, 2, 8]);
    const costs = await measureAsids(platforms.neoverse, cells, [], limits, pool());
    for (const { rollovers } of costs.rollovers) expect(rollovers).toBeGreaterThan(2);
    for (const bits of [5, 6, 8]) {
      const [two, eight] = [2, 8].map((cpus) => of(costs, 'arm-ipi', cpus, bits));
      expect(of(costs, 'arm-ipi', 1, bits).targetCycles).toBeNull();
      const { interruptEntryCycles } = platforms.neoverse.costs;
      expect(two.targetCycles).toBeGreaterThan(interruptEntryCycles);
      expect(eight.rolloverCycles).toBeGreaterThan(two.rolloverCycles ?? 0);
      const lazy = of(costs, 'arm64-bitmap', 8, bits);
      expect(lazy.targetCycles).toBe(0);
      expect(lazy.rolloverCycles).toBeLessThan(eight.rolloverCycles ?? 0);
    }
  });

  it('is paid for by fewer switches the wider an ASID is', async () => {
    const cells = rolloverCells(platforms.neoverse, [8]);
    const costs = await measureAsids(platforms.neoverse, cells, [], limits, pool());
    const means = [5, 6, 8].map((bits) => of(costs, 'arm-ipi', 8, bits).cycles ?? 0);
    expect(means).toEqual([...means].sort((a, b) => b - a));
  });

  it('is not measured with as many CPUs as numbers, or with wider ASIDs than there are', () => {
    expect(rolloverCells(platforms.neoverse, [31]).map(({ bits }) => bits)).not.toContain(5);
    expect(rolloverCells(platforms.sun4c, [1])).toEqual([]);
  });
});
