/**
 * A server with two Haswell processors of eight cores (Xeon E5-2630 v3): the smaller of the machines that LATR was
 * measured on, and what stands for the unnamed Haswell of Amit's shootdown figures, whose four threads fit in one
 * socket. What is not known of it is taken over from the client part (x86-64.ts), deviations included.
 *
 * Deviations from the machine, besides those of x86-64:
 * - one core a CPU: the second hardware threads are left out
 * - one L3 of 5 MB stands for the two of 20 MB: physical memory is 8 MB here, and which socket a line is near to is
 *   kept without a second cache (machine/sockets.ts)
 * - the clock is that with all cores at work; which one was set when the figures were taken is not known
 */
import { definePlatform } from './define.ts';
import { x86_64 } from './x86-64.ts';

const AMIT =
  'Nadav Amit, [RFC PATCH v2 00/12] x86: Flush remote TLBs concurrently and async, 2019-05-31: the first remote CPU costs 775 ns, each further one 68 ns, on Haswell';
const HANSEN = 'Dave Hansen, linux-mm 55775749.3090004@intel.com, 2015-06-09, Haswell Xeon';
const LATR = 'LATR (Kumar et al., ASPLOS 2018)';
const C2C = 'github nviennot/core-to-core-latency README';
const E5 = 'kerncraft machine file of a Xeon E5-2630 v3';

export const x86Haswell = definePlatform({
  ...x86_64,
  name: 'x86-haswell',
  title: 'x86-64 server, two Haswell-EP sockets of eight cores',
  clockMHz: 2600,
  maxCpus: 16,
  memoryBytes: 1 << 23,
  shared: { sizeBytes: 5 << 20, ways: 20 },
  sockets: {
    cpusEach: 8,
    cacheToCacheCycles: 307,
    memoryCycles: 340,
    upgradeCycles: 240,
    ipiLatencyCycles: 960,
    broadcastLatencyCycles: 0,
  },
  costs: {
    ...x86_64.costs,
    sharedHitCycles: 48,
    memoryCycles: 228,
    cacheToCacheCycles: 72,
    upgradeCycles: 50,
    isbCycles: 15,
    ipiSendCycles: 40,
    ipiLatencyCycles: 440,
    interruptEntryCycles: 220,
    interruptExitCycles: 200,
    faultEntryCycles: 150,
    faultExitCycles: 120,
  },
  sources: {
    ...x86_64.sources,
    clockMHz: `${E5}: 2.4 GHz; 2.6 with all cores at work, from memory`,
    maxCpus: `${E5}: 2 sockets of 8 cores; ${LATR}: 16 cores on two sockets`,
    'l1d.sizeBytes': `${E5}: 32 KB, 8 ways`,
    'l1i.sizeBytes': 'as l1d.sizeBytes',
    'l2.sizeBytes': `${E5}: 256 KB, 8 ways`,
    'shared.sizeBytes': `an eighth of twice 20 MB, 20 ways (${E5}); see the deviations above`,
    'mmu.tlb.data.entries': 'as the client part: realworldtech.com/haswell-cpu/5, 64 entries for 4 KB pages',
    'sockets.cpusEach': `${E5}: 8 cores a socket`,
    'sockets.cacheToCacheCycles': `118 ns between cores of two Broadwell E5-2695 v4, the nearest relative: ${C2C}`,
    'sockets.memoryCycles': 'estimate: some 130 ns, half as much again as local memory',
    'sockets.upgradeCycles': 'estimate: as sockets.cacheToCacheCycles, without the data',
    'sockets.ipiLatencyCycles':
      'estimate: costs.ipiLatencyCycles and two crossings of QPI, 200 ns more; LATR gives "up to 2.7 us" for all sixteen, sending included',
    'sockets.broadcastLatencyCycles': 'not used: no broadcast',
    'costs.sharedHitCycles': 'estimate: some 19 ns, more than on the client part, whose ring is shorter',
    'costs.memoryCycles': 'estimate: some 88 ns, registered DDR4',
    'costs.cacheToCacheCycles': `derived: 28 ns for eight cores, on the line from the 21 ns of a Haswell of four cores to the 44 of a Broadwell of eighteen (${C2C}). Chosen with the curves of madvise in sight`,
    'costs.upgradeCycles': 'estimate: the L3 and a snoop, without data',
    'costs.isbCycles':
      'estimate: next to nothing, for INVLPG and MOV to CR3 serialise by themselves (Intel manuals, vol. 3, 8.3, from memory), and Linux has no other instruction there',
    'costs.tlbInvalidateCycles': `${HANSEN}: INVLPG 216 cycles`,
    'costs.ipiSendCycles':
      'estimate: a WRMSR of some 120 cycles to the interrupt command register of an x2APIC, which reaches up to sixteen CPUs of a cluster at once, and so is shared by them. Chosen with the curves of madvise in sight',
    'costs.ipiLatencyCycles': `calibrated on ${AMIT}: 775 ns are this and the entry, two flushes of a page (page-table isolation), and the lines that move`,
    'costs.interruptEntryCycles':
      'estimate: part of the same sum, see costs.ipiLatencyCycles; chosen with the curves of madvise in sight',
    'costs.interruptExitCycles': 'estimate: end of interrupt and IRET',
    'costs.faultEntryCycles': 'estimate: exception of the hardware, saving registers, change of CR3',
    'costs.faultExitCycles': 'estimate: IRET, restoring registers, change of CR3',
  },
});
