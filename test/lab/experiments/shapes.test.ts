/**
 * What the curves must look like by what the mechanisms are made of. Expectations are sums of a platform's costs, or
 * bounds that hold whatever these are.
 */
import { describe, expect, it } from 'vitest';
import { relate } from '../../../src/lab/crossover.ts';
import { findExperiment } from '../../../src/lab/experiments/index.ts';
import { fitLine, type Line } from '../../../src/lab/fit.ts';
import { platforms } from '../../../src/platforms/index.ts';

type Given = Readonly<Record<string, string | number>>;

async function measure(name: string, platform: string, given: Given): Promise<Record<string, number>> {
  const experiment = findExperiment(name);
  const defaults = Object.entries(experiment.parameters).map(([key, spec]) => [key, spec.default]);
  const parameters = { ...Object.fromEntries(defaults), ...given };
  expect(experiment.unsupported?.(platforms[platform], parameters)).toBeUndefined();
  return experiment.measure({ platform: platforms[platform], parameters, seed: 1 });
}

const shootdown = (platform: string, given: Given) => measure('shootdown', platform, given);

/** Cycles of the initiator along a parameter. */
async function curve(platform: string, given: Given, along: string, values: readonly number[]) {
  const samples = [];
  for (const x of values) {
    samples.push({ x, y: (await shootdown(platform, { ...given, [along]: x })).initiatorCycles });
  }
  return samples;
}

const lineOf = (samples: { x: number; y: number }[]) => fitLine(samples) as Line;

describe('broadcast and cross call', () => {
  const { costs } = platforms.kunpeng920;

  it('cross, along pages, where the flushes here and there have made up for the calls', async () => {
    const cpus = 32;
    const pages = [1, 2, 4, 8, 16, 32, 64];
    const broadcast = await curve('kunpeng920', { mechanism: 'broadcast', cpus }, 'pages', pages);
    const call = await curve('kunpeng920', { mechanism: 'cross-call', cpus }, 'pages', pages);
    // A further page holds the interconnect once; or it is flushed here, and then by the targets, side by side.
    const clearing = lineOf(broadcast).slope - costs.broadcastOccupancyCycles;
    expect(clearing).toBeGreaterThan(0);
    expect(clearing).toBeLessThan(60);
    const callSlope = 2 * costs.tlbInvalidateCycles + clearing;
    const theory = 1 + (call[0].y - broadcast[0].y) / (lineOf(broadcast).slope - callSlope);
    const relation = relate(broadcast, call);
    expect(relation).toMatchObject({ kind: 'cross', crossings: [{ lowerAfter: 'second' }] });
    const measured = relation.kind === 'cross' ? relation.crossings[0].x : Number.NaN;
    expect(Math.abs(measured / theory - 1)).toBeLessThan(0.1);
  });

  it('cross, along CPUs, because a call costs more for each, and a broadcast does not', async () => {
    const cpus = [2, 4, 8, 16, 32];
    const broadcast = await curve('kunpeng920', { mechanism: 'broadcast' }, 'cpus', cpus);
    const call = await curve('kunpeng920', { mechanism: 'cross-call' }, 'cpus', cpus);
    expect(lineOf(broadcast).slope).toBeLessThan(5);
    // Of each further CPU at least its queue and its answer come over from it.
    expect(lineOf(call).slope).toBeGreaterThan(2 * costs.cacheToCacheCycles);
    expect(relate(broadcast, call)).toMatchObject({ kind: 'cross', crossings: [{ lowerAfter: 'first' }] });
  });
});

describe('concurrent broadcasters', () => {
  it('wait for each other, the more the more there are', async () => {
    const { broadcastOccupancyCycles } = platforms.kunpeng920.costs;
    const pages = 8;
    let before = 0;
    for (const initiators of [1, 2, 4, 8]) {
      const given = { mechanism: 'broadcast', initiators, cpus: 9, pages };
      const { initiatorCycles, shootdownsPerMegacycle } = await measure('initiators', 'kunpeng920', given);
      expect(initiatorCycles).toBeGreaterThan(before);
      before = initiatorCycles;
      // The interconnect takes one at a time: on the average they are done no sooner than half of all of them are.
      const least = (initiators + 1) * 0.5 * pages * broadcastOccupancyCycles;
      expect(initiatorCycles).toBeGreaterThan(least * 0.95);
      expect(shootdownsPerMegacycle * pages * broadcastOccupancyCycles).toBeLessThan(2e6);
    }
  });
});

