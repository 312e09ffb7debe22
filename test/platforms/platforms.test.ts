import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { colours, type Platform } from '../../src/machine/platform.ts';
import { parsePlatform } from '../../src/machine/platform-checks.ts';
import { definePlatform } from '../../src/platforms/define.ts';
import { platformByName, platformJsonSchema, platforms } from '../../src/platforms/index.ts';

const all = Object.values(platforms);
/** Most machines have nothing that costs these, and need not say so. */
const rareCosts = new Set([
  'flushCallCycles',
  'coherencyExceptionCycles',
  'outerLineCycles',
  'guestExitCycles',
  'guestEntryCycles',
]);

/** What a path like `mmu.tlb.data.entries` refers to, or undefined. */
function at(platform: Platform, path: string): unknown {
  let value: unknown = platform;
  for (const key of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

describe.each(all)('platform $name', (platform) => {
  it('says where every cost comes from', () => {
    const costs = Object.entries(platform.costs).filter(([name, n]) => n > 0 || !rareCosts.has(name));
    expect(costs.map(([name]) => `costs.${name}`).filter((path) => !platform.sources[path])).toEqual([]);
  });

  it('says where everything about its sockets comes from', () => {
    const figures = Object.keys(platform.sockets ?? {}).map((name) => `sockets.${name}`);
    expect(figures.filter((path) => !platform.sources[path])).toEqual([]);
  });

  it('gives no source for a figure that it does not have', () => {
    expect(Object.keys(platform.sources).filter((path) => at(platform, path) === undefined)).toEqual([]);
  });

  it('calls a cost unused exactly when it charges nothing', () => {
    const wrong = Object.entries(platform.costs).filter(
      ([name, cycles]) =>
        (cycles === 0) !== (platform.sources[`costs.${name}`] ?? 'not used').startsWith('not used'),
    );
    expect(wrong).toEqual([]);
  });

  it('charges for each level and each broadcast that it has, and no others', () => {
    const { costs, l2, shared, outer, mmu, broadcast } = platform;
    expect(costs.l2HitCycles > 0).toBe(l2 !== undefined);
    expect(costs.sharedHitCycles > 0).toBe(shared !== undefined);
    expect(costs.outerHitCycles > 0).toBe(outer !== undefined);
    expect(costs.secondTlbHitCycles > 0).toBe(mmu.tlb.second !== undefined);
    expect(costs.broadcastLatencyCycles > 0).toBe(broadcast !== undefined);
  });

  it('gets slower with every level', () => {
    const { l1HitCycles, l2HitCycles, sharedHitCycles, outerHitCycles, memoryCycles } = platform.costs;
    const present = [l1HitCycles, l2HitCycles, sharedHitCycles, outerHitCycles, memoryCycles].filter(
      (c) => c > 0,
    );
    expect(present).toEqual([...present].sort((a, b) => a - b));
  });

  it('survives JSON', () => {
    const back = parsePlatform(JSON.parse(JSON.stringify(platform)), 'copy');
    expect(back).toEqual({ platform });
  });

  it('is found by its name', () => {
    expect(platformByName(platform.name)).toBe(platform);
    expect(platforms[platform.name]).toBe(platform);
  });
});

describe('the list of platforms', () => {
  it('is sorted by name', () => {
    const names = Object.keys(platforms);
    expect(names).toEqual([...names].sort());
    expect(names).toEqual(
      expect.arrayContaining(['arm926', 'arm1136', 'arm1176', 'arm11mpcore', 'cortex-a9', 'hypersparc']),
    );
    expect(names).toEqual(
      expect.arrayContaining(['neoverse', 'r4000', 'r4000pc', 'sun4c', 'sun4d', 'sun4m']),
    );
    expect(names).toEqual(
      expect.arrayContaining([
        'x86-haswell',
        'x86-invlpgb',
        'x86-ivybridge',
        'x86-ivybridge-ex',
        'kunpeng920',
      ]),
    );
    expect(names).toEqual(expect.arrayContaining(['cortex-a53', 'neoverse-v1', 'riscv-h']));
    expect(names).toHaveLength(22);
  });

  it('knows no others, not even those that every object inherits', () => {
    expect(platformByName('vax')).toBeUndefined();
    expect(platformByName('constructor')).toBeUndefined();
    expect(platformByName('__proto__')).toBeUndefined();
  });

  it('refuses a bad definition when it is made', () => {
    const bad = { ...platforms.sun4m, shootdown: 'broadcast' } as const;
    expect(() => definePlatform(bad)).toThrow(/^platform sun4m: shootdown: 'broadcast' needs/);
  });
});

describe('the JSON schema', () => {
  const text = JSON.stringify(platformJsonSchema());

  it('is one closed object that describes every field of a platform', () => {
    const schema = JSON.parse(text);
    expect(schema).toMatchObject({ type: 'object', additionalProperties: false });
    for (const platform of all)
      expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(Object.keys(platform)));
    expect(Object.keys(schema.properties.costs.properties)).toEqual(Object.keys(platforms.sun4m.costs));
  });

  it('accepts the built-in platforms, also with defaults left out, and refuses others', () => {
    const schema = z.fromJSONSchema(JSON.parse(text));
    for (const platform of all)
      expect(schema.safeParse(JSON.parse(JSON.stringify(platform))).success).toBe(true);
    const { replacement: _, ...l1i } = platforms.sun4m.l1i;
    expect(schema.safeParse({ ...platforms.sun4m, l1i }).success).toBe(true);
    expect(schema.safeParse({ ...platforms.sun4m, clock: 50 }).success).toBe(false);
    expect(schema.safeParse({ ...platforms.sun4m, maxCpus: 129 }).success).toBe(false);
  });
});

describe('what tells the platforms apart', () => {
  const colourOf = (name: string) => colours(platforms[name].l1d);

  it.each([
    ['arm1136', 2],
    ['arm1176', 1],
    ['arm11mpcore', 1],
    ['cortex-a9', 1],
    ['cortex-a15', 1],
    ['hypersparc', 32],
    ['r4000', 4],
    ['r4000pc', 2],
    ['sun4m', 1],
  ])('%s: the data cache has %i colours', (name, n) => {
    expect(colourOf(name)).toBe(n);
  });

  it('only the Cortex-A15 leaves walks behind under a reserved ASID', () => {
    const leaving = all.filter(({ mmu }) => mmu.splitContextSwitch && mmu.walkCache?.asidTagged);
    expect(leaving.map(({ name }) => name)).toEqual(['cortex-a15']);
  });

  it('only an alias of the R4000SC is noticed by hardware', () => {
    const noticed = all.filter(({ l2 }) => l2?.primaryIndex === true).map(({ name }) => name);
    expect(noticed).toEqual(['r4000']);
  });

  it('whoever has virtual tags says what a flush does where nothing is mapped', () => {
    const virtual = all.filter(({ l1d }) => l1d.organisation === 'vivt');
    expect(virtual.map(({ name, maintenance }) => [name, maintenance.unmapped])).toEqual([
      ['arm926', 'tags'],
      ['sun4c', 'tags'],
    ]);
  });

  it('no line of the ARM11 MPCore comes back by itself: its DMA maintenance relies on that', () => {
    const { agents, dma, maintenance } = platforms.arm11mpcore;
    expect(agents).not.toContain('prefetch');
    expect([dma.snooped, maintenance.byAddress]).toEqual([false, 'local']);
  });

  it('only the SPARCs call for cache flushes that cost something though nothing is flushed', () => {
    const paying = all.filter(({ costs }) => costs.flushCallCycles > 0).map(({ name }) => name);
    expect(paying).toEqual(['hypersparc', 'sun4c', 'sun4d', 'sun4m']);
  });

  it('only the sun4d takes a lock around its broadcasts', () => {
    const locked = all.filter(({ broadcast }) => broadcast?.serialized === true).map(({ name }) => name);
    expect(locked).toEqual(['sun4d']);
  });
});

describe('costs that are calibrated on published figures', () => {
  const nsOf = (platform: Platform, cycles: number) => (cycles * 1000) / platform.clockMHz;

  // Zhenyu Ye (Huawei), 2020-06-09, arm64 TLBI RANGE RFC: pages to nanoseconds.
  it.each([
    [1, 1457],
    [2, 1911],
    [8, 4716],
    [64, 30890],
    [256, 120826],
  ])('neoverse: %i invalidates between two barriers take about %i ns', (pages, publishedNs) => {
    const { costs } = platforms.neoverse;
    const queued = pages * costs.broadcastOccupancyCycles;
    // The last one goes to its targets and its completion comes back.
    const last = costs.tlbInvalidateCycles + 2 * costs.broadcastLatencyCycles + costs.broadcastTargetCycles;
    const ns = nsOf(platforms.neoverse, queued + last + 2 * costs.dsbCycles);
    expect(Math.abs(ns / publishedNs - 1)).toBeLessThan(0.03);
  });

  it('neoverse: the kernel changes to one invalidate at 512 pages, as in that curve', () => {
    expect(platforms.neoverse.flushAllAbovePages).toBe(511);
  });

  // Nadav Amit, 2019-05-31, Haswell: 1436 - 661 ns.
  it('x86-64: the first remote CPU of a shootdown costs about 775 ns', () => {
    const platform = platforms['x86-64'];
    const { costs } = platform;
    const interrupt = costs.ipiSendCycles + costs.ipiLatencyCycles + costs.interruptEntryCycles;
    const ns = nsOf(platform, interrupt + costs.tlbInvalidateCycles + 5 * costs.cacheToCacheCycles);
    expect(Math.abs(ns / 775 - 1)).toBeLessThan(0.03);
  });

  // Dave Hansen, 2014-07-01, Ivy Bridge: 45 cycles.
  it('x86-64: a walk of one step that finds its entry in the L3 costs about 45 cycles', () => {
    const { costs } = platforms['x86-64'];
    expect(Math.abs(costs.walkStepCycles + costs.sharedHitCycles - 45)).toBeLessThan(5);
  });

  // 7-cpu.com, Exynos 4210: memory 23 cycles and 110 ns; 7 cycles for a walk of two levels.
  it('cortex-a9: load latencies are those of an Exynos 4210', () => {
    const { costs, mmu, clockMHz } = platforms['cortex-a9'];
    expect(costs.outerHitCycles).toBe(23);
    expect(Math.abs(costs.memoryCycles / (23 + 0.11 * clockMHz) - 1)).toBeLessThan(0.05);
    const walk = mmu.levels.length * (costs.l1HitCycles + costs.walkStepCycles);
    expect(Math.abs(walk - 7)).toBeLessThan(5);
  });

  // lmbench, doc/lat_allmem.tbl: nanoseconds of L1, L2 and memory.
  it.each([
    ['sun4m', [20, 291], ['l1HitCycles', 'memoryCycles']],
    ['sun4d', [20, 140, 1236], ['l1HitCycles', 'l2HitCycles', 'memoryCycles']],
    ['r4000', [10, 76, 1018], ['l1HitCycles', 'l2HitCycles', 'memoryCycles']],
  ] as const)('%s: load latencies are those of lmbench', (name, ns, costs) => {
    const platform = platforms[name];
    for (const [i, cost] of costs.entries()) {
      expect(Math.abs(nsOf(platform, platform.costs[cost]) / ns[i] - 1)).toBeLessThan(0.05);
    }
  });
});
