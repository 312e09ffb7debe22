/**
 * A Haswell class client processor. Caches, walker and even instruction fetch are coherent in hardware;
 * TLBs are not, and there is no broadcast: the kernel sends interrupts and waits for the answers.
 *
 * Deviations from the machine:
 * - virtual addresses of 32 bits: the levels resolve 0, 2, 9 and 9 bits, so each walk still reads four
 *   tables, but the first two are small
 * - 3 MB of L3 where the part that gave the geometry has 6: physical memory is 4 MB here, and a larger
 *   cache would only make the machine's state larger
 * - one TLB array for all page sizes; the real first levels have separate ones for large pages
 * - up to 64 CPUs on a ring that has 4; the L3 neither includes the private caches nor filters snoops
 * - set/way operations stand for WBINVD, which x86 has in their place
 */
import { definePlatform } from './define.ts';

const IVY_BRIDGE = '7-cpu.com/cpu/IvyBridge.html (i7-3770)';
const AMIT =
  'Nadav Amit, [RFC PATCH v2 00/12] x86: Flush remote TLBs concurrently and async, 2019-05-31, Haswell: 661 ns without, 1436 ns with one and 1571 ns with three remote CPUs';
const HANSEN = 'Dave Hansen, linux-mm 55775749.3090004@intel.com, 2015-06-09, Haswell Xeon';
const HANSEN_2014 =
  'Dave Hansen, [PATCH 7/7] x86: mm: set TLB flush tunable to sane value (33), 2014-07-01, commit a5102476a24b, Ivy Bridge i5-3320M';
const REALWORLDTECH = 'realworldtech.com/haswell-cpu/5';
const CPU_Z = 'CPU-Z report of an i5-4570';

