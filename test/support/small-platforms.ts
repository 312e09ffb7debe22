/** The built-in machines cut down to sixteen pages and a few lines of cache, and variants of them. */
import type { Platform, PlatformInput } from '../../src/machine/platform.ts';
import { neoverse } from '../../src/platforms/neoverse.ts';
import { x86_64 } from '../../src/platforms/x86-64.ts';
import { changed } from './machine.ts';

function smaller(
  base: Platform,
  name: string,
  change: (platform: PlatformInput) => void = () => {},
): Platform {
  return changed(base, (p) => {
    p.name = name;
    p.memoryBytes = 1 << 16;
    p.l1d = { ...p.l1d, sizeBytes: 1024, ways: 4 };
    p.l1i = { ...p.l1i, sizeBytes: 1024, ways: 4 };
    if (p.l2) p.l2 = { sizeBytes: 2048, ways: 4 };
    if (p.shared) p.shared = { sizeBytes: 4096, ways: 4 };
    if (p.outer) p.outer = { ...p.outer, sizeBytes: 4096, ways: 4 };
    // Two levels: a walk of four is twice as many steps and twice the logarithm of the schedules.
    p.mmu.levels = [
      { bits: 10, leaf: true },
      { bits: 10, leaf: true },
    ];
    p.mmu.entryBytes = 4;
    p.mmu.tlb.data = { entries: 8, ways: 8 };
    if (p.mmu.tlb.instruction) p.mmu.tlb.instruction = { entries: 8, ways: 8 };
    if (p.mmu.tlb.second) p.mmu.tlb.second = { entries: 16, ways: 4 };
    if (p.mmu.walkCache) p.mmu.walkCache.entries = 8;
    change(p);
  });
}

const without = (p: PlatformInput, ...names: string[]) => {
  p.agents = p.agents.filter((name) => !names.includes(name));
};

/** Leaves caches to software, and tables in memory. */
function incoherent(p: PlatformInput): void {
  p.coherence = 'none';
  p.l1i = { ...p.l1i, snooped: false };
  p.mmu.walkerReads = 'memory';
  p.mmu.pageTables = 'uncached';
  p.mmu.accessedDirty = 'ignored';
  p.maintenance = { byAddress: 'local', icache: 'local', setWayReachesShared: false };
  for (const key of ['l2', 'shared', 'outer'] as const) delete p[key];
}

export const smallPlatforms: Readonly<Record<string, Platform>> = {
  neoverse: smaller(neoverse, 'small-neoverse'),
  'x86-64': smaller(x86_64, 'small-x86-64'),
  unbuffered: smaller(neoverse, 'unbuffered', (p) => {
    p.writeBufferEntries = 0;
    without(p, 'drain');
  }),
  'one store': smaller(x86_64, 'one-store', (p) => {
    p.writeBufferEntries = 1;
  }),
  'two stores': smaller(neoverse, 'two-stores', (p) => {
    p.writeBufferEntries = 2;
  }),
  'no agents': smaller(neoverse, 'no-agents', (p) => {
    p.agents = [];
  }),
  'prompt interrupts': smaller(x86_64, 'prompt-interrupts', (p) => without(p, 'ipi')),
  'prompt broadcasts': smaller(neoverse, 'prompt-broadcasts', (p) => without(p, 'broadcast')),
  'short queue': smaller(neoverse, 'short-queue', (p) => {
    if (p.broadcast) p.broadcast.queueEntries = 1;
  }),
  'direct-mapped TLB': smaller(x86_64, 'direct-mapped', (p) => {
    p.mmu.tlb = { data: { entries: 1, ways: 1 }, asidBits: 0, multipleMatch: 'first' };
    if (p.mmu.walkCache) p.mmu.walkCache = { entries: 1, asidTagged: false };
  }),
  incoherent: smaller(neoverse, 'incoherent', incoherent),
  'aliases that trap': smaller(x86_64, 'trapping', (p) => {
    p.l1d = { sizeBytes: 8192, ways: 1, organisation: 'vipt', aliasPolicy: 'unmanaged' };
    p.l1i = { ...p.l1i, sizeBytes: 8192, ways: 1, organisation: 'vipt', fetchAhead: false };
    p.l2 = { sizeBytes: 16384, ways: 2, primaryIndex: true };
    p.mmu.walkerReads = 'l2';
    p.mmu.pageTables = 'clean';
    p.writeBufferEntries = 0;
    without(p, 'drain');
  }),
  'walks past caches': smaller(neoverse, 'walks-past-caches', (p) => {
    p.mmu.walkerReads = 'memory';
    p.mmu.pageTables = 'uncached';
  }),
  'incoherent and unbuffered': smaller(neoverse, 'incoherent-unbuffered', (p) => {
    incoherent(p);
    p.writeBufferEntries = 0;
    without(p, 'drain');
  }),
};

/** Those with a device, by how its transfers go; "past the caches" of processors that are coherent themselves. */
export const devicePlatforms: Readonly<Record<string, Platform>> = {
  snooped: withDma(neoverse, true, false),
  'snooped, unbuffered': withDma(neoverse, true, false, (p) => {
    p.writeBufferEntries = 0;
    without(p, 'drain');
  }),
  'past the caches': withDma(neoverse, false, false),
  'past the caches of x86-64': withDma(x86_64, false, false),
  'behind an IOMMU': withDma(neoverse, true, true),
  'behind an IOMMU, past the caches': withDma(x86_64, false, true),
  'of an incoherent machine': withDma(neoverse, false, false, incoherent),
};

function withDma(
  base: Platform,
  snooped: boolean,
  iommu: boolean,
  change: (platform: PlatformInput) => void = () => {},
): Platform {
  return smaller(base, 'with-dma', (p) => {
    p.dma = { snooped, iommu };
    change(p);
  });
}

/** Those whose processors fetch ahead, with instruction caches that stores reach and that they do not. */
export const fetchAheadPlatforms: Readonly<Record<string, Platform>> = {
  'fetches ahead': smaller(neoverse, 'fetches-ahead', (p) => {
    p.l1i.fetchAhead = true;
  }),
  'fetches ahead, unsnooped': smaller(neoverse, 'fetches-ahead-unsnooped', (p) => {
    p.l1i = { ...p.l1i, fetchAhead: true, snooped: false, fillsFrom: 'unification' };
  }),
};
