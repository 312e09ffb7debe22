/**
 * An AMD server with Zen 3 cores (EPYC 7003, "Milan") and broadcast invalidation: INVLPGB sends an invalidate to all
 * CPUs, TLBSYNC waits until they have done it. Linux uses it for processes on three or more CPUs (Rik van Riel, 2025).
 * What is not known of it is taken over from the Haswell client (x86-64.ts), deviations included.
 *
 * Deviations from the machine:
 * - one socket, in which all cores are equally far apart; in the real one eight share an L3
 * - no time of INVLPGB or TLBSYNC is known to us: they are estimates, made of what is known of the fabric
 */
import { definePlatform } from './define.ts';
import { x86_64 } from './x86-64.ts';

const RIEL =
  'Rik van Riel, "AMD broadcast TLB invalidation", linux-mm, December 2024 to 2025, merged in Linux 6.15';
const APM = 'AMD64 Architecture Programmer’s Manual, vol. 3, INVLPGB and TLBSYNC, from memory';
const C2C = 'github nviennot/core-to-core-latency README';
const ZEN = 'unverified: Zen 2/3, from memory';

export const x86Invlpgb = definePlatform({
  ...x86_64,
  name: 'x86-invlpgb',
  title: 'x86-64 server, AMD Zen 3, with broadcast invalidation (INVLPGB)',
  clockMHz: 2450,
  maxCpus: 64,
  coherence: 'moesi',
  l2: { sizeBytes: 1 << 19, ways: 8 },
  mmu: {
    ...x86_64.mmu,
    tlb: {
      ...x86_64.mmu.tlb,
      data: { entries: 64, ways: 64 },
      instruction: { entries: 64, ways: 64 },
      second: { entries: 2048, ways: 8 },
    },
  },
  shootdown: 'broadcast',
  broadcast: { scope: 'all', rangeOperations: true, rangePages: 8, queueEntries: 8, serialized: false },
  agents: ['drain', 'evict', 'prefetch', 'walk', 'broadcast', 'ipi'],
  costs: {
    ...x86_64.costs,
    sharedHitCycles: 46,
    memoryCycles: 235,
    cacheToCacheCycles: 180,
    upgradeCycles: 150,
    isbCycles: 15,
    secondTlbHitCycles: 7,
    tlbInvalidateCycles: 120,
    tlbInvalidateAllCycles: 200,
    broadcastLatencyCycles: 250,
    broadcastOccupancyCycles: 60,
    broadcastTargetCycles: 60,
    ipiSendCycles: 150,
    ipiLatencyCycles: 900,
    interruptEntryCycles: 350,
    interruptExitCycles: 250,
  },
  sources: {
    ...x86_64.sources,
    clockMHz: 'unverified: 2.45 GHz, EPYC 7763, from memory',
    maxCpus: 'unverified: 64 cores in an EPYC 7763, from memory',
    coherence: 'unverified: AMD processors use MOESI, from memory',
    'l1d.sizeBytes': `${ZEN}: 32 KB, 8 ways`,
    'l1i.sizeBytes': `${ZEN}: 32 KB, 8 ways`,
    'shared.sizeBytes': `a part of the 32 MB that eight cores share (${ZEN}): physical memory is 4 MB here`,
    'l2.sizeBytes': `${ZEN}: 512 KB, 8 ways`,
    'mmu.tlb.data.entries': `${ZEN}: 64 entries, fully associative`,
    'mmu.tlb.instruction.entries': `${ZEN}: 64 entries, fully associative`,
    'mmu.tlb.second.entries': `${ZEN}: 2048 entries, 8 ways`,
    'broadcast.rangeOperations': `${APM}: ECX gives the number of further pages`,
    'broadcast.rangePages': `estimate: eight; the number is in CPUID 8000_0008 EDX and is 8 on the machines that ${RIEL} used, from memory`,
    'broadcast.queueEntries': 'estimate: no document found',
    'broadcast.serialized': `${RIEL}: no lock`,
    'costs.sharedHitCycles': `${ZEN}: 39-46 cycles`,
    'costs.memoryCycles': `${ZEN}: 80-100 ns`,
    'costs.cacheToCacheCycles': `23 ns within an L3, 107 ns beyond it on an EPYC 7R13 (${C2C}); in between, as seven of eight cores lie beyond, but prefetched ownership hides some: 74 ns`,
    'costs.upgradeCycles': 'estimate: as costs.cacheToCacheCycles, without the data',
    'costs.isbCycles': 'estimate: next to nothing, as x86-haswell',
    'costs.secondTlbHitCycles': `${ZEN}: 7 cycles`,
    'costs.tlbInvalidateCycles': 'estimate: INVLPG and INVLPGB issue alike, some 50 ns',
    'costs.tlbInvalidateAllCycles': 'estimate: a write of CR3 that flushes',
    'costs.broadcastLatencyCycles':
      'estimate: one way through the fabric, as a line from beyond the L3 takes 107 ns there and back with its data',
    'costs.broadcastOccupancyCycles': 'estimate: the fabric orders one broadcast every 25 ns',
    'costs.broadcastTargetCycles': 'estimate: a search of two levels of TLB',
    'costs.ipiSendCycles': 'estimate: a WRMSR to the interrupt command register of an x2APIC',
    'costs.ipiLatencyCycles':
      'estimate: some 370 ns; 1787 ns for sending, handling and answering on an unnamed machine (ipi_benchmark)',
    'costs.interruptEntryCycles': 'estimate: interrupt of the hardware and saving registers',
    'costs.interruptExitCycles': 'estimate: end of interrupt and IRET',
  },
});