describe('a bystander', () => {
  const { costs } = platforms.kunpeng920;
  const given = { cpus: 6, bystanders: 2, pages: 5 };

  it('pays for each broadcast page, or for the one of the whole space', async () => {
    const page = await shootdown('kunpeng920', { ...given, mechanism: 'broadcast' });
    expect(page.bystanderCycles).toBe(5 * costs.broadcastTargetCycles);
    const whole = await shootdown('kunpeng920', { ...given, mechanism: 'broadcast-mm' });
    expect(whole.bystanderCycles).toBe(costs.broadcastTargetCycles);
  });

  it('pays nothing where calls and broadcasts find those that ran the space', async () => {
    for (const mechanism of ['cross-call', 'concurrent', 'early-ack', 'broadcast-targeted']) {
      expect((await shootdown('kunpeng920', { ...given, mechanism })).bystanderCycles).toBe(0);
    }
  });

  it('pays for an interrupt where everybody is called', async () => {
    const { bystanderCycles } = await shootdown('kunpeng920', { ...given, mechanism: 'cross-call-all' });
    expect(bystanderCycles).toBeGreaterThan(costs.interruptEntryCycles + costs.interruptExitCycles);
  });
});

describe('what is flushed', () => {
  const given = { cpus: 3, pages: 6, own: 10 };

  it('is walked for again: the pages, or with the whole space everything', async () => {
    for (const mechanism of ['cross-call', 'broadcast', 'lazy', 'early-ack']) {
      expect((await shootdown('kunpeng920', { ...given, mechanism })).refillWalks).toBe(6);
    }
    for (const mechanism of ['cross-call-mm', 'broadcast-mm']) {
      expect((await shootdown('kunpeng920', { ...given, mechanism })).refillWalks).toBe(16);
    }
  });
});

describe('mechanisms with interrupts', () => {
  const given = { cpus: 4, pages: 16 };

  it('get faster for the initiator with what they leave to others', async () => {
    const times = [];
    for (const mechanism of ['cross-call', 'concurrent', 'early-ack', 'lazy']) {
      times.push((await shootdown('x86-haswell', { ...given, mechanism })).initiatorCycles);
    }
    expect(times).toEqual([...times].sort((a, b) => b - a));
    // Concurrent: the local flush lies within the wait.
    const { tlbInvalidateCycles } = platforms['x86-haswell'].costs;
    expect(times[0] - times[1]).toBeGreaterThan(0.9 * 16 * tlbInvalidateCycles);
  });

  it('gain by overlapping as long as the initiator waits for anybody, and nothing once it does not', async () => {
    const name = 'x86-ivybridge-ex';
    const { tlbInvalidateCycles, isbCycles } = platforms[name].costs;
    const flush = tlbInvalidateCycles + isbCycles;
    const time = async (mechanism: string, cpus: number) =>
      (await measure('sockets', name, { mechanism, cpus, sockets: 1 })).initiatorCycles;
    const gain = async (cpus: number) => (await time('cross-call', cpus)) - (await time('concurrent', cpus));
    // The local flush is the only thing that overlaps, and it does so whole.
    expect([await gain(4), await gain(16)]).toEqual([flush, flush]);
    // 31 times the work for a target are more than one answer: see `kernel/shootdown/mechanisms.ts`.
    expect(await gain(32)).toBeLessThan(0.1 * flush);
    // Whoever acknowledges before the flush saves its time, less two stores for each target.
    expect((await time('concurrent', 4)) - (await time('early-ack', 4))).toBeGreaterThan(0.9 * flush);
  });

  it('lazy: does not know how many others there are, and is over later', async () => {
    const few = await shootdown('x86-haswell', { ...given, mechanism: 'lazy', cpus: 2 });
    const many = await shootdown('x86-haswell', { ...given, mechanism: 'lazy', cpus: 8 });
    expect(Math.abs(many.initiatorCycles / few.initiatorCycles - 1)).toBeLessThan(0.05);
    expect(few.completeCycles).toBeGreaterThan(2 * few.initiatorCycles);
  });

  it('cost more over more sockets', async () => {
    let before = 0;
    for (const sockets of [1, 2, 4]) {
      const { initiatorCycles } = await measure('sockets', 'x86-ivybridge-ex', { sockets, cpus: 8 });
      expect(initiatorCycles).toBeGreaterThan(before);
      before = initiatorCycles;
    }
  });
});

