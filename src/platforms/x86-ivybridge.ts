/**
 * The laptop that Dave Hansen set Linux's threshold of 33 pages on: an Ivy Bridge i5-3320M. What is not known of it is
 * taken over from the Haswell client (x86-64.ts), deviations included.
 */
import { definePlatform } from './define.ts';
import { x86_64 } from './x86-64.ts';

const IVY_BRIDGE = '7-cpu.com/cpu/IvyBridge.html (i7-3770)';
const HANSEN =
  'Dave Hansen, [PATCH 7/7] x86: mm: set TLB flush tunable to sane value (33), 2014-07-01, commit a5102476a24b, i5-3320M';
const MOLNAR = 'Ingo Molnar, linux-mm 20150608195237.GA15429@gmail.com';

export const x86Ivybridge = definePlatform({
  ...x86_64,
  name: 'x86-ivybridge',
  title: 'x86-64 laptop, Ivy Bridge i5-3320M',
  clockMHz: 2600,
  maxCpus: 4,
  memoryBytes: 1 << 23,
  mmu: {
    ...x86_64.mmu,
    tlb: { ...x86_64.mmu.tlb, second: { entries: 512, ways: 4 } },
  },
  costs: {
    ...x86_64.costs,
    sharedHitCycles: 30,
    memoryCycles: 200,
    cacheToCacheCycles: 60,
    isbCycles: 15,
    secondTlbHitCycles: 7,
    walkStepCycles: 25,
    tlbInvalidateCycles: 260,
    tlbInvalidateAllCycles: 1290,
  },
  sources: {
    ...x86_64.sources,
    clockMHz: `${HANSEN}: 17.1 ns are about 45 cycles`,
    maxCpus: 'two cores of two threads each; a thread counts as a CPU here',
    'l1d.sizeBytes': `${IVY_BRIDGE}: 32 KB, 8 ways`,
    'l1i.sizeBytes': `${IVY_BRIDGE}: 32 KB, 8 ways`,
    'l2.sizeBytes': `${IVY_BRIDGE}: 256 KB, 8 ways`,
    'shared.sizeBytes': 'unverified: 3 MB, 12 ways in an i5-3320M, from memory',
    'mmu.tlb.data.entries': `${IVY_BRIDGE}: 64 entries, 4 ways`,
    'mmu.tlb.second.entries': `${HANSEN}: 512 entries; 4 ways from memory`,
    'costs.sharedHitCycles': `${IVY_BRIDGE}: 29-30 cycles`,
    'costs.memoryCycles': `${IVY_BRIDGE}: 30 cycles and 53 ns, plus some for a laptop’s slower memory; unverified`,
    'costs.cacheToCacheCycles': 'estimate: 21 ns on a Haswell client, a little more here',
    'costs.isbCycles':
      'estimate: next to nothing, for INVLPG and MOV to CR3 serialise by themselves (Intel manuals, vol. 3, 8.3, from memory)',
    'costs.secondTlbHitCycles': `${IVY_BRIDGE}: 7 cycles, from memory`,
    'costs.walkStepCycles': `calibrated: a walk whose upper levels hit the walk cache takes 37 cycles if its last entry comes from the L2, and 55 from the L3; ${HANSEN} measured 45 as the average dTLB miss of a kernel compile (17.1 ns)`,
    'costs.tlbInvalidateCycles': `${HANSEN}: a single flush is about 100 ns; ${MOLNAR}: 260 cycles on another Intel machine`,
    'costs.tlbInvalidateAllCycles': `calibrated on ${HANSEN}: a full flush, traced, takes 2283 cycles, 1289 more than what a flush of pages takes besides its pages (994). In a loop a write of CR3 takes 96 to 124 cycles, a flush with global entries 746 (cache hot) to 1795 (cold; ${MOLNAR}); why it is so much more in a kernel compile is not known`,
  },
});
