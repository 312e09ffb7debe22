/**
 * An SGI Indigo2 or Indy with an R4400SC. The primary caches have four colours and physical tags; each line of
 * the secondary cache remembers the virtual index through which the primary caches were filled (PIdx), and a
 * primary miss that finds another one there traps. The handler writes the line back and forgets it, so that
 * aliases are slow instead of wrong. TLB misses are handled in software too.
 *
 * Deviations from the machine:
 * - one CPU: the R4000MC, which machines with several have, is not this one
 * - one line size: 32 bytes, which all three caches can be set to; SGI ran the secondary cache with longer lines
 * - PIdx holds the two bits of the address that 16 KB caches need, not VA[14:12]
 * - an entry of the TLB maps one page, not two; there are still 48
 * - no two-entry instruction TLB, and no entries that random replacement spares
 * - the hazards of the pipeline after a change of code are left out: nothing is fetched long before it runs
 */
import { definePlatform } from './define.ts';
import { freeForOneCpu, noOuterCache, noSecondTlb, noSharedL2, oneCpu } from './unused.ts';

const MANUAL = 'MIPS R4000 Microprocessor User’s Manual';
const LMBENCH = 'lmbench database (McVoy & Staelin, USENIX 1996; github intel/lmbench)';
const MEMORY_TABLE = `${LMBENCH}, doc/lat_allmem.tbl, IP22 with IRIX 5.3`;
const NULL_CALL = `${LMBENCH}, lat_nullsys.tbl: a null system call takes 10 to 11 us on an IP22`;
const PIPELINE = 'SGI Pipeline vol. 7 no. 1 (January 1996), processor types of Indigo, Indigo2 and Indy';
const GENEX = 'Linux arch/mips/kernel/genex.S';

