/**
 * A SPARCstation 10 or 20 with SuperSPARC ("Viking") modules directly on the MBus, without the MXCC
 * second-level cache controller. Caches are physical and snooped, so nothing flushes them; but a TLB
 * flush reaches only the CPU that makes it, so the kernel calls the others, one cross call at a time
 * under one lock.
 *
 * Deviations from the machine:
 * - up to 64 CPUs, to see how a cross call scales; the real one takes 4
 * - one line size: 32 bytes, that of the data cache and of the MBus block; the real instruction cache has
 *   64 sets of 5 lines of 64 bytes, here 128 sets of 5 lines of 32
 * - a walk starts at the root table; the SRMMU reads the context table first
 * - no region demap: Linux flushes a range by demaps of 16 MB regions, here a range larger than a page is
 *   flushed as the whole context, also one operation but with more misses after it
 * - the pointer cache of the SRMMU is left out, each walk reads three levels
 */
import { definePlatform } from './define.ts';

const LMBENCH = 'lmbench database (McVoy & Staelin, USENIX 1996; github intel/lmbench)';
const MEMORY_TABLE = `${LMBENCH}, doc/lat_allmem.tbl`;
const SRMMU = 'Linux arch/sparc/mm/srmmu.c';

export const sun4m = definePlatform({
  name: 'sun4m',
  title: 'SPARCstation 10/20, SuperSPARC on MBus without external cache',
  clockMHz: 50,
  maxCpus: 64,
  memoryBytes: 1 << 22,
  lineBytes: 32,
  coherence: 'moesi',
  l1d: { sizeBytes: 16384, ways: 4, organisation: 'pipt', write: 'write-back', allocate: 'read-write' },
  l1i: {
    sizeBytes: 20480,
    ways: 5,
    organisation: 'pipt',
    snooped: true,
    fillsFrom: 'data-caches',
    fetchAhead: true,
  },
  maintenance: { byAddress: 'local', icache: 'local', setWayReachesShared: false },
  dma: { snooped: true, iommu: true },
  mmu: {
    levels: [
      { bits: 8, leaf: true },
      { bits: 6, leaf: true },
      { bits: 6, leaf: true },
    ],
    entryBytes: 4,
    refill: 'hardware',
    walkerReads: 'memory',
    accessedDirty: 'hardware',
    tlb: { data: { entries: 64, ways: 64 }, asidBits: 16, multipleMatch: 'first' },
    pageTables: 'uncached',
    splitContextSwitch: false,
    kernelMappings: 'global',
  },
  shootdown: 'cross-call',
  crossCallsSerialized: true,
  flushAllAbovePages: 1,
  writeBufferEntries: 8,
  // No 'prefetch': Linux leaves the data prefetcher of the chip off.
  agents: ['drain', 'evict', 'walk', 'ipi'],
  costs: {
    l1HitCycles: 1,
    l2HitCycles: 0,
    sharedHitCycles: 0,
    outerHitCycles: 0,
    memoryCycles: 15,
    cacheToCacheCycles: 15,
    upgradeCycles: 8,
    busOccupancyCycles: 12,
    uncachedCycles: 15,
    atomicCycles: 8,
    drainDelayCycles: 20,
    secondTlbHitCycles: 0,
    walkStepCycles: 2,
    maintenanceLineCycles: 4,
    setWayLineCycles: 4,
    maintenanceBroadcastCycles: 0,
    tlbInvalidateCycles: 10,
    tlbInvalidateAllCycles: 10,
    broadcastLatencyCycles: 0,
    broadcastOccupancyCycles: 0,
    broadcastTargetCycles: 0,
    dmbCycles: 2,
    dsbCycles: 4,
    isbCycles: 6,
    contextSwitchCycles: 10,
    ipiSendCycles: 30,
    ipiLatencyCycles: 200,
    interruptEntryCycles: 600,
    interruptExitCycles: 300,
    faultEntryCycles: 250,
    faultExitCycles: 200,
    instructionCycles: 1,
    flushCallCycles: 100,
  },
  sources: {
    maxCpus: 'see the deviations above: the machine takes 4 (SUN4M_NCPUS in Linux arch/sparc)',
    coherence:
      'the cache tags have a dirty and a shared bit (Linux include/asm-sparc/viking.h), so a line can be dirty and shared: owned; that the MBus invalidates rather than updates is unverified, the MBus specification was not read',
    'l1d.sizeBytes':
      '128 sets of 4 lines of 32 bytes with physical tags: the tag scan in Linux arch/sparc/mm/viking.S, viking_flush_page',
    'l1i.sizeBytes': 'unverified: 20 KB, 5 ways, 64 sets of 64-byte lines, from memory',
    'l1i.snooped':
      'Linux viking.h: the split I and D caches snoop in MBus configurations; viking_flush_sig_insns does nothing',
    'l1i.organisation': 'unverified: physical, as the data cache is, from memory',
    'l1i.fillsFrom': 'as l1i.snooped: nothing is cleaned for new code',
    'l1i.fetchAhead':
      'unverified: SPARC V8 lets up to five instructions after a FLUSH be old ones, from memory; another CPU executes one of its own',
    'dma.snooped': `${SRMMU}: page_for_dma of a SuperSPARC does nothing; without an MXCC Linux flushes all the same, to work around a bug`,
    'dma.iommu': `${SRMMU}: ld_mmu_iommu() on all but sun4d`,
    'mmu.levels': `SPARC reference MMU: 16 MB, 256 KB and 4 KB, as in ${SRMMU}`,
    'mmu.refill': 'as mmu.walkerReads: the hardware walks the tables',
    'mmu.walkerReads':
      'Linux viking.h: table walks are cached in the external cache if there is one and never on the chip',
    'mmu.pageTables': `${SRMMU}: tables live in an uncached pool unless an MXCC is present (srmmu_cache_pagetables)`,
    'mmu.accessedDirty': `${SRMMU}: entries are changed by an atomic swap because the MMU sets the referenced and modified bits`,
    'mmu.tlb.data.entries':
      'unverified: 64 entries, fully associative, for data and instructions, from memory',
    'mmu.tlb.asidBits': `${SRMMU} uses 65536 contexts where it knows the MMU to be a Viking`,
    'mmu.kernelMappings': `${SRMMU} maps the kernel by entries for the supervisor alone (SRMMU_PRIV), in every context; that these match in any context is said of the microSPARC’s TLB (Tadpole SPARCbook 3 manual, fig. 2-4, S bit), unverified here`,
    shootdown: `${SRMMU}: smp_flush_tlb_* wrap the local flush in a cross call, except on sun4d`,
    flushAllAbovePages: 'viking.S flushes ranges by 16 MB regions; see the deviations above',
    writeBufferEntries: 'unverified: 8 entries, from memory; that there is a store buffer: Linux viking.h',
    'costs.l1HitCycles': `${MEMORY_TABLE}: 20 ns on a sun4m without L2, 50 MHz inferred from it`,
    'costs.l2HitCycles': 'not used: no private L2',
    'costs.sharedHitCycles': 'not used: no shared L2',
    'costs.outerHitCycles': 'not used: no outer cache',
    'costs.memoryCycles': `${MEMORY_TABLE}: 291 ns on the sun4m without L2 that has 20 ns for the L1 (another one: 13 and 180 ns); CPU type not stated there`,
    'costs.cacheToCacheCycles': 'estimate: the owner answers on the MBus in about the time that memory needs',
    'costs.upgradeCycles':
      'estimate: an invalidate is one address cycle and its arbitration at the bus clock',
    'costs.busOccupancyCycles':
      'estimate: the MBus is circuit switched, a read holds it for most of the memory latency',
    'costs.uncachedCycles': 'estimate: as costs.memoryCycles, the whole way over the bus',
    'costs.atomicCycles': 'estimate: swap and ldstub lock the bus for a read and a write of a cached word',
    'costs.drainDelayCycles': 'estimate: one memory access and some',
    'costs.secondTlbHitCycles': 'not used: one level of TLB',
    'costs.walkStepCycles': 'estimate: the walker adds little to each uncached table read',
    'costs.maintenanceLineCycles': 'estimate: read and write one tag through an alternate space',
    'costs.setWayLineCycles': 'estimate: as costs.maintenanceLineCycles; flushes here go by tag anyway',
    'costs.maintenanceBroadcastCycles': 'not used: maintenance is local',
    'costs.tlbInvalidateCycles':
      'estimate: viking.S saves the context register, sets it, stores to the flush space and restores it',
    'costs.tlbInvalidateAllCycles': 'estimate: as costs.tlbInvalidateCycles, one store to the flush space',
    'costs.broadcastLatencyCycles': 'not used: the MBus has no demap transaction',
    'costs.broadcastOccupancyCycles': 'not used: the MBus has no demap transaction',
    'costs.broadcastTargetCycles': 'not used: the MBus has no demap transaction',
    'costs.dmbCycles': 'estimate: stbar with an empty store buffer',
    'costs.dsbCycles': 'estimate: a read that waits for the store buffer, empty',
    'costs.isbCycles': 'estimate: refill of the pipeline',
    'costs.contextSwitchCycles': 'estimate: one store to the context register and its pipeline wait',
    'costs.ipiSendCycles': 'estimate: one write to the interrupt controller, two bus accesses long',
    'costs.ipiLatencyCycles': 'unverified: estimate of 3-6 us per level-15 soft interrupt on an SS10/SS20',
    'costs.interruptEntryCycles':
      'calibrated: with sending, latency and handler it makes a cross call of about 20 us, the low end of the unverified estimate of 20-40 us on 4 CPUs',
    'costs.interruptExitCycles': 'estimate: restoring windows and state, less than the entry',
    'costs.faultEntryCycles': `estimate: a good half of a null system call, 9 us on a sun4m (${LMBENCH}, lat_nullsys.tbl: 7, 9 and 13 us)`,
    'costs.faultExitCycles': `estimate: the rest of a null system call (${LMBENCH}, lat_nullsys.tbl)`,
    'costs.instructionCycles': 'definition: one unit of work is one cycle',
    'costs.flushCallCycles':
      'estimate: viking.S: viking_flush_cache_* do nothing but spill the register windows (WINDOW_FLUSH), seven of 16 words at most',
  },
});
