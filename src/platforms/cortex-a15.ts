/**
 * A Cortex-A15 MPCore with the short descriptors of ARMv7, so that table base and ASID are two registers. What sets
 * it apart from the Cortex-A9 is its cache of intermediate table walks, whose entries carry an ASID: software that
 * runs with a reserved ASID for a moment leaves entries behind under it.
 *
 * Deviations from the machine:
 * - no long descriptors (LPAE): with them a 64-bit TTBR holds base and ASID together, as on neoverse
 * - one data TLB, where the real one has one for loads and one for stores; it keeps sections whole, where the real
 *   one may split them
 * - 1 MB of shared L2, as in Exynos 5250
 * - stage 2 has the entry format of stage 1, as everywhere in flushlab; the real one has long descriptors, whose three
 *   levels it keeps
 * - no security extensions
 */
import { cortexA9 } from './cortex-a9.ts';
import { definePlatform } from './define.ts';
import { noOuterCache } from './unused.ts';

const TRM = 'Cortex-A15 technical reference manual, ARM DDI 0438';
const LATENCY = '7-cpu.com/cpu/Cortex-A15.html (Exynos 5250, 1.7 GHz)';

const NULL_HYPERCALL =
  'derived: half of a null hypercall of 6500 cycles of a KVM that runs partly in the guests’ mode (X-Gene; 6413 on a Cortex-A57; Dall et al., ISCA 2016, as quoted second-hand), for want of one on a Cortex-A15, whose trap alone takes 27 (Dall and Nieh, ASPLOS 2014)';

const { outer: _, costs, ...common } = cortexA9;
const {
  'outer.sizeBytes': __,
  'outer.ways': ___,
  'outer.maintainedBy': ____,
  'costs.outerLineCycles': _____,
  'l1d.replacement': ______,
  'l1i.replacement': _______,
  ...sources
} = cortexA9.sources;

export const cortexA15 = definePlatform({
  ...common,
  name: 'cortex-a15',
  title: 'Cortex-A15 MPCore (ARMv7), intermediate table walks cached by ASID',
  clockMHz: 1700,
  lineBytes: 64,
  l1d: { sizeBytes: 32768, ways: 2, replacement: 'lru', organisation: 'pipt' },
  l1i: { ...cortexA9.l1i, ways: 2, replacement: 'lru', organisation: 'pipt' },
  shared: { sizeBytes: 1 << 20, ways: 16, replacement: 'random' },
  maintenance: { ...cortexA9.maintenance, setWayReachesShared: true },
  mmu: {
    ...cortexA9.mmu,
    tlb: {
      ...cortexA9.mmu.tlb,
      second: { entries: 512, ways: 4 },
    },
    walkCache: { entries: 16, asidTagged: true },
  },
  virtualization: {
    vmidBits: 8,
    stage2Levels: [
      { bits: 2, leaf: true },
      { bits: 9, leaf: true },
      { bits: 9, leaf: true },
    ],
    forcedWriteBack: false,
    ipaCache: { entries: 16 },
    stage2Fences: 'broadcast',
    guestCaching: 'tex-remap',
  },
  costs: {
    ...costs,
    sharedHitCycles: 21,
    outerHitCycles: 0,
    memoryCycles: 208,
    secondTlbHitCycles: 12,
    outerLineCycles: 0,
    guestExitCycles: 3250,
    guestEntryCycles: 3250,
  },
  sources: {
    ...sources,
    ...noOuterCache,
    clockMHz: LATENCY,
    lineBytes: `${LATENCY}: 64 bytes`,
    'l1d.sizeBytes': `${LATENCY}: 32 KB`,
    'l1d.ways': `${LATENCY}: two`,
    'l1d.replacement': `${LATENCY}: LRU`,
    'l1d.organisation': 'unverified: physically indexed, physically tagged, from memory of its manual',
    'l1i.sizeBytes': 'unverified: 32 KB, from memory of its manual',
    'l1i.ways': 'unverified: two, from memory of its manual',
    'l1i.replacement': 'unverified: LRU, from memory of its manual',
    'l1i.organisation': 'unverified: reads as physically indexed in CTR, from memory of its manual',
    'shared.sizeBytes': `${LATENCY}: 1 MB`,
    'shared.ways': `${LATENCY}: 16`,
    'shared.replacement': 'unverified: random, from memory of its manual',
    'maintenance.setWayReachesShared':
      'Linux commit dbee0c6fb4c1: the L2 is integrated and no outer cache, flush_cache_all cleans it as well',
    'mmu.tlb.data.entries': `${TRM}, 5.2.2: two of 32 entries each, fully associative, for loads and for stores`,
    'mmu.tlb.instruction.entries': `${TRM}, 5.2.1: 32, fully associative`,
    'mmu.tlb.second.entries': `${TRM}, 5.1: 512; ${LATENCY}: 512`,
    'mmu.tlb.second.ways': `${TRM}, 5.1: four`,
    'mmu.walkCache.entries': `${LATENCY}: 16, one for each 1 MB of virtual space`,
    'mmu.walkCache.asidTagged': `${TRM}, 5.6: cached entries are associated with an ASID`,
    'mmu.splitContextSwitch': `${sources['mmu.splitContextSwitch']}; with long descriptors (proc-v7-3level.S) it is one 64-bit register`,
    writeBufferEntries: 'as of the Cortex-A9: no document found',
    agents: 'unverified: speculates and prefetches, from memory',
    'costs.l1HitCycles': `${LATENCY}: 4 cycles`,
    'costs.sharedHitCycles': `${LATENCY}: 21 cycles`,
    'costs.memoryCycles': `${LATENCY}: 21 cycles and 110 ns`,
    'virtualization.vmidBits':
      'ARMv7 virtualization extensions: VTTBR.VMID has 8 bits (Linux arch/arm/include/asm/kvm_arm.h, VTTBR_VMID_MASK, from memory)',
    'virtualization.stage2Levels':
      'Linux arch/arm/include/asm/kvm_arm.h: three levels for 40-bit addresses, of which 32-bit ones use 2, 9 and 9; from memory',
    'virtualization.forcedWriteBack': 'FEAT_S2FWB came with Armv8.4',
    'virtualization.ipaCache.entries':
      'unverified: the Cortex-A15 has an IPA cache beside its walk cache, from memory; its size is an estimate',
    'virtualization.stage2Fences':
      'ARMv7 virtualization extensions: TLBIALLNSNHIS and, with the host at VMID 0, the inner shareable forms; from memory',
    'virtualization.guestCaching':
      'ARMv7 with short descriptors: MAIR0 and MAIR1 replace PRRR and NMRR with long ones only (QEMU, "target-arm: Minimal ARM LPAE support", MAIRn); Linux arch/arm/mm/proc-v7-2level.S sets up TEX remap, from memory',
    'costs.guestExitCycles': NULL_HYPERCALL,
    'costs.guestEntryCycles': NULL_HYPERCALL,
    'costs.secondTlbHitCycles': `${LATENCY}: 12 cycles`,
    'costs.walkStepCycles': `${LATENCY}: a miss of the second level costs 10 to 30 cycles, perhaps by where its tables are; taken over from the Cortex-A9`,
  },
});
