/**
 * The Cortex-A53 cluster of an Arm Juno board: four in-order Armv8 cores with an L2 of their own and no cache behind
 * it. It is here for its published times: flushing by set and way in firmware, L1 alone and with the L2.
 *
 * Deviations from the machine:
 * - virtual addresses of 32 bits: the levels resolve 0, 2, 9 and 9 bits, so each walk still reads four tables, but
 *   the first two are small
 * - the other cluster of the board and the CCI-400 between the two are left out; devices are its display
 *   controllers, which do not look into caches, behind their SMMU
 * - stage 2 has the entry format of stage 1 and three levels, as KVM has for 40-bit addresses, whose root resolves 2
 *   bits of 32-bit ones
 * - write-backs are paid for by whoever causes them, at the full latency of the level that takes the line: the real
 *   ones overlap
 */
import { definePlatform } from './define.ts';
import { noOuterCache, noPrivateL2 } from './unused.ts';

const TRM = 'Cortex-A53 MPCore technical reference manual, ARM DDI 0500';
const TLBS = `${TRM}, 5.2 (as in pytorch cpuinfo src/arm/tlb.c)`;
const CAQA =
  'Hennessy and Patterson, Computer Architecture, 6th edition, chapter 2, the ARM Cortex-A53 (as summarized at my-knowledge-base-bmo.pages.dev)';
const JUNO = 'TF-A docs/perf/psci-performance-juno.rst (Juno R1)';
const JUNO_DTS = 'Linux arch/arm64/boot/dts/arm/juno-base.dtsi';
const UG1085 = 'AMD UG1085, L2 memory subsystem of the Cortex-A53 cluster';

const NULL_HYPERCALL =
  'derived: half of a null hypercall of some 6500 cycles of a KVM that runs partly in EL1 (6413 on a Cortex-A57; Dall et al., ISCA 2016, as quoted second-hand), for want of one on a Cortex-A53; without FEAT_VHE (Armv8.1) there is no other way';

