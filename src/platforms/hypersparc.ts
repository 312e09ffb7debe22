/**
 * A sun4m with ROSS hyperSPARC modules: one large cache a CPU, virtually indexed and physically tagged,
 * coherent on the MBus, which snoops by physical address. Between its own aliases no bus keeps order: shared
 * mappings have to agree in colour. A flush by virtual address compares physical tags, so it needs a valid
 * translation and finds nothing where the mapping is already gone.
 *
 * Deviations from the machine:
 * - the cache is unified; here it is the data cache, and the instruction cache is the small one on the chip,
 *   which fills from it, whatever index it has the line at; on the machine a fill looks under its own index only
 * - a flush where nothing is mapped does nothing; on the machine it walks and leaves a fault status behind
 * - flushes of a context, region or segment (all user lines, for one) are done line by line or by set/way
 * - as in sun4m: no context table, no region demap, no pointer cache
 */
import { definePlatform } from './define.ts';
import { noBroadcast, noOuterCache, noPrivateL2, noSecondTlb, noSharedL2 } from './unused.ts';

const SRMMU = 'Linux arch/sparc/mm/srmmu.c';
const HYPERSPARC = 'Linux arch/sparc/mm/hypersparc.S';
const ROSS = 'Linux arch/sparc/include/asm/ross.h';
const MODULE = 'ROSS data sheet 830-0016-02, RT6224K hyperSPARC module (November 1996)';
const MEMORY_TABLE =
  'lmbench database (McVoy & Staelin, USENIX 1996; github intel/lmbench), doc/lat_allmem.tbl';
const NETBSD = 'NetBSD sys/arch/sparc/sparc/cache.c';

