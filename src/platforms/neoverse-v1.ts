/**
 * An Arm server with Neoverse V1 cores on a CMN mesh, in the class of Graviton3: an Armv8.4 core, so that one TLB
 * invalidate can name a range (FEAT_TLBIRANGE), and a hypervisor can make everything that a guest does cacheable
 * (FEAT_S2FWB). What is not known of it is taken over from the Neoverse N1 (neoverse.ts), deviations included.
 *
 * Deviations from the machine, besides those of the N1:
 * - an invalidate of a range holds the interconnect as long as one of a page: on the only machine whose curve was
 *   published it does, an FPGA prototype with a slow clock
 */
import { definePlatform } from './define.ts';
import { neoverse } from './neoverse.ts';

const GRAVITON3 = 'wikichip.org, AWS Graviton3';
const WIKICHIP = 'wikichip.org, Neoverse V1';
const TRM = 'Neoverse V1 technical reference manual, ARM 101427';
const RANGES =
  'Zhenyu Ye (Huawei), 504c7588-97e5-e014-fca0-c5511ae0d256@huawei.com, 2020-06-09, arm64 TLBI RANGE RFC: on an FPGA with range invalidates the time does not depend on the number of pages';

export const neoverseV1 = definePlatform({
  ...neoverse,
  name: 'neoverse-v1',
  title: 'Arm server, Neoverse V1 class (Armv8.4): invalidates of ranges',
  clockMHz: 2600,
  mmu: {
    ...neoverse.mmu,
    tlb: {
      ...neoverse.mmu.tlb,
      data: { entries: 40, ways: 40 },
      second: { entries: 2048, ways: 4 },
    },
  },
  virtualization: {
    vmidBits: 14,
    stage2Levels: [
      { bits: 2, leaf: true },
      { bits: 9, leaf: true },
      { bits: 9, leaf: true },
    ],
    forcedWriteBack: true,
    ipaCache: { entries: 64 },
    stage2Fences: 'broadcast',
  },
  broadcast: { scope: 'all', rangeOperations: true, queueEntries: 8, serialized: false },
  costs: { ...neoverse.costs, memoryCycles: 305, cacheToCacheCycles: 120 },
  sources: {
    ...neoverse.sources,
    clockMHz: `${GRAVITON3}: 2.6 GHz`,
    maxCpus: `${GRAVITON3}: 64 cores`,
    'l1d.sizeBytes': `${GRAVITON3}: 64 KB; ways as of the N1`,
    'l1d.organisation': 'as of the N1: virtually indexed, behaves as physically indexed',
    'l1i.sizeBytes': `${GRAVITON3}: 64 KB; ways as of the N1`,
    'l1i.snooped': `unverified: CTR_EL0.DIC is 1, from memory of ${TRM}`,
    'l2.sizeBytes': `${GRAVITON3}: 1 MB; ways as of the N1`,
    'outer.sizeBytes': `${GRAVITON3}: 32 MB, 4 MB here as for the N1`,
    'mmu.tlb.data.entries': `unverified: 40 entries, fully associative, from memory of ${TRM}`,
    'mmu.tlb.instruction.entries': `unverified: 48 entries, fully associative, from memory of ${TRM}`,
    'mmu.tlb.second.entries': `unverified: 2048 entries, 4 ways, from memory of ${TRM}`,
    'broadcast.rangeOperations': `${WIKICHIP}: ARMv8.4; QEMU commit 84940ed82552: FEAT_TLBIRANGE is mandatory there`,
    'virtualization.vmidBits':
      'unverified for V1: FEAT_VMID16 of Armv8.1 has 16; flushlab keeps 14 at most (machine/tlb-tag.ts)',
    'virtualization.forcedWriteBack': `${WIKICHIP}: ARMv8.4, of which FEAT_S2FWB is a mandatory part; from memory`,
    'virtualization.ipaCache.entries': 'estimate: as of the N1',
    'costs.memoryCycles': 'unverified: some 118 ns on a Graviton3, from memory of chipsandcheese.com',
    'costs.cacheToCacheCycles': '46 ns on Graviton3: github nviennot/core-to-core-latency README',
    'costs.broadcastOccupancyCycles': `${neoverse.sources['costs.broadcastOccupancyCycles']}; ${RANGES}`,
  },
});