export const cortexA53 = definePlatform({
  name: 'cortex-a53',
  title: 'Cortex-A53 cluster (Armv8.0), as on a Juno board',
  clockMHz: 650,
  maxCpus: 4,
  memoryBytes: 1 << 22,
  lineBytes: 64,
  coherence: 'moesi',
  l1d: { sizeBytes: 32768, ways: 4, replacement: 'random', organisation: 'pipt' },
  l1i: {
    sizeBytes: 32768,
    ways: 2,
    replacement: 'random',
    organisation: 'vipt',
    snooped: false,
    fillsFrom: 'unification',
    fetchAhead: true,
  },
  shared: { sizeBytes: 1 << 20, ways: 16, replacement: 'random' },
  maintenance: { byAddress: 'broadcast', icache: 'broadcast', setWayReachesShared: true },
  dma: { snooped: false, iommu: true },
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
    accessedDirty: 'software',
    tlb: {
      data: { entries: 10, ways: 10 },
      instruction: { entries: 10, ways: 10 },
      second: { entries: 512, ways: 4 },
      asidBits: 16,
      multipleMatch: 'abort',
    },
    walkCache: { entries: 64, asidTagged: true },
    pageTables: 'cached',
    splitContextSwitch: false,
    kernelMappings: 'global',
  },
  virtualization: {
    vmidBits: 8,
    stage2Levels: [
      { bits: 2, leaf: true },
      { bits: 9, leaf: true },
      { bits: 9, leaf: true },
    ],
    forcedWriteBack: false,
    ipaCache: { entries: 64 },
    stage2Fences: 'broadcast',
  },
  shootdown: 'broadcast',
  broadcast: { scope: 'all', rangeOperations: false, queueEntries: 4, serialized: false },
  flushAllAbovePages: 511,
  writeBufferEntries: 4,
  agents: ['drain', 'evict', 'prefetch', 'walk', 'broadcast', 'ipi'],
  costs: {
    l1HitCycles: 3,
    l2HitCycles: 0,
    sharedHitCycles: 16,
    outerHitCycles: 0,
    memoryCycles: 81,
    cacheToCacheCycles: 25,
    upgradeCycles: 12,
    busOccupancyCycles: 4,
    uncachedCycles: 65,
    atomicCycles: 8,
    drainDelayCycles: 20,
    secondTlbHitCycles: 2,
    walkStepCycles: 17,
    maintenanceLineCycles: 6,
    setWayLineCycles: 3.625,
    maintenanceBroadcastCycles: 12,
    tlbInvalidateCycles: 10,
    tlbInvalidateAllCycles: 10,
    broadcastLatencyCycles: 25,
    broadcastOccupancyCycles: 8,
    broadcastTargetCycles: 10,
    dmbCycles: 6,
    dsbCycles: 20,
    isbCycles: 10,
    contextSwitchCycles: 30,
    ipiSendCycles: 65,
    ipiLatencyCycles: 130,
    interruptEntryCycles: 250,
    interruptExitCycles: 120,
    faultEntryCycles: 200,
    faultExitCycles: 120,
    instructionCycles: 1,
    guestExitCycles: 3250,
    guestEntryCycles: 3250,
  },
  sources: {
    clockMHz: `${JUNO}: 650 MHz, underdrive`,
    maxCpus: `${JUNO}: 4 x Cortex-A53`,
    lineBytes: `${CAQA}: blocks of 64 bytes`,
    coherence: `unverified: MOESI between the cores, from memory of ${TRM}`,
    'l1d.sizeBytes': `${CAQA}: 8 to 64 KB, 2 or 4 ways; the published lines of the L1 flush are those of 32 KB`,
    'l1d.replacement': 'unverified: pseudo-random, from memory of its manual',
    'l1d.organisation': `unverified: reads as physically indexed, from memory of ${TRM}`,
    'l1i.sizeBytes': `${CAQA}: 8 to 64 KB, 2 ways`,
    'l1i.organisation':
      'unverified: CTR_EL0.L1Ip reads as virtually indexed, physically tagged, from memory; with ways of 16 KB it has aliases',
    'l1i.snooped':
      'Armv8.0: CTR_EL0.DIC came later; Linux arch/arm64/mm/cache.S invalidates for new code, from memory',
    'l1i.fillsFrom': 'Armv8.0: CTR_EL0.IDC came later; lines are cleaned to the point of unification first',
    'l1i.fetchAhead':
      'Arm architecture: after new code each CPU needs a context synchronization (ISB) of its own; from memory',
    'shared.sizeBytes': `${JUNO}: 1 MB of L2 for the little cluster`,
    'shared.ways': `${UG1085}: 16 ways, physically addressed`,
    'shared.replacement': 'unverified: from memory of its manual',
    'maintenance.byAddress':
      'Arm architecture: by address to the point of coherency acts on all of the inner shareable domain, from memory',
    'maintenance.icache':
      'Arm architecture: IC IALLUIS, and IC IVAU by an inner shareable address, act on every CPU of that domain; from memory',
    'maintenance.setWayReachesShared': `${JUNO}: the last CPU of the cluster flushes L1 and L2 (TF-A lib/cpus/aarch64/cortex_a53.S, cluster_pwr_dwn, levels 1 and 2)`,
    'dma.snooped': `${JUNO_DTS}: smmu_hdlcd0 and smmu_hdlcd1, before the display controllers, are not marked dma-coherent, others are`,
    'dma.iommu': `${JUNO_DTS}: an MMU-401 before each of them`,
    'mmu.refill': 'Arm architecture: the hardware walks the tables, from memory',
    'mmu.walkerReads':
      'Linux arch/arm64/mm/proc.S: walks are write-back cacheable and shareable (TCR_EL1), from memory',
    'mmu.accessedDirty': 'Armv8.0: hardware updates (FEAT_HAFDBS) came with Armv8.1',
    'mmu.tlb.data.entries': `${TLBS}: a micro TLB of ten entries on each side; ${CAQA}: fully associative`,
    'mmu.tlb.instruction.entries': 'as mmu.tlb.data.entries',
    'mmu.tlb.second.entries': `${TLBS}: 512 entries, 4 ways`,
    'mmu.tlb.asidBits': 'unverified: 16 bits of ASID (ID_AA64MMFR0_EL1), from memory',
    'mmu.tlb.multipleMatch': 'unverified: the architecture allows a TLB conflict abort',
    'mmu.walkCache.entries': `unverified: a walk cache of 64 entries, from memory of ${TRM}, 5.2`,
    'mmu.splitContextSwitch': 'Arm architecture: a 64-bit TTBR holds table base and ASID together',
    'mmu.kernelMappings':
      'Linux arch/arm64 leaves the not-global bit off for the kernel, kernel page-table isolation aside; from memory',
    'virtualization.vmidBits': 'Armv8.0: 8 bits, FEAT_VMID16 came with Armv8.1',
    'virtualization.stage2Levels':
      'Linux arch/arm64/include/asm/stage2_pgtable.h: 40-bit addresses need three levels with concatenated roots; from memory',
    'virtualization.forcedWriteBack': 'Armv8.0: FEAT_S2FWB came with Armv8.4',
    'virtualization.ipaCache.entries': `unverified: an IPA cache of 64 entries, from memory of ${TRM}, 5.2`,
    'virtualization.guestCaching':
      'Arm architecture: AArch64 has long descriptors only, whose AttrIndx names a field of MAIR_EL1; from memory',
    'virtualization.stage2Fences':
      'Arm architecture: IPAS2E1IS, VMALLS12E1IS and ALLE1IS reach the inner shareable domain; from memory',
    'broadcast.rangeOperations': 'Armv8.0: FEAT_TLBIRANGE came with Armv8.4',
    'broadcast.queueEntries': 'estimate: no document found',
    'broadcast.serialized': 'Linux arch/arm64/include/asm/tlbflush.h: no lock, from memory',
    flushAllAbovePages:
      'Linux arch/arm64/include/asm/tlbflush.h flushes the ASID from PTRS_PER_PTE = 512 pages on',
    writeBufferEntries: 'estimate: no document found',
    agents: `unverified: prefetches and walks on its own account, from memory of ${TRM}`,
    ...noPrivateL2,
    ...noOuterCache,
    'costs.l1HitCycles': 'LLVM lib/Target/AArch64/AArch64SchedA53.td: LoadLatency 3',
    'costs.sharedHitCycles': `${CAQA}: 13 cycles on top of the L1`,
    'costs.memoryCycles': 'unverified: 100 to 150 ns; here 125 ns',
    'costs.cacheToCacheCycles': 'estimate: somewhat more than the L2',
    'costs.upgradeCycles': 'estimate: the way to the SCU and back',
    'costs.busOccupancyCycles': 'estimate: four beats of 128 bits',
    'costs.uncachedCycles': 'estimate: a register behind the interconnect, 100 ns',
    'costs.atomicCycles': 'estimate: load and store exclusive that hit',
    'costs.drainDelayCycles': 'estimate: a merging buffer waits a little',
    'costs.secondTlbHitCycles': `${CAQA}: 2 cycles for a miss of a micro TLB`,
    'costs.walkStepCycles': `derived: ${CAQA} has 20 cycles for a miss of the main TLB; the walk cache leaves one read of the L1`,
    'costs.maintenanceLineCycles': 'estimate: a look into the tags of the L1 and the L2',
    'costs.setWayLineCycles': `calibrated on ${JUNO}: 94 us (93 in one test) for L1 (32 KB) and L2 (1 MB), 16896 lines; in eighths of a cycle, so that sums are exact`,
    'costs.maintenanceBroadcastCycles': 'estimate: the way to the SCU and back',
    'costs.tlbInvalidateCycles': 'estimate: issue is cheap',
    'costs.tlbInvalidateAllCycles': 'estimate: issue is cheap',
    'costs.broadcastLatencyCycles': 'estimate: through the SCU',
    'costs.broadcastOccupancyCycles': 'estimate: one message at a time',
    'costs.broadcastTargetCycles': 'estimate: a search of the TLBs',
    'costs.dmbCycles': 'estimate: nothing outstanding',
    'costs.dsbCycles': 'estimate: nothing outstanding; it must still ask the SCU',
    'costs.isbCycles': 'estimate: refill of a short pipeline',
    'costs.contextSwitchCycles': 'estimate: a write of TTBR0_EL1 and an ISB',
    'costs.ipiSendCycles': 'estimate: one write to the GIC-400, 100 ns',
    'costs.ipiLatencyCycles': 'estimate: through the GIC-400, 200 ns',
    'costs.interruptEntryCycles': 'estimate: saving registers, reading the GIC-400',
    'costs.interruptExitCycles': 'estimate: end of interrupt, restoring registers',
    'costs.faultEntryCycles': 'estimate: saving registers and reading the fault registers',
    'costs.faultExitCycles': 'estimate: restoring registers',
    'costs.instructionCycles': 'definition: one unit of work is one cycle',
    'costs.guestExitCycles': NULL_HYPERCALL,
    'costs.guestEntryCycles': NULL_HYPERCALL,
  },
});
