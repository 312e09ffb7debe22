/**
 * An Arm server with Neoverse N1 cores on a CMN-600 mesh, in the class of Graviton2. Caches, walker and
 * instruction fetch are coherent (CTR_EL0.IDC and DIC are 1), and TLB invalidates are broadcast to the
 * inner shareable domain; N1 is an Armv8.2 core and has no range invalidates (FEAT_TLBIRANGE is Armv8.4).
 *
 * Deviations from the machine:
 * - virtual addresses of 32 bits: the levels resolve 0, 2, 9 and 9 bits, so each walk still reads four
 *   tables, but the first two are small
 * - the L1 caches are indexed virtually but behave as if indexed physically; here they are
 * - DIC = 1 needs a revision without erratum 1542419; Linux hides it on the others
 * - 4 MB of system cache where Graviton2 has 32: physical memory is 4 MB here, so nothing is ever evicted
 *   from either
 * - VMIDs of 14 bits where N1 has 16, and a stage 2 of three levels, as KVM has for 40-bit addresses, whose root
 *   resolves 2 bits of 32-bit ones
 * - the invalidates are as slow as on the machine whose curve was published, probably a Kunpeng 920 with
 *   two sockets; nothing comparable is known of N1. The published slope is taken as the time that one
 *   invalidate holds the interconnect, and the constant as its way to the targets and back
 */
import { definePlatform } from './define.ts';

const TLBI_CURVE =
  'Zhenyu Ye (Huawei), 504c7588-97e5-e014-fca0-c5511ae0d256@huawei.com, 2020-06-09, arm64 TLBI RANGE RFC';
const ANANDTECH = 'AnandTech, Amazon Graviton2 review, 2020 (anandtech.com/show/15578)';
const WIKICHIP = 'wikichip.org, Neoverse N1';
const A76 = 'Cortex-A76 technical reference manual, N1 being nearly the same core';
const KVM_GIC =
  'Nianyao Tang mail: 750 ns for a guest IPI injected by GICv4.1 hardware on a two-socket HiSilicon machine';

const NULL_HYPERCALL =
  'derived: half of a null hypercall of 752 cycles on a KVM that runs in EL2 (VHE; Dall et al., USENIX ATC 2017, as quoted second-hand), though on an older core; the trap itself is 68-76 and ERET 65 cycles of it (X-Gene, NEVE, SOSP 2017)';

