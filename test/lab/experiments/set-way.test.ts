import { describe, expect, it } from 'vitest';
import { linesOf, setWayLevels } from '../../../src/kernel/set-way.ts';
import { whyNot } from '../../../src/lab/experiments/experiment.ts';
import { setWay } from '../../../src/lab/experiments/set-way.ts';
import { PAGE_BYTES } from '../../../src/machine/platform.ts';
import { platforms } from '../../../src/platforms/index.ts';
import { resolveParameters } from '../../../src/scenarios/scenario.ts';

const a53 = platforms['cortex-a53'];
const { costs, lineBytes } = a53;

const measured = (given: Record<string, string | number>, platform = a53) =>
  setWay.measure({ platform, parameters: resolveParameters(setWay, { cpus: 1, ...given }), seed: 1 });

describe('a guest that empties caches by set and way', () => {
  const lines = PAGE_BYTES / lineBytes;

  it('a full flush grows with the guest’s memory, by the operations on its lines', async () => {
    for (const emulation of ['kvm', 'xen-full']) {
      const cells = await Promise.all(
        [64, 128, 256].map((memory) => measured({ emulation, memory, accessed: 8 })),
      );
      const [small, middle, large] = cells.map(({ flush }) => flush);
      const perPage = (middle - small) / 64;
      // Each line costs its operation, which all CPUs hear of; walking the table comes on top.
      const least = lines * (costs.maintenanceLineCycles + costs.maintenanceBroadcastCycles);
      expect(perPage).toBeGreaterThanOrEqual(least);
      expect(perPage).toBeLessThan(1.1 * least);
      expect((large - middle) / 128 / perPage).toBeCloseTo(1, 1);
    }
  });

  it('KVM flushes what the guest has ever used', async () => {
    const all = await measured({ emulation: 'kvm', memory: 256, resident: 100, accessed: 8 });
    const half = await measured({ emulation: 'kvm', memory: 256, resident: 50, accessed: 8 });
    const xen = await measured({ emulation: 'xen-full', memory: 256, resident: 50, accessed: 8 });
    expect(half.flush).toBeLessThan(0.65 * all.flush);
    expect(xen.flush / all.flush).toBeCloseTo(1, 1);
  });

  it('one of accessed pages grows with the working set, and not with memory', async () => {
    const flush = async (memory: number, pages: number) =>
      (await measured({ emulation: 'xen-accessed', memory, accessed: pages })).flush;
    const [small, large] = [await flush(64, 16), await flush(256, 16)];
    expect(large / small).toBeLessThan(1.03);
    const [twice, fourTimes] = [await flush(256, 32), await flush(256, 64)];
    expect((fourTimes - twice) / 32 / ((twice - large) / 16)).toBeCloseTo(1, 1);
  });

  it('by set and way it grows with the lines of the caches, whatever the guest has', async () => {
    const flush = async (memory: number, caches: string) =>
      (await measured({ emulation: 'untrapped', memory, caches, accessed: 0 })).flush;
    expect(await flush(64, '1')).toBe(await flush(256, '1'));
    const [whole, half] = [await flush(64, '1'), await flush(64, '2')];
    const all = linesOf(setWayLevels(a53));
    expect(whole - half).toBe((all / 2) * costs.setWayLineCycles);
  });

  it('on caches that are empty it takes what is published for a Juno board, on which it is calibrated', async () => {
    const { flushMicroseconds } = await measured({ emulation: 'untrapped', memory: 64, accessed: 0 });
    // 93 and 94 us: TF-A docs/perf/psci-performance-juno.rst, CFLUSH_OVERHEAD of the last CPU of the Cortex-A53 cluster.
    expect(flushMicroseconds).toBeGreaterThan(93);
    expect(flushMicroseconds).toBeLessThan(96);
  });

  it('to the letter each operation costs a way out of the guest and back', async () => {
    const given = { memory: 64, accessed: 0, caches: '8' };
    const [trapped, direct] = [
      await measured({ ...given, emulation: 'to-the-letter' }),
      await measured({ ...given, emulation: 'untrapped' }),
    ];
    const operations = linesOf(setWayLevels(a53)) / 8;
    const exits = operations * (costs.guestExitCycles + costs.guestEntryCycles);
    expect((trapped.flush - direct.flush) / exits).toBeCloseTo(1, 2);
    // But others can run between any two of them.
    expect(trapped.stall).toBeLessThan(2 * (costs.guestExitCycles + costs.guestEntryCycles));
  });
});

describe('what others lose', () => {
  it('on the same CPU: the whole of a flush that cannot be preempted, a stretch of one that can', async () => {
    const given = { emulation: 'xen-full', memory: 256, accessed: 12 };
    const whole = await measured({ ...given, preemptible: 'no' });
    const stretch = await measured({ ...given, preemptible: 'yes' });
    expect(whole.stall).toBe(whole.flush);
    expect(stretch.stall).toBeLessThan(whole.stall / 2);
    const kvm = await measured({ emulation: 'kvm', memory: 256, accessed: 12 });
    expect(kvm.stall).toBe(kvm.flush);
  });

  it('on another CPU: more by set and way, which takes their lines, than by address', async () => {
    const given = { memory: 64, accessed: 8, cpus: 2 };
    const [bySet, byAddress] = [
      await measured({ ...given, emulation: 'untrapped' }),
      await measured({ ...given, emulation: 'kvm' }),
    ];
    expect(bySet.lost).toBeGreaterThan(byAddress.lost);
    const alone = await measured({ ...given, cpus: 1, emulation: 'kvm' });
    expect(alone).not.toHaveProperty('lost');
  });
});

describe('where it means nothing', () => {
  it.each([
    ['cortex-a9', {}, /no stage 2/],
    ['riscv-h', {}, /no operations by set and way/],
    ['cortex-a53', { emulation: 'kvm', preemptible: 'no' }, /only Xen/],
    // Of 100 pages four are tables.
    ['cortex-a53', { memory: 100, resident: 50, accessed: 49 }, /has used 48 pages/],
  ])('%s with %j', (platform, given, why) => {
    const parameters = resolveParameters(setWay, given as Record<string, string>);
    expect(whyNot(setWay, platforms[platform], parameters)).toMatch(why);
  });
});
