/**
 * A HiSilicon Kunpeng 920 server: two sockets of 64 TSV110 cores, Armv8.2, so that a TLB invalidate names one page.
 * It is probably the machine whose invalidates were published page by page (Zhenyu Ye, 2020, whose mail does not name
 * it); only the times of 1 and of 256 pages are used here. What is not known of it is taken over from the Neoverse N1
 * (neoverse.ts), deviations included.
 *
 * Deviations from the machine, besides those of the N1:
 * - the published slope is taken as the time that one invalidate holds the interconnect, and the rest of the time of
 *   one page as its way to the targets and back. A machine whose cores wait for each invalidate, without holding
 *   others up, would have the same curve, but other figures with several initiators
 */
import { definePlatform } from './define.ts';
import { neoverse } from './neoverse.ts';

const TLBI_CURVE =
  'Zhenyu Ye (Huawei), 504c7588-97e5-e014-fca0-c5511ae0d256@huawei.com, 2020-06-09, arm64 TLBI RANGE RFC';
const C2C = 'github nviennot/core-to-core-latency README';
const WIKICHIP = 'wikichip.org, Kunpeng 920-6426 and TaiShan v110, from memory';
const BATCH = 'Linux commit 43b3dfdd0455: a Kunpeng 920 with 128 CPUs';

export const kunpeng920 = definePlatform({
  ...neoverse,
  name: 'kunpeng920',
  title: 'Arm server, two Kunpeng 920 sockets of 64 cores: no invalidates of ranges',
  clockMHz: 2600,
  maxCpus: 128,
  memoryBytes: 1 << 23,
  l2: { sizeBytes: 1 << 19, ways: 8 },
  mmu: {
    ...neoverse.mmu,
    tlb: {
      ...neoverse.mmu.tlb,
      data: { entries: 32, ways: 32 },
      instruction: { entries: 32, ways: 32 },
      second: { entries: 1024, ways: 4 },
    },
  },
  sockets: {
    cpusEach: 64,
    cacheToCacheCycles: 470,
    memoryCycles: 420,
    upgradeCycles: 400,
    ipiLatencyCycles: 1950,
    broadcastLatencyCycles: 1210,
  },
  costs: {
    ...neoverse.costs,
    l2HitCycles: 10,
    outerHitCycles: 60,
    memoryCycles: 250,
    cacheToCacheCycles: 187,
    upgradeCycles: 140,
    tlbInvalidateAllCycles: 20,
    broadcastLatencyCycles: 1210,
    broadcastOccupancyCycles: 1217,
  },
  sources: {
    ...neoverse.sources,
    clockMHz: `${WIKICHIP}: 2.6 GHz`,
    maxCpus: `${BATCH}`,
    'l1d.sizeBytes': `${WIKICHIP}: 64 KB, 4 ways`,
    'l1i.sizeBytes': `${WIKICHIP}: 64 KB, 4 ways`,
    'outer.sizeBytes': `a part of the 64 MB of a socket (${WIKICHIP}): physical memory is 8 MB here`,
    'l2.sizeBytes': `${WIKICHIP}: 512 KB, 8 ways`,
    'mmu.tlb.data.entries': 'unverified: 32 entries, fully associative, from memory',
    'mmu.tlb.instruction.entries': 'unverified: 32 entries, fully associative, from memory',
    'mmu.tlb.second.entries': 'unverified: 1024 entries, 4 ways, from memory',
    'broadcast.rangeOperations': 'Armv8.2; FEAT_TLBIRANGE came with Armv8.4',
    'sockets.cpusEach': `${BATCH}, in two sockets`,
    'sockets.cacheToCacheCycles': 'estimate: 180 ns, 2.5 times what it is within a socket, as of x86 servers',
    'sockets.memoryCycles': 'estimate: 160 ns',
    'sockets.upgradeCycles': 'estimate: as sockets.cacheToCacheCycles, without the data',
    'sockets.ipiLatencyCycles':
      'derived: 850 ns for a guest IPI to the other socket, against 750 (Nianyao Tang mail, two-socket HiSilicon machine): 100 ns more each, doubled for want of hypervisor-free figures',
    'sockets.broadcastLatencyCycles':
      'estimate: as costs.broadcastLatencyCycles, which was measured on the whole machine, the far socket included',
    'costs.l2HitCycles': 'estimate: 4 ns',
    'costs.outerHitCycles': 'estimate: 23 ns',
    'costs.memoryCycles': 'estimate: 96 ns',
    'costs.cacheToCacheCycles': `72 ns: ${C2C}`,
    'costs.upgradeCycles': 'estimate: a trip to the home node and its snoop, without data',
    'costs.tlbInvalidateAllCycles':
      'as costs.tlbInvalidateCycles: the operation names an ASID where the other names a page',
    'costs.broadcastLatencyCycles': `calibrated on ${TLBI_CURVE}: with issue, target and two barriers there and back make up what a flush of one page takes (1457 ns) besides the page itself`,
    'costs.broadcastOccupancyCycles': `calibrated on ${TLBI_CURVE}: (120826 - 1457) / 255 ns for each further page; the next one is issued meanwhile`,
  },
});
