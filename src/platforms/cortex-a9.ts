/**
 * A Cortex-A9 MPCore with a PL310 behind it. Maintenance by address and of TLBs is broadcast in hardware, but
 * stops before the PL310: that has registers of its own, which only the kernel's driver writes. Instruction
 * caches are not snooped.
 *
 * Deviations from the machine:
 * - 512 KB of outer cache with 8 ways, as in Zynq-7000; the latencies are of an Exynos 4210 with 1 MB
 * - the outer cache's victims are chosen by age
 * - the accelerator coherency port, through which a device could look into the caches, is not connected
 * - the main TLB's lockable array of 4 entries is left out
 * - the micro TLBs keep entries over a change of context; the real ones are emptied
 */
import { definePlatform } from './define.ts';
import { noPrivateL2, noSharedL2 } from './unused.ts';

const TRM = 'Cortex-A9 technical reference manual, ARM DDI 0388I';
const LATENCY = '7-cpu.com/cpu/Cortex-A9.html (Exynos 4210, 1.2 GHz)';
const TTB = 'Linux arch/arm/mm/proc-v7-2level.S';
const SCU =
  'unverified: the SCU keeps the data caches coherent by MESI and passes maintenance on if ACTLR.SMP and ACTLR.FW are set, from memory of the Cortex-A9 MPCore manual';
const PL310 = 'PL310 technical reference manual, ARM DDI 0246A, 3.3.9';
const IRQ =
  'JBLopen measured 154 to 1778 cycles of interrupt latency on a Cortex-A9, 876 on average (copy at annaagile.blogg.se)';

