import { describe, expect, it } from 'vitest';
import {
  contextCells,
  type FlushRow,
  flushCells,
  flushFigures,
  measureFlushes,
} from '../../src/lab/flush-cost/measure.ts';
import { LockstepPool } from '../../src/lab/lockstep-pool.ts';
import type { Platform } from '../../src/machine/platform.ts';
import { arm926 } from '../../src/platforms/arm926.ts';
import { platforms } from '../../src/platforms/index.ts';
import { r4000 } from '../../src/platforms/r4000.ts';
import { sun4d } from '../../src/platforms/sun4d.ts';
import { sun4m } from '../../src/platforms/sun4m.ts';
import { changed } from '../support/machine.ts';

const limits = { seed: 1, quantumCycles: 500, maxSteps: 1e8, maxSeconds: 60 };

/** Looks a row up by interface and what it is for. */
async function measured(platform: Platform, cpus: number[], pages: number[], cells = flushCells) {
  const rows: FlushRow[] = [];
  const pool = new LockstepPool(0);
  await measureFlushes(platform, cells(platform, cpus, pages), limits, pool, (row) => rows.push(row) > 0);
  const find = (operation: string, size: string, n = cpus[0], cache = 'dirty'): FlushRow => {
    const row = rows.find(
      (r) => r.operation === operation && r.size === size && r.cpus === n && r.cache === cache,
    );
    if (!row) throw new Error(`no row ${operation} ${size} on ${n}`);
    return row;
  };
  return { rows, find };
}

describe('the costs of flush interfaces', () => {
  it('of SuperSPARC caches are that of spilling register windows, whatever is flushed', async () => {
    // viking_flush_cache_* in Linux arch/sparc/mm/viking.S.
    for (const platform of [sun4m, sun4d]) {
      const { rows } = await measured(platform, [1, 4], [1, 64]);
      const flushes = rows.filter(({ operation }) => /^flushCache|ToRam|Dcache/.test(operation));
      expect(new Set(flushes.map(({ initiatorCycles }) => initiatorCycles))).toEqual(
        new Set([platform.costs.flushCallCycles]),
      );
      expect(new Set(flushes.map(({ targetCycles }) => targetCycles))).toEqual(new Set([null, 0]));
    }
  });

  it('of a TLB on sun4d are one bus transaction, however many CPUs; on sun4m a cross call to each', async () => {
    // sun4dsmp_flush_tlb_* in Linux arch/sparc/mm/viking.S; sun4m wraps the plain ones in cross calls.
    const broadcast = await measured(sun4d, [2, 8], [1]);
    const call = await measured(sun4m, [2, 8], [1]);
    for (const [operation, size] of [
      ['flushTlbPage', '1 page'],
      ['flushTlbMm', '1 page in use'],
      ['flushTlbAll', '1 page in use'],
    ]) {
      const [few, many] = [2, 8].map((n) => broadcast.find(operation, size, n));
      expect(many.initiatorCycles / few.initiatorCycles).toBeLessThan(1.1);
      expect(many.targetCycles).toBe(sun4d.costs.broadcastTargetCycles);
      const [two, eight] = [2, 8].map((n) => call.find(operation, size, n));
      // For each of six more: its queue comes from its cache, an interrupt, and the flag that it has written.
      const { cacheToCacheCycles, ipiSendCycles } = sun4m.costs;
      expect(eight.initiatorCycles - two.initiatorCycles).toBeGreaterThan(
        6 * (2 * cacheToCacheCycles + ipiSendCycles),
      );
      expect(two.targetCycles).toBeGreaterThan(sun4m.costs.interruptEntryCycles);
    }
  });

  it('of a virtual coherency exception are the trap, a write-back and a fill', async () => {
    const { find } = await measured(r4000, [1], [1]);
    const { initiatorCycles } = find('coherencyException', '1 load, other colour');
    const { coherencyExceptionCycles, memoryCycles } = r4000.costs;
    expect(initiatorCycles).toBeGreaterThan(coherencyExceptionCycles + 2 * memoryCycles);
    expect(initiatorCycles).toBeLessThan(coherencyExceptionCycles + 5 * memoryCycles);
  });

  it('of a virtual cache grow with the lines by address, and not by set and way', async () => {
    const { find } = await measured(arm926, [1], [1, 8, 64]);
    const cold = (operation: string, size: string) => find(operation, size, 1, 'cold').initiatorCycles;
    const ratio = cold('flushCacheRange', '8 pages') / cold('flushCachePage', '1 page');
    expect(ratio).toBeGreaterThan(7);
    expect(ratio).toBeLessThan(8);
    expect(cold('flushCacheRange', '64 pages')).toBeGreaterThan(
      10 * cold('flushCacheAll', '64 pages in use'),
    );
    expect(find('flushCachePage', '1 page').initiatorCycles).toBeGreaterThan(
      10 * cold('flushCachePage', '1 page'),
    );
  });

  it('of the kernel’s mappings grow with the live contexts if these share their key', async () => {
    const shared = changed(sun4m, (p) => {
      p.mmu.kernelMappings = 'per-context';
    });
    const live = (n: number) => `1 page, ${n} live context${n === 1 ? '' : 's'}`;
    const walked = await measured(shared, [1, 4], [1]);
    for (const cpus of [1, 4]) {
      const of = (n: number) => walked.find('flushTlbKernelRange', live(n), cpus).initiatorCycles;
      expect(of(4) / of(1)).toBeGreaterThan(3.5);
      expect(of(16) / of(4)).toBeGreaterThan(3.5);
      expect(of(16) / of(4)).toBeLessThan(4.5);
    }
    const global = await measured(sun4m, [1], [1]);
    const of = (n: number) => global.find('flushTlbKernelRange', live(n)).initiatorCycles;
    expect([of(4), of(16)]).toEqual([of(1), of(1)]);
  });

  it('are measured on every platform and have their sources', async () => {
    for (const platform of Object.values(platforms)) {
      const { rows } = await measured(platform, [1], [1]);
      expect(rows.filter(({ initiatorCycles }) => !Number.isFinite(initiatorCycles))).toEqual([]);
      expect(flushFigures(platform).filter(({ source }) => source === undefined)).toEqual([]);
    }
  });
});

describe('flushing a context against giving a new one', () => {
  it('leads to the same misses, one a page in use', async () => {
    for (const platform of Object.values(platforms)) {
      const { rows } = await measured(platform, [1], [4, 16], contextCells);
      const ways = platform.mmu.tlb.asidBits > 0 ? 2 : 1;
      expect(rows.map(({ pages, afterMisses }) => [pages, afterMisses])).toEqual(
        [4, 16].flatMap((pages) => Array.from({ length: ways }, () => [pages, pages])),
      );
    }
  });

  it('is cheaper where flushes are broadcast, because a number is not', async () => {
    const { find } = await measured(sun4d, [1, 4], [16], contextCells);
    const ratio = (cpus: number) =>
      find('contextRenew', '16', cpus).initiatorCycles / find('contextFlush', '16', cpus).initiatorCycles;
    expect(ratio(1)).toBeLessThan(2);
    expect(ratio(4)).toBeGreaterThan(5);
  });
});