export const x86_64 = definePlatform({
  name: 'x86-64',
  title: 'x86-64 client, Haswell class',
  clockMHz: 3200,
  maxCpus: 64,
  memoryBytes: 1 << 22,
  lineBytes: 64,
  coherence: 'mesi',
  l1d: { sizeBytes: 32768, ways: 8, organisation: 'vipt' },
  l1i: {
    sizeBytes: 32768,
    ways: 8,
    organisation: 'vipt',
    snooped: true,
    fillsFrom: 'data-caches',
    fetchAhead: true,
  },
  l2: { sizeBytes: 262144, ways: 8 },
  shared: { sizeBytes: 3 << 20, ways: 12 },
  maintenance: { byAddress: 'broadcast', icache: 'broadcast', setWayReachesShared: true },
  dma: { snooped: true, iommu: false },
  mmu: {
    levels: [
      { bits: 0, leaf: false },
      { bits: 2, leaf: true },
      { bits: 9, leaf: true },
      { bits: 9, leaf: true },
    ],
    entryBytes: 8,
    refill: 'hardware',
    walkerReads: 'l1',
    accessedDirty: 'hardware',
    tlb: {
      data: { entries: 64, ways: 4 },
      instruction: { entries: 128, ways: 4 },
      second: { entries: 1024, ways: 8 },
      asidBits: 12,
      multipleMatch: 'first',
    },
    walkCache: { entries: 32, asidTagged: true },
    pageTables: 'cached',
    splitContextSwitch: false,
    kernelMappings: 'global',
  },
  shootdown: 'cross-call',
  flushAllAbovePages: 33,
  writeBufferEntries: 42,
  agents: ['drain', 'evict', 'prefetch', 'walk', 'ipi'],
  costs: {
    l1HitCycles: 4,
    l2HitCycles: 12,
    sharedHitCycles: 35,
    outerHitCycles: 0,
    memoryCycles: 230,
    cacheToCacheCycles: 67,
    upgradeCycles: 45,
    busOccupancyCycles: 2,
    uncachedCycles: 600,
    atomicCycles: 18,
    drainDelayCycles: 20,
    secondTlbHitCycles: 9,
    walkStepCycles: 8,
    maintenanceLineCycles: 40,
    setWayLineCycles: 25,
    maintenanceBroadcastCycles: 35,
    tlbInvalidateCycles: 216,
    tlbInvalidateAllCycles: 124,
    broadcastLatencyCycles: 0,
    broadcastOccupancyCycles: 0,
    broadcastTargetCycles: 0,
    dmbCycles: 30,
    dsbCycles: 30,
    isbCycles: 100,
    contextSwitchCycles: 124,
    ipiSendCycles: 218,
    ipiLatencyCycles: 1200,
    interruptEntryCycles: 500,
    interruptExitCycles: 300,
    faultEntryCycles: 400,
    faultExitCycles: 300,
    instructionCycles: 1,
  },
  sources: {
    clockMHz: `${CPU_Z}: 3.2 GHz`,
    maxCpus: 'see the deviations above: 4 on the machine',
    coherence: 'unverified: MESIF, from memory; its forward state only chooses who answers a read',
    'l1d.sizeBytes': `${CPU_Z}: 32 KB, 8 ways, lines of 64 bytes`,
    'l1i.sizeBytes': `${CPU_Z}: 32 KB, 8 ways, lines of 64 bytes`,
    'l1i.organisation': 'unverified: virtually indexed, with ways of one page, from memory',
    'l1i.snooped':
      'Intel manuals, vol. 3, self-modifying code: stores are checked against the instruction cache, from memory',
    'l1i.fillsFrom': 'as l1i.snooped: nothing is cleaned for new code',
    'l1i.fetchAhead':
      'Intel manuals, vol. 3, cross-modifying code: the other processor needs a serializing instruction, from memory; Linux text_poke has every CPU execute one',
    'l2.sizeBytes': `${CPU_Z}: 256 KB, 8 ways`,
    'shared.sizeBytes': `half of the 6 MB, 12 ways in a ${CPU_Z}; see the deviations above`,
    'maintenance.setWayReachesShared':
      'Intel manuals, vol. 2, WBINVD: writes back and invalidates the internal caches of the processor, the shared ones among them, from memory',
    'dma.snooped': 'devices on PCI snoop by default, from memory',
    'dma.iommu': 'VT-d exists and may be off; off here',
    'mmu.refill':
      'Intel manuals, vol. 3, 4.10.2: the processor itself goes through the paging structures if no TLB has the page',
    'mmu.walkerReads':
      'Intel manuals, vol. 3, 4.9: entries are read with a memory type, write-back unless PCD, PWT or an MTRR say otherwise; from memory',
    'mmu.tlb.data.entries': `${REALWORLDTECH}: 64 entries for 4 KB pages; 4 ways as in Nehalem`,
    'mmu.tlb.instruction.entries':
      'realworldtech.com, Inside Nehalem, as quoted by Wikipedia: 128 entries, 4 ways; unverified for Haswell',
    'mmu.tlb.second.entries': 'unverified: 1024 entries, 8 ways, from memory',
    'mmu.tlb.asidBits': 'PCIDs have 12 bits',
    'mmu.walkCache.entries':
      'estimate: Intel documents paging-structure caches and their PCID tags, not their size',
    'mmu.kernelMappings':
      'Linux maps the kernel with global pages (CR4.PGE), page-table isolation aside; from memory',
    flushAllAbovePages: `${HANSEN_2014}`,
    writeBufferEntries: 'unverified: 42 entries, from memory',
    'costs.l1HitCycles': `${IVY_BRIDGE}: 4 cycles`,
    'costs.l2HitCycles': `${IVY_BRIDGE}: 12 cycles`,
    'costs.sharedHitCycles': `estimate: ${IVY_BRIDGE} has 29-30 cycles, and a Haswell review in Japanese (article 20130621-s_haswell2, page 10) found some 5 more at random access`,
    'costs.outerHitCycles': 'not used: no outer cache',
    'costs.memoryCycles':
      'estimate: L3 and 60 ns, between 67 ns on Westmere (7-cpu.com/cpu/Westmere.html) and the unverified 51 ns on Skylake',
    'costs.cacheToCacheCycles':
      '21 ns between cores of an i5-4590: github nviennot/core-to-core-latency README',
    'costs.upgradeCycles': 'estimate: the L3 and a snoop, without data',
    'costs.busOccupancyCycles': 'estimate: the ring takes a new transaction every few cycles',
    'costs.uncachedCycles': 'estimate: a register of a device behind the chipset link, some 200 ns',
    'costs.atomicCycles': 'unverified: a locked instruction on an owned line, from memory',
    'costs.drainDelayCycles': 'estimate: stores drain as soon as they retire',
    'costs.secondTlbHitCycles': 'unverified: 9 cycles on Skylake (7-cpu.com)',
    'costs.walkStepCycles': `calibrated: a walk whose upper levels hit the walk cache and whose last entry comes from the L3 takes 43 cycles; the average dTLB miss is 45 (${HANSEN_2014})`,
    'costs.maintenanceLineCycles': 'estimate: CLFLUSH of a line that is not dirty',
    'costs.setWayLineCycles':
      'estimate: WBINVD takes 2491761 cycles (Ingo Molnar, linux-mm 20150608195237.GA15429@gmail.com); over the 98304 lines of 6 MB that is 25 a line, but the size of that L3 is not given',
    'costs.maintenanceBroadcastCycles': 'estimate: one trip to the L3 and its snoop',
    'costs.tlbInvalidateCycles': `${HANSEN}: INVLPG 216 cycles; the same author calls 100 the true cost on Ivy Bridge once the tracing is taken off, and a fit of that curve gives 262 a page with it`,
    'costs.tlbInvalidateAllCycles': `${HANSEN}: 124 cycles for a write of CR3; global entries included it is 960`,
    'costs.broadcastLatencyCycles': 'not used: no broadcast',
    'costs.broadcastOccupancyCycles': 'not used: no broadcast',
    'costs.broadcastTargetCycles': 'not used: no broadcast',
    'costs.dmbCycles': 'estimate: MFENCE with an empty store buffer',
    'costs.dsbCycles': 'estimate: as costs.dmbCycles, x86 has no stronger one',
    'costs.isbCycles': 'estimate: a serialising instruction such as CPUID',
    'costs.contextSwitchCycles': `${HANSEN}: a write of CR3; "on the order of a hundred cycles" in Linux Documentation/x86/pti`,
    'costs.ipiSendCycles': `derived from ${AMIT}: the second and third remote CPU add 68 ns each`,
    'costs.ipiLatencyCycles': `calibrated on ${AMIT}: with sending, entry, invalidate and five line transfers the first remote CPU costs about 775 ns`,
    'costs.interruptEntryCycles': 'estimate: part of the same 775 ns, see costs.ipiLatencyCycles',
    'costs.interruptExitCycles': 'estimate: IRET and the end of the interrupt',
    'costs.faultEntryCycles':
      'estimate: with exit, kernel work and a system call it is inside the 661 ns that Amit measured for unmapping and touching a page',
    'costs.faultExitCycles': 'estimate: IRET and restoring registers, see costs.faultEntryCycles',
    'costs.instructionCycles': 'definition: one unit of work is one cycle',
  },
});
