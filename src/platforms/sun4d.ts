/**
 * A SPARCserver 1000 or SPARCcenter 2000: SuperSPARC with the MXCC cache controller and 1 MB of external
 * cache on the packet-switched XDBus. The hardware broadcasts a demap over the bus, so Linux makes no
 * cross call to flush a TLB: it takes one global lock and does a local flush.
 *
 * Deviations from the machine:
 * - up to 64 CPUs, to see how a broadcast scales; the real ones take 8 and 20
 * - one line size: 64 bytes, the block of the XDBus and the line of the instruction cache; the real
 *   data cache has lines of 32 bytes
 * - coherence is by invalidation
 * - as in sun4m: no context table, no region demap, no pointer cache
 */
import { definePlatform } from './define.ts';

const LMBENCH = 'lmbench database (McVoy & Staelin, USENIX 1996; github intel/lmbench)';
const MEMORY_TABLE = `${LMBENCH}, doc/lat_allmem.tbl, SC1000`;
const SRMMU = 'Linux arch/sparc/mm/srmmu.c';
const DEMAP =
  'unverified: estimate of 1.5-4 us for a broadcast demap on 8-20 CPUs, 1.5-3 times the memory latency of 1.0-1.25 us';

export const sun4d = definePlatform({
  name: 'sun4d',
  title: 'SPARCserver 1000 / SPARCcenter 2000, SuperSPARC with MXCC on XDBus',
  clockMHz: 50,
  maxCpus: 64,
  memoryBytes: 1 << 22,
  lineBytes: 64,
  coherence: 'moesi',
  l1d: { sizeBytes: 16384, ways: 4, organisation: 'pipt', write: 'write-through', allocate: 'read' },
  l1i: {
    sizeBytes: 20480,
    ways: 5,
    organisation: 'pipt',
    snooped: true,
    fillsFrom: 'data-caches',
    fetchAhead: true,
  },
  l2: { sizeBytes: 1 << 20, ways: 1 },
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
    walkerReads: 'l2',
    accessedDirty: 'hardware',
    tlb: { data: { entries: 64, ways: 64 }, asidBits: 16, multipleMatch: 'first' },
    pageTables: 'cached',
    splitContextSwitch: false,
    kernelMappings: 'global',
  },
  shootdown: 'broadcast',
  crossCallsSerialized: true,
  broadcast: { scope: 'all', rangeOperations: false, queueEntries: 4, serialized: true },
  flushAllAbovePages: 1,
  writeBufferEntries: 8,
  agents: ['drain', 'evict', 'walk', 'broadcast', 'ipi'],
  costs: {
    l1HitCycles: 1,
    l2HitCycles: 7,
    sharedHitCycles: 0,
    outerHitCycles: 0,
    memoryCycles: 62,
    cacheToCacheCycles: 70,
    upgradeCycles: 50,
    busOccupancyCycles: 14,
    uncachedCycles: 62,
    atomicCycles: 10,
    drainDelayCycles: 20,
    secondTlbHitCycles: 0,
    walkStepCycles: 2,
    maintenanceLineCycles: 4,
    setWayLineCycles: 4,
    maintenanceBroadcastCycles: 0,
    tlbInvalidateCycles: 10,
    tlbInvalidateAllCycles: 10,
    broadcastLatencyCycles: 50,
    broadcastOccupancyCycles: 4,
    broadcastTargetCycles: 10,
    dmbCycles: 2,
    dsbCycles: 6,
    isbCycles: 6,
    contextSwitchCycles: 10,
    ipiSendCycles: 70,
    ipiLatencyCycles: 250,
    interruptEntryCycles: 600,
    interruptExitCycles: 300,
    faultEntryCycles: 250,
    faultExitCycles: 200,
    instructionCycles: 1,
    flushCallCycles: 100,
  },
  sources: {
    maxCpus: 'see the deviations above: the machines take 8 and 20',
    coherence:
      'unverified: the MXCC on XDBus is said to update sharers rather than to invalidate them; modelled as an invalidating protocol with owned lines',
    lineBytes: 'unverified: XDBus blocks of 64 bytes, from memory',
    'l1d.sizeBytes':
      '128 sets of 4 lines of 32 bytes with physical tags: the tag scan in Linux arch/sparc/mm/viking.S, viking_flush_page',
    'l1d.write': 'unverified: write-through towards an MXCC, from memory',
    'l1i.sizeBytes': 'unverified: 20 KB, 5 ways, 64 sets of 64-byte lines, from memory',
    'l1i.snooped':
      'viking.S: viking_flush_sig_insns does nothing, so the hardware keeps instructions coherent',
    'l1i.organisation': 'unverified: physical, as the data cache is, from memory',
    'l1i.fillsFrom': 'as l1i.snooped: nothing is cleaned for new code',
    'l1i.fetchAhead':
      'unverified: SPARC V8 lets up to five instructions after a FLUSH be old ones, from memory; another CPU executes one of its own',
    'l2.sizeBytes': 'unverified: 1 MB, direct mapped, from memory',
    'dma.snooped': `${SRMMU}: page_for_dma of a SuperSPARC with MXCC does nothing`,
    'dma.iommu': 'Linux arch/sparc/mm/io-unit.c: the I/O unit of each board translates',
    'mmu.levels': `SPARC reference MMU: 16 MB, 256 KB and 4 KB, as in ${SRMMU}`,
    'mmu.refill': 'as mmu.walkerReads: the hardware walks the tables',
    'mmu.walkerReads':
      'Linux viking.h: table walks are cached in the external cache if there is one and never on the chip',
    'mmu.pageTables': `${SRMMU}: an MXCC sets srmmu_cache_pagetables and caches table walks`,
    'mmu.accessedDirty': `${SRMMU}: entries are changed by an atomic swap because the MMU sets the referenced and modified bits`,
    'mmu.tlb.data.entries':
      'unverified: 64 entries, fully associative, for data and instructions, from memory',
    'mmu.tlb.asidBits': `${SRMMU}: 65536 contexts on sun4d`,
    'mmu.kernelMappings': `${SRMMU} maps the kernel by entries for the supervisor alone (SRMMU_PRIV), in every context; that these match in any context is said of the microSPARC’s TLB (Tadpole SPARCbook 3 manual, fig. 2-4, S bit), unverified here`,
    shootdown: `${SRMMU}: sun4dsmp_flush_tlb_* are not wrapped in cross calls`,
    'broadcast.scope':
      'viking.S: sun4dsmp_flush_tlb_page, _range, _mm and _all each do local flushes only, so every kind must be broadcast',
    'broadcast.serialized': `${SRMMU}: a queue of pending demaps in the XDBus is too short and would lose some, so a global lock is taken around each flush; viking.S, sun4dsmp_flush_tlb_*`,
    'broadcast.queueEntries': 'estimate: no document found',
    flushAllAbovePages: 'viking.S flushes ranges by 16 MB regions; see the deviations above',
    writeBufferEntries: 'unverified: 8 entries, from memory; that there is a store buffer: Linux viking.h',
    'costs.l1HitCycles': `${MEMORY_TABLE}: 20 ns, 50 MHz inferred from it`,
    'costs.l2HitCycles': `${MEMORY_TABLE}: 140 ns`,
    'costs.sharedHitCycles': 'not used: no shared L2',
    'costs.outerHitCycles': 'not used: no outer cache',
    'costs.memoryCycles': `${MEMORY_TABLE}: 1236 ns`,
    'costs.cacheToCacheCycles': 'estimate: as memory, and the time until the owner can answer',
    'costs.upgradeCycles': 'estimate: request and reply packet without waiting for memory',
    'costs.busOccupancyCycles':
      'estimate: some 11 bus cycles at 40 MHz for the packets of a 64-byte block; the bus is free between request and reply',
    'costs.uncachedCycles': 'estimate: as costs.memoryCycles, the whole way over the bus',
    'costs.atomicCycles': 'estimate: a read and a write of the external cache',
    'costs.drainDelayCycles': 'estimate: some accesses to the external cache',
    'costs.secondTlbHitCycles': 'not used: one level of TLB',
    'costs.walkStepCycles': 'estimate: the walker adds little to each table read',
    'costs.maintenanceLineCycles': 'estimate: read and write one tag through an alternate space',
    'costs.setWayLineCycles': 'estimate: as costs.maintenanceLineCycles; flushes here go by tag anyway',
    'costs.maintenanceBroadcastCycles': 'not used: maintenance is local',
    'costs.tlbInvalidateCycles':
      'estimate: viking.S saves the context register, sets it, stores to the flush space and restores it',
    'costs.tlbInvalidateAllCycles': 'estimate: as costs.tlbInvalidateCycles, one store to the flush space',
    'costs.broadcastLatencyCycles': `${DEMAP}; here 1 us there and 1 us back for the answer, 2.6 us with all the rest`,
    'costs.broadcastOccupancyCycles': 'estimate: one short packet and its reply',
    'costs.broadcastTargetCycles': 'estimate: one TLB search that the pipeline waits for',
    'costs.dmbCycles': 'estimate: stbar with an empty store buffer',
    'costs.dsbCycles': 'estimate: a read that waits for the store buffer, empty',
    'costs.isbCycles': 'estimate: refill of the pipeline',
    'costs.contextSwitchCycles': 'estimate: one store to the context register and its pipeline wait',
    'costs.ipiSendCycles': 'estimate: one uncached write over the bus and its preparation',
    'costs.ipiLatencyCycles':
      'unverified: estimate of 3-6 us per soft interrupt on sun4m; here 5 us, the XDBus is slower',
    'costs.interruptEntryCycles': 'estimate: as on sun4m, the same processor',
    'costs.interruptExitCycles': 'estimate: as on sun4m, the same processor',
    'costs.faultEntryCycles': `estimate: a good half of a null system call, 9 us on an SC1000 (${LMBENCH}, lat_nullsys.tbl)`,
    'costs.faultExitCycles': `estimate: the rest of a null system call (${LMBENCH}, lat_nullsys.tbl)`,
    'costs.instructionCycles': 'definition: one unit of work is one cycle',
    'costs.flushCallCycles':
      'estimate: viking.S: viking_flush_cache_* do nothing but spill the register windows (WINDOW_FLUSH), seven of 16 words at most',
  },
});
