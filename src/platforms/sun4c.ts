/**
 * A SPARCstation 2: one CPU with a virtual, write-through cache whose lines name their context, of which there
 * are sixteen, and an MMU that is filled by software. Nothing is ever dirty, but everything can be old: whoever
 * takes a mapping away must flush it first, whoever steals a context must flush that, and DMA writes below the
 * cache.
 *
 * Deviations from the machine:
 * - the cache is unified; here instructions have one of the same kind, which the CPU's stores reach by physical
 *   address, whereas on the machine a store reaches only the line at its own virtual address
 * - the MMU has no TLB but 256 maps of 64 pages, and contexts of segments that point to them; here it holds
 *   single pages, as many as there are maps
 * - a store that misses leaves aliases alone; the machine invalidates the line at its index
 * - tables have two levels of 1024 entries, as Linux keeps them; the machine has none in memory
 * - accessed and dirty bits come from faults; the machine has them in its page maps
 */
import { definePlatform } from './define.ts';
import { freeForOneCpu, noOuterCache, noPrivateL2, noSecondTlb, noSharedL2, oneCpu } from './unused.ts';

const SUN4C = 'Linux arch/sparc/mm/sun4c.c (2.6)';
const CACHE_H = 'NetBSD sys/arch/sparc/sparc/cache.h';
const CACHE_C = 'NetBSD sys/arch/sparc/sparc/cache.c';
const SERVICE = 'Sun SPARCstation 2 service manual, 1 (p. 26 of manualslib 2806272)';