export const neoverse = definePlatform({
  name: 'neoverse',
  title: 'Arm server, Neoverse N1 class',
  clockMHz: 2500,
  maxCpus: 64,
  memoryBytes: 1 << 22,
  lineBytes: 64,
  coherence: 'mesi',
  l1d: { sizeBytes: 65536, ways: 4, organisation: 'pipt' },
  l1i: {
    sizeBytes: 65536,
    ways: 4,
    organisation: 'pipt',
    snooped: true,
    fillsFrom: 'data-caches',
    fetchAhead: true,
  },
  l2: { sizeBytes: 1 << 20, ways: 8 },
  outer: { sizeBytes: 4 << 20, ways: 16, maintainedBy: 'address' },
  maintenance: { byAddress: 'broadcast', icache: 'broadcast', setWayReachesShared: false },
  dma: { snooped: true, iommu: true },
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
      data: { entries: 48, ways: 48 },
      instruction: { entries: 48, ways: 48 },
      second: { entries: 1280, ways: 5 },
      asidBits: 16,
      multipleMatch: 'abort',
      commonNotPrivate: true,
    },
    walkCache: { entries: 64, asidTagged: true },
    pageTables: 'cached',
    // A 64-bit TTBR holds table base and ASID together.
    splitContextSwitch: false,
    kernelMappings: 'global',
  },
  virtualization: {
    vmidBits: 14,
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
  broadcast: { scope: 'all', rangeOperations: false, queueEntries: 8, serialized: false },
  flushAllAbovePages: 511,
  writeBufferEntries: 32,
  agents: ['drain', 'evict', 'prefetch', 'walk', 'broadcast', 'ipi'],
  costs: {
    l1HitCycles: 4,
    l2HitCycles: 11,
    sharedHitCycles: 0,
    outerHitCycles: 80,
    memoryCycles: 205,
    cacheToCacheCycles: 118,
    upgradeCycles: 90,
    busOccupancyCycles: 2,
    uncachedCycles: 400,
    atomicCycles: 10,
    drainDelayCycles: 30,
    secondTlbHitCycles: 7,
    walkStepCycles: 6,
    maintenanceLineCycles: 10,
    setWayLineCycles: 4,
    maintenanceBroadcastCycles: 80,
    tlbInvalidateCycles: 20,
    tlbInvalidateAllCycles: 148,
    broadcastLatencyCycles: 1110,
    broadcastOccupancyCycles: 1170,
    broadcastTargetCycles: 40,
    dmbCycles: 10,
    dsbCycles: 60,
    isbCycles: 30,
    contextSwitchCycles: 40,
    ipiSendCycles: 150,
    ipiLatencyCycles: 1475,
    interruptEntryCycles: 250,
    interruptExitCycles: 150,
    faultEntryCycles: 250,
    faultExitCycles: 150,
    instructionCycles: 1,
    guestExitCycles: 376,
    guestEntryCycles: 376,
  },
  sources: {
    clockMHz: `${ANANDTECH}: 2.5 GHz`,
    maxCpus: `${ANANDTECH}: 64 cores in a Graviton2`,
    coherence:
      'unverified: MESI between the private caches, from memory; dirty lines may stay dirty when shared',
    'l1d.organisation': `${A76}: virtually indexed, physically tagged, behaves as physically indexed`,
    'l1d.sizeBytes': `${WIKICHIP}: 64 KB, 4 ways, lines of 64 bytes`,
    'l1i.sizeBytes': `${WIKICHIP}: 64 KB, 4 ways, lines of 64 bytes`,
    'l1i.snooped':
      'Linux commit ee9d90be9ddace01: systems affected by Neoverse-N1 #1542419 support DIC; OpenJDK pull request 28328: fixed in r4p1',
    'l1i.organisation': 'see the deviations above',
    'l1i.fillsFrom':
      'CTR_EL0.IDC is 1: new code needs no clean to the point of unification, from memory of the N1 manual',
    'l1i.fetchAhead':
      'Arm architecture: after new code each CPU needs a context synchronization (ISB) of its own, whatever DIC says; from memory',
    'l2.sizeBytes': `${WIKICHIP}: 512 KB or 1 MB, 8 ways; ${ANANDTECH}: 1 MB`,
    'outer.sizeBytes': `${WIKICHIP}: 16 ways; ${ANANDTECH}: 32 MB, see the deviations above`,
    'outer.maintainedBy':
      'Linux Documentation/arch/arm64/booting.rst: system caches that heed the operations by address may stay on, those that do not must be off; that CMN-600 heeds them is unverified',
    'dma.snooped': 'unverified: Arm asks servers for I/O coherent PCIe (SBSA), from memory',
    'dma.iommu': 'unverified: an SMMU in front of devices, from memory',
    'mmu.refill': 'Arm architecture: the hardware walks the tables, from memory',
    'mmu.walkerReads':
      'Linux arch/arm64/mm/proc.S: walks are write-back cacheable and shareable (TCR_EL1), from memory',
    'mmu.tlb.data.entries': `Intel Agilex 5 manual 814346, Cortex-A76: 48 entries, fully associative; N1 being nearly the same core`,
    'mmu.tlb.instruction.entries': 'as mmu.tlb.data.entries',
    'mmu.tlb.second.entries': 'the same manual: 1280 entries, 5 ways',
    'mmu.tlb.commonNotPrivate':
      'unverified for N1: FEAT_TTCNP came with Armv8.2; whether its cores share entries is not known',
    'mmu.accessedDirty': `unverified for N1: updates of access flag and dirty state are an Armv8.1 feature, reported in ID_AA64MMFR1_EL1.HAFDBS (${A76})`,
    'mmu.walkCache.entries': 'estimate: 64 entries in the Cortex-A55 (same manual), none given for N1',
    'mmu.kernelMappings':
      'Linux arch/arm64 leaves the not-global bit off for the kernel, kernel page-table isolation aside; from memory',
    'broadcast.serialized': 'Linux arch/arm64/include/asm/tlbflush.h: no lock, from memory',
    'broadcast.rangeOperations': 'N1 is Armv8.2, FEAT_TLBIRANGE came with Armv8.4',
    'broadcast.queueEntries': 'estimate: no document found',
    flushAllAbovePages: `Linux arch/arm64/include/asm/tlbflush.h flushes the ASID from PTRS_PER_PTE = 512 pages on; the curve of ${TLBI_CURVE} drops at 512`,
    agents: `unverified: prefetches and walks on its own account, from memory of ${A76}`,
    writeBufferEntries: 'estimate: no document found',
    'costs.l1HitCycles': `${ANANDTECH}: 4 cycles`,
    'costs.l2HitCycles': `${ANANDTECH}: 11 cycles`,
    'costs.sharedHitCycles': 'not used: no shared L2',
    'costs.outerHitCycles': 'unverified: 75-90 cycles on Graviton2, Arm N1 TRM / AnandTech 2020',
    'costs.memoryCycles': `${ANANDTECH}: 81 ns measured, 83 ns published by Arm`,
    'costs.cacheToCacheCycles': '47 ns on Graviton2: github nviennot/core-to-core-latency README',
    'costs.upgradeCycles': 'estimate: a trip to the home node and its snoop, without data',
    'costs.busOccupancyCycles': 'estimate: a mesh takes many transactions at once',
    'costs.uncachedCycles': 'estimate: a register of a device behind the mesh, some 160 ns',
    'costs.atomicCycles': 'estimate: a near atomic on an owned line',
    'costs.drainDelayCycles': 'estimate: weakly ordered stores may linger',
    'costs.secondTlbHitCycles':
      'estimate: 7 cycles on Cortex-A9, 12 on Cortex-A15 (7-cpu.com), none known for N1',
    'costs.walkStepCycles': 'estimate: the walker adds little to each table read',
    'costs.maintenanceLineCycles': 'estimate: a tag access of the L1 and the L2',
    'costs.setWayLineCycles':
      'derived: 3.6-6.3 cycles a line on a Cortex-A53 (TF-A docs/perf/psci-performance-juno.rst), taken over for want of a figure for N1',
    'costs.maintenanceBroadcastCycles': 'estimate: a trip to the home node, as the system cache',
    'costs.tlbInvalidateCycles':
      'estimate: issue is cheap, 95% of ptep_clear_flush is the final DSB (Barry Song / Yicong Yang, commit 43b3dfdd0455)',
    'costs.tlbInvalidateAllCycles': `calibrated on ${TLBI_CURVE}: a flush of the ASID takes 1508 ns, 51 more than of one page`,
    'costs.broadcastLatencyCycles': `calibrated on ${TLBI_CURVE}: there and back, with issue, target and two barriers, this is the constant of 961 ns`,
    'costs.broadcastOccupancyCycles': `calibrated on ${TLBI_CURVE}: 468 ns for each further page`,
    'costs.broadcastTargetCycles': 'estimate: a search of the TLBs, part of the calibrated sum',
    'costs.dmbCycles': 'estimate: nothing outstanding',
    'costs.dsbCycles': 'estimate: nothing outstanding; it must still ask the interconnect',
    'costs.isbCycles': 'estimate: refill of the pipeline',
    'costs.contextSwitchCycles': 'estimate: a write of TTBR0_EL1 and an ISB',
    'costs.ipiSendCycles': `estimate: a write of ICC_SGI1R_EL1, part of the time in ${KVM_GIC}`,
    'costs.ipiLatencyCycles': `calibrated on ${KVM_GIC}`,
    'costs.interruptEntryCycles': `estimate: part of the time in ${KVM_GIC}`,
    'costs.interruptExitCycles':
      'estimate: restoring registers and ERET; X-Gene needs 65 cycles for the ERET alone (NEVE, SOSP 2017)',
    'costs.faultEntryCycles':
      'estimate: 68-76 cycles of hardware on X-Gene (NEVE, SOSP 2017), and saving registers',
    'costs.faultExitCycles': 'estimate: as costs.interruptExitCycles',
    'costs.instructionCycles': 'definition: one unit of work is one cycle',
    'virtualization.vmidBits':
      'unverified for N1: FEAT_VMID16 of Armv8.1 has 16; flushlab keeps 14 at most (machine/tlb-tag.ts)',
    'virtualization.stage2Levels':
      'Linux arch/arm64/include/asm/stage2_pgtable.h: 40-bit addresses need three levels with concatenated roots; from memory',
    'virtualization.forcedWriteBack': `FEAT_S2FWB came with Armv8.4, N1 is Armv8.2 (${WIKICHIP})`,
    'virtualization.ipaCache.entries':
      'estimate: Arm allows stage 2 to be cached by itself and gives it invalidates of its own (IPAS2E1); no size known for N1',
    'virtualization.guestCaching':
      'Arm architecture: AArch64 has long descriptors only, whose AttrIndx names a field of MAIR_EL1; from memory',
    'virtualization.stage2Fences':
      'Arm architecture: IPAS2E1IS, VMALLS12E1IS and ALLE1IS reach the inner shareable domain; Linux arch/arm64/kvm/hyp/vhe/tlb.c, from memory',
    'costs.guestExitCycles': NULL_HYPERCALL,
    'costs.guestEntryCycles': NULL_HYPERCALL,
  },
});
