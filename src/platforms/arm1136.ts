/**
 * An ARM1136JF-S with 32 KB caches: virtual index, physical tags, and ways of two pages. A page under two
 * addresses of different colour is two copies; Linux has shared mappings agree in colour and flushes the
 * kernel's own address.
 *
 * Deviations from the machine:
 * - the main TLB's lockable array of 8 entries is left out
 * - no tightly coupled memory and no level-two cache, which chips may add
 * - erratum 411920 (an invalidate of the whole instruction cache can fail) is left out
 */
import { definePlatform } from './define.ts';
import { freeForOneCpu, noOuterCache, noPrivateL2, noSharedL2, oneCpu } from './unused.ts';

const TRM_1176 =
  'ARM1176JZF-S technical reference manual, ARM DDI 0301H, whose memory system is taken for this one too';
const TRM = 'ARM1136JF-S technical reference manual, ARM DDI 0211H';
const CACHE_V6 = 'Linux arch/arm/mm/cache-v6.S';
const PROC_V6 = 'Linux arch/arm/mm/proc-v6.S';
const LATENCY = 'unverified: estimate of 40-60 cycles for a miss at 400-700 MHz';

export const arm1136 = definePlatform({
  name: 'arm1136',
  title: 'ARM1136JF-S (ARMv6), virtually indexed caches of two colours',
  clockMHz: 532,
  maxCpus: 1,
  memoryBytes: 1 << 22,
  lineBytes: 32,
  coherence: 'none',
  l1d: {
    sizeBytes: 32768,
    ways: 4,
    replacement: 'round-robin',
    organisation: 'vipt',
    aliasPolicy: 'colour',
    write: 'write-back',
    allocate: 'read',
  },
  l1i: {
    sizeBytes: 32768,
    ways: 4,
    replacement: 'round-robin',
    organisation: 'vipt',
    snooped: false,
    fillsFrom: 'unification',
    fetchAhead: true,
  },
  maintenance: { byAddress: 'local', icache: 'local', setWayReachesShared: false, unmapped: 'fault' },
  dma: { snooped: false, iommu: false },
  mmu: {
    levels: [
      { bits: 12, leaf: true },
      { bits: 8, leaf: true },
    ],
    entryBytes: 4,
    refill: 'hardware',
    walkerReads: 'memory',
    accessedDirty: 'software',
    tlb: {
      data: { entries: 10, ways: 10 },
      instruction: { entries: 10, ways: 10 },
      second: { entries: 64, ways: 2 },
      asidBits: 8,
      multipleMatch: 'first',
    },
    pageTables: 'clean',
    splitContextSwitch: true,
    kernelMappings: 'global',
  },
  shootdown: 'cross-call',
  flushAllAbovePages: 1 << 20,
  writeBufferEntries: 4,
  agents: ['drain', 'evict', 'prefetch', 'walk'],
  costs: {
    ...freeForOneCpu,
    l1HitCycles: 3,
    l2HitCycles: 0,
    sharedHitCycles: 0,
    outerHitCycles: 0,
    memoryCycles: 50,
    busOccupancyCycles: 20,
    uncachedCycles: 60,
    atomicCycles: 10,
    drainDelayCycles: 50,
    secondTlbHitCycles: 4,
    walkStepCycles: 2,
    maintenanceLineCycles: 4,
    setWayLineCycles: 3,
    tlbInvalidateCycles: 4,
    tlbInvalidateAllCycles: 4,
    dmbCycles: 4,
    dsbCycles: 8,
    isbCycles: 8,
    contextSwitchCycles: 12,
    interruptEntryCycles: 150,
    interruptExitCycles: 80,
    faultEntryCycles: 150,
    faultExitCycles: 80,
    instructionCycles: 1,
  },
  sources: {
    clockMHz: 'unverified: the i.MX31 runs this core at 532 MHz, from memory',
    maxCpus: 'no coherence between cores of this kind',
    lineBytes: `${CACHE_V6}: lines of 32 bytes`,
    'l1d.sizeBytes': `${TRM}, 6.11.3: caches of more than 16 KB need page colouring; 32 KB is the least that shows it`,
    'l1d.ways': 'pytorch cpuinfo src/arm/cache.c on ARM11: 4 ways',
    'l1d.replacement': `${TRM_1176}: pseudo-random or round-robin`,
    'l1d.organisation': `${TRM}, 6.11.3: virtually indexed, physically addressed; Linux arch/arm/kernel/setup.c takes bit 23 of the cache type register for aliasing`,
    'l1d.aliasPolicy': `${TRM}, 6.11.3: aliases must agree in VA[13:12]; Linux arch/arm/include/asm/shmparam.h: shared mappings lie at multiples of four pages`,
    'l1d.allocate': `${TRM_1176}: only read allocation`,
    'l1i.sizeBytes': 'as l1d.sizeBytes',
    'l1i.ways': 'as l1d.ways',
    'l1i.organisation': `${TRM}, 6.11.3: as the data cache, with bit 11 of the cache type register`,
    'l1i.snooped': `${CACHE_V6}: coherent_kern_range cleans data lines and invalidates the instruction cache`,
    'l1i.fillsFrom': 'as l1i.snooped',
    'l1i.fetchAhead':
      'unverified: ARMv6 asks for a flush of the prefetch buffer after code was written, from memory',
    'maintenance.unmapped': `${TRM_1176}, 3-73: an operation by address can miss in the TLB and walk; ${CACHE_V6}: coherent_user_range expects a fault where nothing is mapped`,
    'dma.snooped': `${CACHE_V6}: dma_map_area and dma_unmap_area do the work in software`,
    'dma.iommu': 'unverified: none in chips of the time, from memory',
    'mmu.levels': `${TRM}, 6.11: sections of 1 MB, second-level tables of 256 entries`,
    'mmu.refill': 'as mmu.walkerReads: the hardware walks the tables',
    'mmu.walkerReads': `${TRM}, 6.11: table walks do not read the level one data cache; ${PROC_V6}: set_pte cleans the line of an entry`,
    'mmu.accessedDirty': `${PROC_V6}: set_pte gives a page that is not young no permissions, and a clean one none to write`,
    'mmu.tlb.data.entries': 'unverified: 10 entries, from memory',
    'mmu.tlb.instruction.entries': 'unverified: 10 entries, from memory',
    'mmu.tlb.second.entries': `${TRM_1176}, 6.2.2: 64 entries, two ways`,
    'mmu.tlb.second.ways': `${TRM_1176}, 6.2.2: two`,
    'mmu.tlb.asidBits':
      'ARMv6: an ASID is the low 8 bits of the context ID register (Linux arch/arm/mm/context.c, from memory)',
    'mmu.tlb.multipleMatch': 'unverified: no document found',
    'mmu.pageTables': 'as mmu.walkerReads',
    'mmu.splitContextSwitch': `${PROC_V6}: switch_mm writes TTBR0, then the context ID register`,
    'mmu.kernelMappings':
      'Linux arch/arm/include/asm/pgtable-2level.h: only user pages have the not-global bit, from memory',
    flushAllAbovePages:
      'Linux arch/arm/mm/tlb-v6.S invalidates a range page by page, whatever its length; from memory',
    writeBufferEntries: 'estimate: no document found',
    agents: `'prefetch': ${CACHE_V6}, dma_unmap_area invalidates again after a transfer, so lines may come back meanwhile`,
    ...noPrivateL2,
    ...noSharedL2,
    ...noOuterCache,
    ...oneCpu,
    'costs.l1HitCycles': 'unverified: 3 cycles from load to use, from memory',
    'costs.memoryCycles': LATENCY,
    'costs.busOccupancyCycles': 'estimate: four beats of 64 bits at a fifth of the clock',
    'costs.uncachedCycles': 'estimate: as costs.memoryCycles and a little, a device answers later',
    'costs.atomicCycles': 'estimate: load and store exclusive that hit',
    'costs.drainDelayCycles': 'estimate: one memory access',
    'costs.secondTlbHitCycles': `${TRM_1176}, 6.2.2: a variable number of cycles; the figure is an estimate`,
    'costs.walkStepCycles': 'unverified: two reads of memory, 80-120 cycles, are all that a walk takes',
    'costs.maintenanceLineCycles': 'estimate: a register write and a tag access',
    'costs.setWayLineCycles': 'estimate: a block operation needs no register write for each line',
    'costs.tlbInvalidateCycles': 'estimate: a register write',
    'costs.tlbInvalidateAllCycles': 'estimate: a register write',
    'costs.dmbCycles': 'estimate: nothing outstanding',
    'costs.dsbCycles': 'estimate: drain of an empty write buffer',
    'costs.isbCycles': 'estimate: refill of the pipeline of eight stages',
    'costs.contextSwitchCycles': 'estimate: two register writes and a flush of the branch predictor',
    'costs.interruptEntryCycles': 'estimate: saving registers and finding the source',
    'costs.interruptExitCycles': 'estimate: restoring registers',
    'costs.faultEntryCycles': 'estimate: as costs.interruptEntryCycles',
    'costs.faultExitCycles': 'estimate: as costs.interruptExitCycles',
    'costs.instructionCycles': 'definition: one unit of work is one cycle',
  },
});