export const sun4c = definePlatform({
  name: 'sun4c',
  title: 'SPARCstation 2, virtual write-through cache with contexts',
  clockMHz: 40,
  maxCpus: 1,
  memoryBytes: 1 << 22,
  lineBytes: 32,
  // Nobody to be coherent with, but the instruction cache has to see stores.
  coherence: 'msi',
  l1d: {
    sizeBytes: 65536,
    ways: 1,
    organisation: 'vivt',
    asidTagged: true,
    aliasPolicy: 'colour',
    write: 'write-through',
    allocate: 'read',
  },
  l1i: {
    sizeBytes: 65536,
    ways: 1,
    organisation: 'vivt',
    asidTagged: true,
    snooped: true,
    fillsFrom: 'data-caches',
    fetchAhead: true,
  },
  maintenance: { byAddress: 'local', icache: 'local', setWayReachesShared: false, unmapped: 'tags' },
  dma: { snooped: false, iommu: true },
  mmu: {
    levels: [
      { bits: 10, leaf: false },
      { bits: 10, leaf: true },
    ],
    entryBytes: 4,
    refill: 'software',
    walkerReads: 'l1',
    accessedDirty: 'software',
    tlb: {
      data: { entries: 256, ways: 4, replacement: 'lru' },
      asidBits: 4,
      multipleMatch: 'first',
    },
    pageTables: 'cached',
    splitContextSwitch: false,
    kernelMappings: 'global',
  },
  shootdown: 'cross-call',
  flushAllAbovePages: 64,
  writeBufferEntries: 1,
  agents: ['drain', 'evict'],
  costs: {
    ...freeForOneCpu,
    l1HitCycles: 2,
    l2HitCycles: 0,
    sharedHitCycles: 0,
    outerHitCycles: 0,
    memoryCycles: 20,
    busOccupancyCycles: 14,
    uncachedCycles: 12,
    atomicCycles: 12,
    drainDelayCycles: 10,
    secondTlbHitCycles: 0,
    walkStepCycles: 30,
    maintenanceLineCycles: 4,
    setWayLineCycles: 4,
    tlbInvalidateCycles: 8,
    tlbInvalidateAllCycles: 100,
    dmbCycles: 2,
    dsbCycles: 10,
    isbCycles: 4,
    contextSwitchCycles: 6,
    interruptEntryCycles: 250,
    interruptExitCycles: 200,
    faultEntryCycles: 250,
    faultExitCycles: 200,
    instructionCycles: 1,
    flushCallCycles: 120,
  },
  sources: {
    clockMHz: 'unverified: 40 MHz, from memory',
    maxCpus: 'the sun4c architecture has one',
    lineBytes: `${CACHE_H}: the SS2 has half as many lines as the SS1, each twice as long (32 bytes); ${SERVICE} says 16`,
    coherence: 'not used between CPUs',
    'l1d.sizeBytes': `${SERVICE}: 64 KB; ${SUN4C} takes no other size`,
    'l1d.ways': `${CACHE_H}: 12 bits of line number and 4 of byte on the SS1, so one way`,
    'l1d.organisation': `${CACHE_H}: tags hold part of the virtual address`,
    'l1d.asidTagged': `${CACHE_H}: tags hold the context, 3 bits on the SS1 and 4 on the SS2`,
    'l1d.aliasPolicy': `Linux arch/sparc/include/asm/shmparam_32.h: shared mappings lie at multiples of 64 KB; ${CACHE_H}: aliases must agree in bits 15 to 12`,
    'l1d.write': `${SERVICE}: write-through`,
    'l1d.allocate': `${CACHE_H}: a write that misses fills nothing`,
    'l1i.sizeBytes': 'see the deviations above',
    'l1i.asidTagged': 'see the deviations above: one cache for both',
    'l1i.snooped': 'see the deviations above: one cache for both',
    'l1i.fillsFrom': 'see the deviations above: one cache for both',
    'l1i.fetchAhead':
      'unverified: SPARC has FLUSH (IFLUSH) for instructions that were fetched already, from memory',
    'maintenance.unmapped': `unverified: ${CACHE_C} flushes by stores to flush spaces whatever the MMU holds; ${SUN4C} leaves out pages and segments that are not mapped, and always flushes before it unmaps`,
    'dma.snooped': `${SUN4C}, sun4c_map_dma_area: the page is flushed, then mapped uncached for the transfer`,
    'dma.iommu': `${SUN4C}: devices use virtual addresses in the kernel’s part of the MMU (DVMA)`,
    'mmu.levels': 'unverified: Linux asm-sparc/pgtsun4c.h, from memory',
    'mmu.refill': `${SUN4C}: software fills segment and page maps`,
    'mmu.walkerReads': 'the handler makes ordinary loads',
    'mmu.accessedDirty': 'see the deviations above',
    'mmu.tlb.data.entries': `${SUN4C}: 128 maps on the SS1, otherwise 128, 256 or 512 as the PROM says; see the deviations above`,
    'mmu.tlb.data.ways': 'estimate: there is no such structure',
    'mmu.tlb.data.replacement': `${SUN4C}: the least recently used map is stolen`,
    'mmu.tlb.asidBits': `${CACHE_H}: 16 contexts on the SS2; ${SUN4C}: 8 on the SS1`,
    'mmu.tlb.multipleMatch': 'not possible: an address selects one map',
    'mmu.pageTables': 'as mmu.walkerReads',
    'mmu.splitContextSwitch': `${SUN4C}: one context register`,
    'mmu.kernelMappings': `derived from ${SUN4C}: kernel segments are put into every context, and their lines are flushed in the current one only; ${CACHE_H}: tags have a supervisor flag`,
    flushAllAbovePages: `derived from ${SUN4C}: ranges are flushed by segments of 256 KB`,
    writeBufferEntries: `${SERVICE}: one level of write buffering`,
    agents: 'estimate: in order, no prefetch',
    ...noPrivateL2,
    ...noSharedL2,
    ...noOuterCache,
    ...noSecondTlb,
    ...oneCpu,
    'costs.l1HitCycles': 'unverified: a load takes two cycles, from memory',
    'costs.memoryCycles': 'estimate: 500 ns for a line over the system bus',
    'costs.busOccupancyCycles': 'estimate: most of costs.memoryCycles',
    'costs.uncachedCycles': 'estimate: one word over the SBus, 300 ns',
    'costs.atomicCycles': 'estimate: a read and a write of memory, locked',
    'costs.drainDelayCycles': 'estimate: one write to memory',
    'costs.walkStepCycles':
      'estimate: a fault handler looks into a table and writes a map, 60 instructions in all',
    'costs.maintenanceLineCycles':
      'estimate: a store to a flush space and a tag access; hardware flushes of whole pages are not used here',
    'costs.setWayLineCycles': 'estimate: as costs.maintenanceLineCycles',
    'costs.tlbInvalidateCycles': 'estimate: a store to the map of a page, with the context set and restored',
    'costs.tlbInvalidateAllCycles': `estimate: ${SUN4C} takes the segments of a context away one by one`,
    'costs.dmbCycles': 'estimate: the buffer holds one store',
    'costs.dsbCycles': `estimate: ${SUN4C}, sun4c_complete_all_stores reads a device to wait for stores`,
    'costs.isbCycles': 'estimate: refill of the pipeline',
    'costs.contextSwitchCycles': 'estimate: a store to the context register',
    'costs.interruptEntryCycles': 'estimate: saving windows and state, less than on sun4m with its locks',
    'costs.interruptExitCycles': 'estimate: restoring windows and state',
    'costs.faultEntryCycles': 'estimate: as on sun4m',
    'costs.faultExitCycles': 'estimate: as on sun4m',
    'costs.instructionCycles': 'definition: one unit of work is one cycle',
    'costs.flushCallCycles': `estimate: ${SUN4C}: flush_user_windows before a flush, seven windows of 16 words at most, written through`,
  },
});