export const hypersparc = definePlatform({
  name: 'hypersparc',
  title: 'sun4m with ROSS hyperSPARC, virtually indexed caches on MBus',
  clockMHz: 100,
  maxCpus: 4,
  memoryBytes: 1 << 22,
  lineBytes: 32,
  coherence: 'moesi',
  l1d: { sizeBytes: 131072, ways: 1, organisation: 'vipt', aliasPolicy: 'colour', write: 'write-back' },
  l1i: {
    sizeBytes: 8192,
    ways: 2,
    organisation: 'vivt',
    snooped: false,
    fillsFrom: 'data-caches',
    fetchAhead: true,
  },
  maintenance: { byAddress: 'local', icache: 'local', setWayReachesShared: false, unmapped: 'ignored' },
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
    tlb: { data: { entries: 64, ways: 64 }, asidBits: 12, multipleMatch: 'first' },
    pageTables: 'uncached',
    splitContextSwitch: false,
    kernelMappings: 'global',
  },
  shootdown: 'cross-call',
  crossCallsSerialized: true,
  flushAllAbovePages: 1,
  writeBufferEntries: 8,
  agents: ['drain', 'evict', 'walk', 'ipi'],
  costs: {
    l1HitCycles: 2,
    l2HitCycles: 0,
    sharedHitCycles: 0,
    outerHitCycles: 0,
    memoryCycles: 35,
    cacheToCacheCycles: 35,
    upgradeCycles: 16,
    busOccupancyCycles: 24,
    uncachedCycles: 30,
    atomicCycles: 10,
    drainDelayCycles: 20,
    secondTlbHitCycles: 0,
    walkStepCycles: 2,
    maintenanceLineCycles: 4,
    setWayLineCycles: 4,
    maintenanceBroadcastCycles: 0,
    tlbInvalidateCycles: 12,
    tlbInvalidateAllCycles: 12,
    broadcastLatencyCycles: 0,
    broadcastOccupancyCycles: 0,
    broadcastTargetCycles: 0,
    dmbCycles: 2,
    dsbCycles: 4,
    isbCycles: 6,
    contextSwitchCycles: 14,
    ipiSendCycles: 60,
    ipiLatencyCycles: 400,
    interruptEntryCycles: 900,
    interruptExitCycles: 450,
    faultEntryCycles: 400,
    faultExitCycles: 300,
    instructionCycles: 1,
    flushCallCycles: 150,
  },
  sources: {
    clockMHz: `estimate: modules of 90 to 200 MHz; ${MODULE}: 125 to 166 MHz in the last generation`,
    maxCpus: 'unverified: two modules of one or two CPUs in a SPARCstation 20, from memory',
    lineBytes: `${HYPERSPARC} copies pages in blocks of 32 bytes; the line size itself is read from the PROM`,
    coherence:
      'unverified: MBus level 2 is write-invalidate with owned lines, from memory; ross.h has a bit for memory reflection, without which an owner keeps what memory lacks',
    'l1d.sizeBytes': `${ROSS}: 128 or 256 KB, the smaller here (32 colours); ${MODULE}: later 512 KB or 1 MB`,
    'l1d.ways':
      'NetBSD sys/arch/sparc/sparc/cache.h: aliases are as far apart as the cache is large (CACHE_ALIAS_DIST_HS128k), so one way',
    'l1d.organisation': `${NETBSD}: a page flush makes this MMU walk because the cache is physically tagged; ${HYPERSPARC} says the same`,
    'l1d.aliasPolicy':
      'Linux arch/sparc/include/asm/shmparam_32.h: shared mappings lie at multiples of the cache size',
    'l1d.write': `${SRMMU}, poke_hypersparc: copy-back is switched on`,
    'l1i.sizeBytes': `${MODULE}: 8 KB on the CPU chip`,
    'l1i.ways': 'unverified: two, from memory',
    'l1i.organisation': `derived from ${SRMMU}: switch_mm empties the instruction cache, so its tags are virtual and name no context`,
    'l1d.allocate': 'unverified: a store that misses allocates where the cache writes back, from memory',
    'l1i.snooped': `${HYPERSPARC}: hypersparc_flush_sig_insns flushes the instructions by address`,
    'l1i.fillsFrom': `${MODULE}: the only cache on the CPU chip, in front of the second-level one`,
    'l1i.fetchAhead':
      'unverified: SPARC V8 lets up to five instructions after a FLUSH be old ones, from memory; another CPU executes one of its own',
    'maintenance.byAddress': `${SRMMU}: smp_flush_cache_* make cross calls`,
    'maintenance.icache': `${SRMMU}: smp_flush_sig_insns makes a cross call`,
    'maintenance.unmapped': `${HYPERSPARC}: a flush needs a valid mapping to compare physical tags, so each page is probed first and skipped if there is none`,
    'dma.snooped': `${HYPERSPARC}: hypersparc_flush_page_for_dma does nothing, I/O is coherent`,
    'dma.iommu': `${SRMMU}: ld_mmu_iommu() on all but sun4d`,
    'mmu.levels': `SPARC reference MMU: 16 MB, 256 KB and 4 KB, as in ${SRMMU}`,
    'mmu.refill': 'SPARC reference MMU: the hardware walks the tables',
    'mmu.walkerReads': `${SRMMU}: srmmu_cache_pagetables is set for a Viking with MXCC only`,
    'mmu.accessedDirty': `${SRMMU}: entries are changed by an atomic swap because the MMU sets the referenced and modified bits`,
    'mmu.tlb.data.entries': 'unverified: 64 entries, fully associative, from memory',
    'mmu.tlb.asidBits': `unverified: 4096 contexts, from memory; ${SRMMU} reads their number from the PROM`,
    'mmu.tlb.multipleMatch': 'unverified: no document found',
    'mmu.pageTables': 'as mmu.walkerReads: tables live in an uncached pool',
    'mmu.kernelMappings': `${SRMMU} maps the kernel by entries for the supervisor alone (SRMMU_PRIV), in every context; that these match in any context is said of the microSPARC’s TLB (Tadpole SPARCbook 3 manual, fig. 2-4, S bit), unverified here`,
    shootdown: `${SRMMU}: smp_flush_tlb_* wrap the local flush in a cross call, except on sun4d`,
    crossCallsSerialized:
      'Linux arch/sparc/kernel/sun4m_smp.c: one global lock (cross_call_lock) around a cross call',
    flushAllAbovePages: `${HYPERSPARC} flushes TLB ranges by 16 MB regions; see the deviations of sun4m`,
    writeBufferEntries: `${ROSS}: a write buffer can be enabled; its size is an estimate`,
    agents: 'estimate: no prefetcher is known of',
    ...noPrivateL2,
    ...noSharedL2,
    ...noOuterCache,
    ...noSecondTlb,
    ...noBroadcast,
    'costs.l1HitCycles': `estimate: ${MODULE} calls the cache free of wait states; one cycle more than a cache on the chip`,
    'costs.memoryCycles': `estimate: ${MEMORY_TABLE} has 180 and 291 ns on sun4m machines without L2; here 350 ns, behind a cache controller`,
    'costs.cacheToCacheCycles': 'estimate: the owner answers on the MBus in about the time that memory needs',
    'costs.upgradeCycles': 'estimate: one address cycle and its arbitration at the bus clock',
    'costs.busOccupancyCycles':
      'estimate: the MBus is circuit switched, a read holds it for most of the memory latency',
    'costs.uncachedCycles': 'estimate: the whole way over the bus for one word',
    'costs.atomicCycles': 'estimate: swap and ldstub read and write a cached word',
    'costs.drainDelayCycles': 'estimate: some accesses of the cache',
    'costs.walkStepCycles': 'estimate: the walker adds little to each uncached table read',
    'costs.maintenanceLineCycles': 'estimate: a store to a flush space and a tag access',
    'costs.setWayLineCycles': 'estimate: as costs.maintenanceLineCycles',
    'costs.maintenanceBroadcastCycles': 'not used: maintenance is local',
    'costs.tlbInvalidateCycles': `estimate: ${HYPERSPARC} saves the context register, sets it, stores to the flush space and restores it`,
    'costs.tlbInvalidateAllCycles': 'estimate: as costs.tlbInvalidateCycles',
    'costs.dmbCycles': 'estimate: stbar with an empty store buffer',
    'costs.dsbCycles': 'estimate: a read that waits for the store buffer, empty',
    'costs.isbCycles': 'estimate: refill of the pipeline',
    'costs.contextSwitchCycles':
      'estimate: a store to the context register; the flush of the instruction cache is charged by itself',
    'costs.ipiSendCycles': 'estimate: as on sun4m, in time',
    'costs.ipiLatencyCycles': 'unverified: estimate of 3-6 us per level-15 soft interrupt on an SS10/SS20',
    'costs.interruptEntryCycles': 'estimate: as on sun4m, some quicker in time',
    'costs.interruptExitCycles': 'estimate: as on sun4m, some quicker in time',
    'costs.faultEntryCycles': 'estimate: as on sun4m, some quicker in time',
    'costs.faultExitCycles': 'estimate: as on sun4m, some quicker in time',
    'costs.instructionCycles': 'definition: one unit of work is one cycle',
    'costs.flushCallCycles': `estimate: ${HYPERSPARC}: a cache flush first spills all register windows (WINDOW_FLUSH), seven of 16 words at most`,
  },
});
