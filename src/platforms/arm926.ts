/**
 * An ARM926EJ-S, the last of the Arm cores with virtual caches: lines are found by virtual address alone, and
 * neither they nor TLB entries say whose address space they are of. A context switch flushes it all, and one
 * page under two addresses is two copies.
 *
 * Deviations from the machine:
 * - no fast context switch extension (FCSE), which gives 32 processes of 32 MB each addresses of their own;
 *   Linux does not use it either
 * - a line has one dirty bit, not one for each half
 * - no lockdown TLB of 8 entries beside the main one
 * - pages of 4 KB and sections of 1 MB only, no subpages
 * - set/way operations stand for the loop of test, clean and invalidate
 */
import { definePlatform } from './define.ts';
import { freeForOneCpu, noOuterCache, noPrivateL2, noSecondTlb, noSharedL2, oneCpu } from './unused.ts';

const TRM = 'ARM926EJ-S technical reference manual, ARM DDI 0198D';
const PROC = 'Linux arch/arm/mm/proc-arm926.S';
const SPEAR = 'STMicroelectronics RM0082 (SPEAr300), 7.3';

export const arm926 = definePlatform({
  name: 'arm926',
  title: 'ARM926EJ-S (ARMv5), virtual caches without ASIDs',
  clockMHz: 200,
  maxCpus: 1,
  memoryBytes: 1 << 22,
  lineBytes: 32,
  coherence: 'none',
  l1d: {
    sizeBytes: 16384,
    ways: 4,
    replacement: 'round-robin',
    organisation: 'vivt',
    aliasPolicy: 'flush',
    write: 'write-back',
    allocate: 'read',
  },
  l1i: {
    sizeBytes: 16384,
    ways: 4,
    replacement: 'round-robin',
    organisation: 'vivt',
    snooped: false,
    fillsFrom: 'unification',
    fetchAhead: true,
  },
  maintenance: { byAddress: 'local', icache: 'local', setWayReachesShared: false, unmapped: 'tags' },
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
    tlb: { data: { entries: 64, ways: 2 }, asidBits: 0, multipleMatch: 'first' },
    pageTables: 'clean',
    splitContextSwitch: false,
    kernelMappings: 'global',
  },
  shootdown: 'cross-call',
  flushAllAbovePages: 1 << 20,
  writeBufferEntries: 4,
  // No 'prefetch': the core executes in order, and a preload instruction does nothing.
  agents: ['drain', 'evict', 'walk'],
  costs: {
    ...freeForOneCpu,
    l1HitCycles: 1,
    l2HitCycles: 0,
    sharedHitCycles: 0,
    outerHitCycles: 0,
    memoryCycles: 30,
    busOccupancyCycles: 16,
    uncachedCycles: 24,
    atomicCycles: 24,
    drainDelayCycles: 30,
    secondTlbHitCycles: 0,
    walkStepCycles: 2,
    maintenanceLineCycles: 2,
    setWayLineCycles: 2,
    tlbInvalidateCycles: 2,
    tlbInvalidateAllCycles: 2,
    dmbCycles: 2,
    dsbCycles: 4,
    isbCycles: 5,
    contextSwitchCycles: 4,
    interruptEntryCycles: 100,
    interruptExitCycles: 60,
    faultEntryCycles: 100,
    faultExitCycles: 60,
    instructionCycles: 1,
  },
  sources: {
    clockMHz: 'estimate: chips with this core were sold at some 180 to 450 MHz',
    maxCpus: 'no coherence between cores of this kind',
    lineBytes: `${TRM}, 4.1: eight words`,
    'l1d.sizeBytes': `${TRM}, 4.1: 4 to 128 KB; ${SPEAR}: 16 KB of each kind`,
    'l1d.ways': `${TRM}, 4.1: four`,
    'l1d.replacement': `${TRM}, 4.1: pseudo-random or round-robin, as a control bit says`,
    'l1d.organisation': `${TRM}, 4.1: virtual index and virtual tag`,
    'l1d.aliasPolicy':
      'Linux arch/arm/mm/fault-armv.c and flush.c, from memory: shared mappings are made uncached or flushed, flush_dcache_page flushes the kernel’s address',
    'l1d.write': `${TRM}, 4.1: write-through or write-back by page`,
    'l1d.allocate': `${TRM}, 4.1: on a read miss`,
    'l1i.sizeBytes': `${SPEAR}: 16 KB`,
    'l1i.ways': `${TRM}, 4.1: four`,
    'l1i.organisation': `${TRM}, 4.1: virtual index and virtual tag`,
    'l1i.snooped': `${PROC}: coherent_kern_range cleans data lines and invalidates instruction lines`,
    'l1i.fillsFrom': 'as l1i.snooped',
    'l1i.fetchAhead':
      'unverified: Arm asks for an instruction memory barrier after code was written, from memory',
    'maintenance.unmapped': `derived from ${TRM}, 4.1: lines are looked up by modified virtual address and carry their physical address for the write-back, so the MMU has no part in it`,
    'dma.snooped': `${PROC}: dma_inv_range, dma_clean_range and dma_flush_range do their work in software`,
    'dma.iommu': 'unverified: none in chips of the time, from memory',
    'mmu.levels': `${SPEAR}: sections of 1 MB and pages of 4 KB; 256 entries in a second-level table: ARM DDI 0211H, 6.11, on the ARM1136’s compatible format`,
    'mmu.refill': `${SPEAR}: hardware page table walks`,
    'mmu.walkerReads': `${PROC}: set_pte cleans the line of an entry and drains the write buffer`,
    'mmu.accessedDirty': `${PROC}: set_pte writes no valid hardware entry for a page that is not young, and no writable one for a clean page`,
    'mmu.tlb.data.entries': `${SPEAR}: 2 ways of 32 entries, for instructions and data`,
    'mmu.tlb.data.ways': `${SPEAR}: two`,
    'mmu.tlb.asidBits': `${PROC}: switch_mm invalidates both TLBs, and cleans and invalidates the caches`,
    'mmu.tlb.multipleMatch': 'unverified: no document found',
    'mmu.pageTables': 'as mmu.walkerReads',
    'mmu.kernelMappings': 'no ASIDs: every translation is global',
    flushAllAbovePages:
      'Linux arch/arm/mm/tlb-v4wbi.S invalidates a range page by page, whatever its length; from memory',
    writeBufferEntries: 'four addresses in the ARM922T (ARM DDI 0184B); unverified for the ARM926EJ-S',
    agents:
      'the TLB may hold entries of addresses that were never accessed (Digi NS9215 hardware reference, on this core)',
    ...noPrivateL2,
    ...noSharedL2,
    ...noOuterCache,
    ...noSecondTlb,
    ...oneCpu,
    'costs.l1HitCycles': 'estimate: one cycle, and one more if the next instruction needs the data',
    'costs.memoryCycles': 'estimate: 150 ns for a burst of eight words from SDRAM',
    'costs.busOccupancyCycles': 'estimate: eight words at half the clock',
    'costs.uncachedCycles': 'estimate: one word from SDRAM or from a device, 120 ns',
    'costs.atomicCycles': 'estimate: SWP locks the bus for a read and a write',
    'costs.drainDelayCycles': 'estimate: one memory access',
    'costs.walkStepCycles': 'estimate: the walker adds little to each table read',
    'costs.maintenanceLineCycles': 'estimate: a register write and a tag access',
    'costs.setWayLineCycles': 'estimate: as costs.maintenanceLineCycles',
    'costs.tlbInvalidateCycles': 'estimate: a register write',
    'costs.tlbInvalidateAllCycles': 'estimate: a register write',
    'costs.dmbCycles': 'estimate: drain of an empty write buffer',
    'costs.dsbCycles': 'estimate: drain of an empty write buffer',
    'costs.isbCycles': 'estimate: refill of the pipeline of five stages',
    'costs.contextSwitchCycles': 'estimate: a register write and some instructions',
    'costs.interruptEntryCycles': 'estimate: saving registers and finding the source',
    'costs.interruptExitCycles': 'estimate: restoring registers',
    'costs.faultEntryCycles': 'estimate: as costs.interruptEntryCycles',
    'costs.faultExitCycles': 'estimate: as costs.interruptExitCycles',
    'costs.instructionCycles': 'definition: one unit of work is one cycle',
  },
});
