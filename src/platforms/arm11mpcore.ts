/**
 * An ARM11 MPCore: up to four ARMv6 cores whose data caches a snoop control unit keeps coherent, and nothing
 * else. Maintenance of caches and TLBs reaches only the core that does it, so the kernel calls the others.
 * That DMA can do without calls is owed to two facts: a read or write first brings the line to the core that
 * will maintain it, and no core loads data that no program asked for.
 *
 * Deviations from the machine:
 * - the data caches are virtually indexed or behave so; here they are indexed physically, which no program
 *   can tell
 * - dirty lines do not migrate: one that another core reads is written back (MESI)
 * - the L220 cache that boards put behind the cores is left out
 * - the main TLB's lockable array of 8 entries is left out
 */
import { arm1136 } from './arm1136.ts';
import { definePlatform } from './define.ts';

const STALLINGS = 'Stallings, Computer Organization and Architecture, 18.5 (ARM11 MPCore)';
const KCONFIG = 'Linux arch/arm/mm/Kconfig, DMA_CACHE_RWFO';
const SMP_PLAT = 'Linux arch/arm/include/asm/smp_plat.h';
const PROC_V6 = 'Linux arch/arm/mm/proc-v6.S';

const { aliasPolicy: _, ...l1d } = arm1136.l1d;
const { 'l1d.aliasPolicy': __, ...sources } = arm1136.sources;

export const arm11mpcore = definePlatform({
  ...arm1136,
  name: 'arm11mpcore',
  title: 'ARM11 MPCore (ARMv6), snooped data caches, maintenance is local',
  clockMHz: 300,
  maxCpus: 4,
  coherence: 'mesi',
  l1d: { ...l1d, organisation: 'pipt', allocate: 'read-write' },
  maintenance: { byAddress: 'local', icache: 'local', setWayReachesShared: false, unmapped: 'fault' },
  shootdown: 'cross-call',
  crossCallsSerialized: false,
  // No 'prefetch': see the sources.
  agents: ['drain', 'evict', 'walk', 'ipi'],
  costs: {
    ...arm1136.costs,
    memoryCycles: 45,
    cacheToCacheCycles: 20,
    upgradeCycles: 12,
    busOccupancyCycles: 6,
    ipiSendCycles: 20,
    ipiLatencyCycles: 60,
  },
  sources: {
    ...sources,
    clockMHz: 'estimate: test chips and products ran at some 200 to 600 MHz',
    maxCpus: `${STALLINGS}: 1 to 4`,
    coherence: `${STALLINGS}: the scheme is based on MESI, with duplicated tags and lines that migrate`,
    'l1d.sizeBytes': `${STALLINGS}: 16, 32 or 64 KB, 32 by default`,
    'l1d.organisation':
      'unverified: not aliasing, so that Linux arch/arm/kernel/setup.c finds bit 23 of its cache type register clear; from memory, the manual (ARM DDI 0360) was not found',
    'l1d.allocate': `unverified: Linux maps memory of SMP kernels write-allocate, from memory of ${PROC_V6} (TTB_RGN_WBWA)`,
    'l1i.sizeBytes': `${STALLINGS}: 16, 32 or 64 KB, 32 by default`,
    'maintenance.byAddress': `${KCONFIG}: the snoop control unit does not detect cache maintenance operations; ${SMP_PLAT}: cache_ops_need_broadcast() where ID_MMFR3[15:12] is 0`,
    'maintenance.icache': `${SMP_PLAT}: cache_ops_need_broadcast()`,
    'dma.snooped': `${KCONFIG}: stale lines in other CPUs after a transfer are why that option exists`,
    'mmu.walkerReads': `${PROC_V6}: entries are cleaned on every ARMv6, this one included; that its walks do not read the L1D is said of the ARM1136 (ARM DDI 0211H, 6.11), unverified here`,
    shootdown: `${SMP_PLAT}: tlb_ops_need_broadcast() where ID_MMFR3[15:12] is below 2, then by interrupts`,
    crossCallsSerialized: 'Linux smp_call_function: no global lock, from memory',
    agents: `no 'prefetch': ${KCONFIG}: the option is for this processor and sound only if there are no speculative loads into the data cache; 'walk': no document rules it out`,
    'costs.memoryCycles': 'unverified: estimate of 40-60 cycles for a miss at 400-700 MHz; here 150 ns',
    'costs.cacheToCacheCycles': 'estimate: between cores without memory, the size of a short AHB transfer',
    'costs.upgradeCycles': 'estimate: a look into the duplicated tags and an invalidate',
    'costs.busOccupancyCycles': 'estimate: a line of four beats through the snoop control unit',
    'costs.maintenanceBroadcastCycles': 'not used: maintenance is local',
    'costs.broadcastLatencyCycles': 'not used: no broadcast',
    'costs.broadcastOccupancyCycles': 'not used: no broadcast',
    'costs.broadcastTargetCycles': 'not used: no broadcast',
    'costs.ipiSendCycles': 'estimate: one write to the distributed interrupt controller',
    'costs.ipiLatencyCycles': 'estimate: some 200 ns through the interrupt controller beside the cores',
  },
});
