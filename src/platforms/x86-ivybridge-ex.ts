/**
 * A server with eight sockets of fifteen Ivy Bridge cores (Xeon E7-8870 v2 class): the larger of the machines that
 * LATR was measured on. The sockets hang together without a switch, three links each, so that a line comes over one
 * or two hops; one time stands for both. What is not known of it is taken over from the smaller machine
 * (x86-haswell.ts), deviations included.
 */
import { definePlatform } from './define.ts';
import { x86Haswell } from './x86-haswell.ts';

const LATR = 'LATR (Kumar et al., ASPLOS 2018)';

export const x86IvybridgeEx = definePlatform({
  ...x86Haswell,
  name: 'x86-ivybridge-ex',
  title: 'x86-64 server, eight Ivy Bridge-EX sockets of fifteen cores',
  clockMHz: 2300,
  maxCpus: 120,
  shared: { sizeBytes: 7 << 20, ways: 28 },
  mmu: { ...x86Haswell.mmu, tlb: { ...x86Haswell.mmu.tlb, second: { entries: 512, ways: 4 } } },
  sockets: {
    cpusEach: 15,
    cacheToCacheCycles: 530,
    memoryCycles: 530,
    upgradeCycles: 420,
    ipiLatencyCycles: 1400,
    broadcastLatencyCycles: 0,
  },
  costs: {
    ...x86Haswell.costs,
    sharedHitCycles: 50,
    memoryCycles: 300,
    cacheToCacheCycles: 90,
    upgradeCycles: 65,
    tlbInvalidateCycles: 230,
  },
  sources: {
    ...x86Haswell.sources,
    clockMHz: 'unverified: 2.3 GHz, E7-8870 v2, from memory',
    maxCpus: `${LATR}: 120 cores on eight sockets`,
    'shared.sizeBytes': 'estimate: a part of the 30 MB, as in x86-haswell',
    'mmu.tlb.second.entries': 'as x86-ivybridge',
    'sockets.cpusEach': `${LATR}: 120 cores on eight sockets`,
    'sockets.cacheToCacheCycles':
      'estimate: 230 ns. Two sockets of the time need 118 (Broadwell) to 136 (github nviennot/core-to-core-latency README); of the other seven sockets three are one hop away and four are two. Chosen with the 80 us of LATR in sight',
    'sockets.memoryCycles': 'estimate: 230 ns, one or two hops and the memory buffers of the E7',
    'sockets.upgradeCycles': 'estimate: as sockets.cacheToCacheCycles, without the data',
    'sockets.ipiLatencyCycles': 'estimate: twice the crossings of the two-socket machine',
    'costs.sharedHitCycles': 'estimate: 22 ns, three rings of five cores',
    'costs.memoryCycles': 'estimate: some 130 ns, memory buffers of the E7',
    'costs.cacheToCacheCycles': 'derived: 39 ns for fifteen cores, as in x86-haswell',
    'costs.tlbInvalidateCycles': 'estimate: between Haswell (216) and what a traced Ivy Bridge gives (260)',
  },
});