describe('putting flushes together', () => {
  const given = { pages: 24, cpus: 3 };
  const unmap = async (method: string) =>
    (await measure('unmap-batching', 'kunpeng920', { ...given, method })).initiatorCycles;

  it('saves a wait for each page but the last', async () => {
    const { broadcastLatencyCycles, broadcastTargetCycles } = platforms.kunpeng920.costs;
    const saved = ((await unmap('each')) - (await unmap('deferred'))) / (given.pages - 1);
    const wait = 2 * broadcastLatencyCycles + broadcastTargetCycles;
    expect(Math.abs(saved / wait - 1)).toBeLessThan(0.1);
  });

  it('saves most with one operation for all', async () => {
    const methods = ['each', 'deferred', 'gather', 'whole'];
    const times = [];
    for (const method of methods) times.push(await unmap(method));
    expect(times[3]).toBeLessThan(times[2]);
    expect(times[2]).toBeLessThan(times[0]);
    expect(times[1]).toBeLessThan(times[0]);
  });
});

describe('lazy TLB mode', () => {
  const idle = (given: Given) => measure('lazy-tlb', 'x86-haswell', { cpus: 5, idle: 3, pages: 9, ...given });

  it('leaves CPUs alone, however often, until they come back and find everything flushed', async () => {
    const once = await idle({ lazy: 'yes', flushes: 1 });
    const often = await idle({ lazy: 'yes', flushes: 8 });
    expect(often.idleCycles).toBe(once.idleCycles);
    expect(often.idleWalks).toBe(9);
  });

  it('or they are interrupted each time, and lose nothing', async () => {
    const once = await idle({ lazy: 'no', flushes: 1 });
    const often = await idle({ lazy: 'no', flushes: 8 });
    expect(often.idleCycles / once.idleCycles).toBeCloseTo(8, 0);
    expect(often.idleWalks).toBe(0);
  });
});

describe('a flush of a range', () => {
  const flush = (given: Given) => measure('flush-range', 'x86-ivybridge', given);

  it('of one page more costs one invalidate more', async () => {
    const [one, two] = [await flush({ flush: 'page', pages: 3 }), await flush({ flush: 'page', pages: 4 })];
    const { tlbInvalidateCycles } = platforms['x86-ivybridge'].costs;
    expect(two.initiatorCycles - one.initiatorCycles).toBe(tlbInvalidateCycles);
  });

  it('becomes that of the space above the threshold of the kernel', async () => {
    const full = await flush({ flush: 'full' });
    expect((await flush({ flush: 'kernel', pages: 34 })).initiatorCycles).toBe(full.initiatorCycles);
    const most = await flush({ flush: 'kernel', pages: 33 });
    expect(most.initiatorCycles).toBe((await flush({ flush: 'page', pages: 33 })).initiatorCycles);
  });

  it('leaves the working set alone, and that of the space does not', async () => {
    expect(await flush({ flush: 'page', working: 32 })).toMatchObject({ refillWalks: 0, refillCycles: 0 });
    const full = await flush({ flush: 'full', working: 32 });
    expect(full.refillWalks).toBe(32);
    expect(full.refillCycles).toBeGreaterThan(0);
    expect(full.totalCycles).toBe(full.initiatorCycles + full.refillCycles);
  });
});

describe('a context switch', () => {
  it('walks for everything again without tags, and for nothing with them', async () => {
    const run = (tags: string) => measure('context-switch', 'x86-haswell', { tags, pages: 16 });
    expect((await run('yes')).walks).toBe(0);
    expect((await run('no')).walks).toBe(16);
  });
});