export const cortexA9 = definePlatform({
  name: 'cortex-a9',
  title: 'Cortex-A9 MPCore (ARMv7) with PL310 outer cache',
  clockMHz: 1200,
  maxCpus: 4,
  memoryBytes: 1 << 22,
  lineBytes: 32,
  coherence: 'mesi',
  l1d: { sizeBytes: 32768, ways: 4, replacement: 'random', organisation: 'pipt' },
  l1i: {
    sizeBytes: 32768,
    ways: 4,
    replacement: 'round-robin',
    organisation: 'vipt',
    snooped: false,
    fillsFrom: 'unification',
    fetchAhead: true,
  },
  outer: { sizeBytes: 524288, ways: 8, maintainedBy: 'controller' },
  maintenance: { byAddress: 'broadcast', icache: 'broadcast', setWayReachesShared: false, unmapped: 'fault' },
  dma: { snooped: false, iommu: false },
  mmu: {
    levels: [
      { bits: 12, leaf: true },
      { bits: 8, leaf: true },
    ],
    entryBytes: 4,
    refill: 'hardware',
    walkerReads: 'l1',
    accessedDirty: 'software',
    tlb: {
      data: { entries: 32, ways: 32 },
      instruction: { entries: 32, ways: 32 },
      second: { entries: 128, ways: 2 },
      asidBits: 8,
      multipleMatch: 'first',
    },
    pageTables: 'cached',
    splitContextSwitch: true,
    kernelMappings: 'global',
  },
  shootdown: 'broadcast',
  broadcast: { scope: 'all', rangeOperations: false, queueEntries: 4, serialized: false },
  flushAllAbovePages: 1 << 20,
  writeBufferEntries: 4,
  agents: ['drain', 'evict', 'prefetch', 'walk', 'broadcast', 'ipi'],
  costs: {
    l1HitCycles: 4,
    l2HitCycles: 0,
    sharedHitCycles: 0,
    outerHitCycles: 23,
    memoryCycles: 155,
    cacheToCacheCycles: 40,
    upgradeCycles: 20,
    busOccupancyCycles: 4,
    uncachedCycles: 120,
    atomicCycles: 10,
    drainDelayCycles: 30,
    secondTlbHitCycles: 7,
    walkStepCycles: 1,
    maintenanceLineCycles: 4,
    setWayLineCycles: 5,
    maintenanceBroadcastCycles: 20,
    tlbInvalidateCycles: 10,
    tlbInvalidateAllCycles: 10,
    broadcastLatencyCycles: 30,
    broadcastOccupancyCycles: 10,
    broadcastTargetCycles: 10,
    dmbCycles: 6,
    dsbCycles: 20,
    isbCycles: 14,
    contextSwitchCycles: 60,
    ipiSendCycles: 60,
    ipiLatencyCycles: 150,
    interruptEntryCycles: 350,
    interruptExitCycles: 150,
    faultEntryCycles: 250,
    faultExitCycles: 150,
    instructionCycles: 1,
    outerLineCycles: 60,
  },
  sources: {
    clockMHz: `${LATENCY}`,
    maxCpus: 'unverified: up to four cores, from memory',
    lineBytes: `${TRM}, 7.1: 32 bytes`,
    coherence: SCU,
    'l1d.sizeBytes': `${TRM}, 7.1: 16, 32 or 64 KB; ${LATENCY}: 32 KB`,
    'l1d.ways': `${TRM}, 7.1: four`,
    'l1d.replacement': `${TRM}, 7.1: pseudo-random`,
    'l1d.organisation': `${TRM}, 7.1: physically indexed, physically tagged`,
    'l1i.sizeBytes': `${TRM}, 7.1: 16, 32 or 64 KB; ${LATENCY}: 32 KB`,
    'l1i.ways': `${TRM}, 7.1: four`,
    'l1i.replacement': `${TRM}, 7.1: pseudo round-robin or pseudo-random`,
    'l1i.organisation': `${TRM}, 7.3: virtually indexed, physically tagged`,
    'l1i.snooped': 'Linux arch/arm/mm/cache-v7.S: coherent_kern_range cleans and invalidates for new code',
    'l1i.fillsFrom': 'as l1i.snooped: lines are cleaned to the point of unification first',
    'l1i.fetchAhead':
      'Arm architecture: after new code each core needs a context synchronization (ISB), from memory',
    'outer.sizeBytes':
      'unverified: 512 KB in Zynq-7000, from memory; pytorch cpuinfo src/arm/cache.c lists 1 MB in Exynos 4 and OMAP4',
    'outer.ways': 'unverified: 8 in Zynq-7000, from memory',
    'outer.maintainedBy': `${PL310}: clean, invalidate and sync are writes to its own registers, by physical address or way`,
    'maintenance.byAddress': SCU,
    'maintenance.icache': SCU,
    'maintenance.unmapped':
      'Linux arch/arm/mm/cache-v7.S: coherent_user_range expects a fault where nothing is mapped',
    'dma.snooped': 'Linux arch/arm/mm/cache-v7.S: dma_map_area and dma_unmap_area do the work in software',
    'dma.iommu': 'unverified: none between most devices and memory, from memory',
    'mmu.levels': 'Zynq-7000 manual UG585, p. 77: 4096 entries of 1 MB, then second-level tables',
    'mmu.refill': 'as mmu.walkerReads: the hardware walks the tables',
    'mmu.walkerReads': `${TTB}: with SMP, walks are inner write-back cacheable and shareable`,
    'mmu.accessedDirty': `${TTB}: set_pte_ext writes no valid hardware entry for a page that is not young, and a read-only one for a clean page`,
    'mmu.tlb.data.entries': `${TRM}, 6.2.1 (as in pytorch cpuinfo src/arm/tlb.c): 32`,
    'mmu.tlb.instruction.entries': `${TRM}, 6.2.1 (as in pytorch cpuinfo src/arm/tlb.c): 32 or 64`,
    'mmu.tlb.second.entries': `${LATENCY}: 128; ${TRM}, 6.2.2: 64 to 512`,
    'mmu.tlb.second.ways': `${TRM}, 6.2.2: two`,
    'mmu.tlb.asidBits': 'ARMv7: 8 bits in the context ID register (Linux arch/arm/mm/context.c, from memory)',
    'mmu.tlb.multipleMatch': 'unverified: no document found',
    'mmu.pageTables': 'as mmu.walkerReads',
    'mmu.splitContextSwitch': `${TTB}: switch_mm writes the context ID register and TTBR0, each with an ISB`,
    'mmu.kernelMappings':
      'Linux arch/arm/include/asm/pgtable-2level.h: only user pages have the not-global bit, from memory',
    shootdown: 'Linux arch/arm/include/asm/smp_plat.h: no software broadcast where ID_MMFR3[15:12] is 2',
    'broadcast.scope':
      'ARMv7 multiprocessing extensions: operations by address, by ASID and on all entries have inner shareable forms, from memory',
    'broadcast.rangeOperations': 'range invalidates came with Armv8.4',
    'broadcast.queueEntries': 'estimate: no document found',
    'broadcast.serialized': 'Linux arch/arm/include/asm/tlbflush.h: no lock, from memory',
    flushAllAbovePages:
      'Linux arch/arm/mm/tlb-v7.S invalidates a range page by page, whatever its length; from memory',
    writeBufferEntries: `${TRM}, 7.1: a merging store buffer of 4 entries`,
    agents: `${TRM}, 7.6.2: an automatic data prefetcher`,
    ...noPrivateL2,
    ...noSharedL2,
    'costs.l1HitCycles': `${LATENCY}: 4 cycles`,
    'costs.outerHitCycles': `${LATENCY}: 23 cycles`,
    'costs.memoryCycles': `${LATENCY}: 23 cycles and 110 ns`,
    'costs.cacheToCacheCycles': 'estimate: somewhat more than the outer cache',
    'costs.upgradeCycles': 'estimate: the way to the SCU and back',
    'costs.busOccupancyCycles': 'estimate: four beats of 64 bits',
    'costs.uncachedCycles': 'estimate: a register behind the interconnect, 100 ns',
    'costs.atomicCycles': 'estimate: load and store exclusive that hit',
    'costs.drainDelayCycles': 'estimate: a merging buffer waits a little',
    'costs.secondTlbHitCycles': `${LATENCY}: 7 cycles`,
    'costs.walkStepCycles': `derived: ${LATENCY} has 7 cycles for a miss of the main TLB, and two reads of the L1 alone are 8`,
    'costs.maintenanceLineCycles': 'estimate: a register write and a tag access',
    'costs.setWayLineCycles':
      'derived: 3.6-6.3 cycles a line on a Cortex-A53 (TF-A docs/perf/psci-performance-juno.rst), taken over for want of a figure',
    'costs.maintenanceBroadcastCycles': 'estimate: the way to the SCU and back',
    'costs.tlbInvalidateCycles': 'estimate: a register write',
    'costs.tlbInvalidateAllCycles': 'estimate: a register write',
    'costs.broadcastLatencyCycles': 'estimate: through the SCU',
    'costs.broadcastOccupancyCycles': 'estimate: one message at a time',
    'costs.broadcastTargetCycles': 'estimate: a search of the TLBs',
    'costs.dmbCycles': 'estimate: nothing outstanding',
    'costs.dsbCycles': 'estimate: nothing outstanding; it must still ask the SCU',
    'costs.isbCycles': 'estimate: refill of the pipeline',
    'costs.contextSwitchCycles': 'estimate: two register writes and two ISBs',
    'costs.ipiSendCycles': 'estimate: one write to the interrupt controller beside the cores',
    'costs.ipiLatencyCycles': `estimate: with the entry, inside what ${IRQ}`,
    'costs.interruptEntryCycles': `estimate: with the latency, inside what ${IRQ}`,
    'costs.interruptExitCycles': 'estimate: restoring registers and the end of the interrupt',
    'costs.faultEntryCycles': 'estimate: saving registers and reading the fault registers',
    'costs.faultExitCycles': 'estimate: restoring registers',
    'costs.instructionCycles': 'definition: one unit of work is one cycle',
    'costs.outerLineCycles': `estimate: an uncached write over the interconnect; ${PL310}: operations on a line stall the controller until they are done`,
  },
});