export const r4000 = definePlatform({
  name: 'r4000',
  title: 'SGI Indigo2/Indy, R4400SC with virtual coherency exceptions',
  clockMHz: 200,
  maxCpus: 1,
  memoryBytes: 1 << 22,
  lineBytes: 32,
  coherence: 'none',
  l1d: { sizeBytes: 16384, ways: 1, organisation: 'vipt', aliasPolicy: 'unmanaged' },
  l1i: {
    sizeBytes: 16384,
    ways: 1,
    organisation: 'vipt',
    snooped: false,
    fillsFrom: 'unification',
    fetchAhead: false,
  },
  l2: { sizeBytes: 1 << 20, ways: 1, primaryIndex: true },
  maintenance: { byAddress: 'local', icache: 'local', setWayReachesShared: false, unmapped: 'fault' },
  dma: { snooped: false, iommu: false },
  mmu: {
    levels: [
      { bits: 10, leaf: false },
      { bits: 10, leaf: true },
    ],
    entryBytes: 4,
    refill: 'software',
    walkerReads: 'l1',
    accessedDirty: 'software',
    tlb: { data: { entries: 48, ways: 48, replacement: 'random' }, asidBits: 8, multipleMatch: 'abort' },
    pageTables: 'cached',
    splitContextSwitch: false,
    kernelMappings: 'global',
  },
  shootdown: 'cross-call',
  flushAllAbovePages: 48,
  // A buffered store could not take a coherency exception any more.
  writeBufferEntries: 0,
  agents: ['evict'],
  costs: {
    ...freeForOneCpu,
    l1HitCycles: 2,
    l2HitCycles: 15,
    sharedHitCycles: 0,
    outerHitCycles: 0,
    memoryCycles: 204,
    busOccupancyCycles: 32,
    uncachedCycles: 150,
    atomicCycles: 6,
    drainDelayCycles: 0,
    secondTlbHitCycles: 0,
    walkStepCycles: 15,
    maintenanceLineCycles: 8,
    setWayLineCycles: 6,
    tlbInvalidateCycles: 20,
    tlbInvalidateAllCycles: 250,
    dmbCycles: 4,
    dsbCycles: 4,
    isbCycles: 8,
    contextSwitchCycles: 20,
    interruptEntryCycles: 400,
    interruptExitCycles: 200,
    faultEntryCycles: 400,
    faultExitCycles: 200,
    instructionCycles: 1,
    coherencyExceptionCycles: 60,
  },
  sources: {
    clockMHz: `${MEMORY_TABLE}: 10 ns for the L1, taken for two cycles; ${PIPELINE}: up to 200 MHz in these machines`,
    maxCpus: `${MANUAL}, p. 33: the SC is the version with a secondary cache, the MC the one for multiprocessors`,
    lineBytes: `${MANUAL}, 11.3: 16 or 32 bytes in the primary caches, 16 to 128 in the secondary`,
    'l1d.sizeBytes': `${MANUAL}, p. 33: 16 KB in the R4400`,
    'l1d.ways': `${MANUAL}, p. 250: direct mapped`,
    'l1d.organisation': `${MANUAL}, p. 250: indexed with a virtual address, checked with a physical tag`,
    'l1d.aliasPolicy': `${MANUAL}, p. 133: the exception keeps aliases apart; software may agree on colours to save its cost`,
    'l1d.write': `${MANUAL}, p. 250: write-back`,
    'l1d.allocate': `${MANUAL}, p. 245: what misses in a primary cache is brought into it, said of loads and stores alike`,
    'l1i.sizeBytes': `${MANUAL}, p. 33: 16 KB in the R4400`,
    'l1i.ways': `${MANUAL}, 11.3: direct mapped`,
    'l1i.organisation': `${MANUAL}, 11.3: indexed with a virtual address, checked with a physical tag`,
    'l1i.snooped':
      'Linux arch/mips/mm/c-r4k.c writes data lines back and invalidates instruction lines for new code, from memory',
    'l1i.fillsFrom': `${MANUAL}, p. 32: the secondary cache is a joint one, below both primary caches`,
    'l1i.fetchAhead': 'see the deviations above',
    'l2.sizeBytes': `${PIPELINE}: 1 MB; ${MANUAL}, p. 32: 128 KB to 4 MB`,
    'l2.ways': `${MANUAL}, 11.3: direct mapped`,
    'l2.primaryIndex': `${MANUAL}, pp. 133 and 253: an exception if the secondary cache hits and VA[14:12] are not its PIdx`,
    'maintenance.unmapped': `${MANUAL}, A-42: the address of a CACHE instruction is translated by the TLB, which can miss`,
    'dma.snooped': 'Linux arch/mips/Kconfig: SGI_IP22 selects DMA_NONCOHERENT',
    'dma.iommu': 'unverified: from memory, the DMA of the memory controller for graphics aside',
    'mmu.levels': 'Linux arch/mips/include/asm/pgtable-32.h: two levels of 1024 entries, from memory',
    'mmu.refill': `${MANUAL}, p. 31: software refills the TLB from a page table in memory`,
    'mmu.walkerReads': 'the handler makes ordinary loads',
    'mmu.accessedDirty': `${MANUAL}, p. 128: a store to a page that is valid but not dirty traps (TLB Modified)`,
    'mmu.tlb.data.entries': `${MANUAL}, p. 31: 48 entries of two pages, fully associative, for instructions and data`,
    'mmu.tlb.data.ways': `${MANUAL}, p. 31: fully associative`,
    'mmu.tlb.data.replacement': `${MANUAL}, p. 31: at random`,
    'mmu.tlb.asidBits': 'unverified: 8 bits in EntryHi, from memory',
    'mmu.tlb.multipleMatch':
      'unverified: Linux arch/mips/mm/tlb-r4k.c takes care that no two entries are equal; that the TLB shuts down otherwise is from memory',
    'mmu.pageTables': 'as mmu.walkerReads',
    'mmu.splitContextSwitch':
      'EntryHi is the only register that the TLB looks at; the table base is the handler’s own',
    'mmu.kernelMappings': `${MANUAL}, 4.3: a TLB entry has a global bit`,
    flushAllAbovePages: 'Linux arch/mips/mm/tlb-r4k.c: up to half of the 48 entries, of two pages each',
    writeBufferEntries: `the manual has the exception taken by the access that missed, so here every store is performed at once`,
    agents: 'estimate: in order, no prefetcher is described in the manual; lines may still leave at any time',
    ...noSharedL2,
    ...noOuterCache,
    ...noSecondTlb,
    ...oneCpu,
    'costs.l1HitCycles': `${MEMORY_TABLE}: 10 ns`,
    'costs.l2HitCycles': `${MEMORY_TABLE}: 76 ns`,
    'costs.memoryCycles': `${MEMORY_TABLE}: 1018 ns`,
    'costs.busOccupancyCycles': 'estimate: four beats of 64 bits at a quarter of the clock, and the address',
    'costs.uncachedCycles': 'estimate: a word from memory, less than a line',
    'costs.atomicCycles': 'estimate: load linked and store conditional that hit',
    'costs.drainDelayCycles': 'not used: no write buffer',
    'costs.walkStepCycles':
      'unverified: estimate of 30-60 cycles for a refill that finds its entry in the L1, here half for each level',
    'costs.maintenanceLineCycles': 'estimate: one CACHE instruction that hits',
    'costs.setWayLineCycles': 'estimate: one CACHE instruction by index',
    'costs.tlbInvalidateCycles': 'estimate: a probe and a write of one entry in Linux arch/mips/mm/tlb-r4k.c',
    'costs.tlbInvalidateAllCycles':
      'estimate: 48 entries in a loop, as Linux arch/mips/mm/tlb-r4k.c does; it would change the ASID instead where it can',
    'costs.dmbCycles': 'estimate: SYNC with nothing outstanding',
    'costs.dsbCycles': 'estimate: SYNC with nothing outstanding',
    'costs.isbCycles': 'estimate: refill of the pipeline of eight stages',
    'costs.contextSwitchCycles': 'estimate: a write of EntryHi and of the handler’s table base',
    'costs.interruptEntryCycles': `estimate: a fraction of a system call; ${NULL_CALL}`,
    'costs.interruptExitCycles': `estimate: a fraction of a system call; ${NULL_CALL}`,
    'costs.faultEntryCycles': `estimate: a fraction of a system call; ${NULL_CALL}`,
    'costs.faultExitCycles': `estimate: a fraction of a system call; ${NULL_CALL}`,
    'costs.instructionCycles': 'definition: one unit of work is one cycle',
    'costs.coherencyExceptionCycles': `unverified: estimate of 60-100 cycles with the handler; ${GENEX}: the handler is a few instructions, two of them cache operations, which are charged by themselves`,
  },
});
