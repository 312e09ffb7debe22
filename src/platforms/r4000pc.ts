/**
 * An SGI Indy with an R4000PC, which has no secondary cache and so nothing that remembers a virtual index:
 * aliases of different colour are two copies, and nobody is told. The kernel has to keep them apart.
 *
 * Deviations from the machine: as in r4000.
 */
import { definePlatform } from './define.ts';
import { r4000 } from './r4000.ts';
import { noPrivateL2 } from './unused.ts';

const MANUAL = 'MIPS R4000 Microprocessor User’s Manual';
const PIPELINE =
  'SGI Pipeline vol. 7 no. 1 (January 1996): R4000, 100 MHz, 8 KB and 8 KB, no secondary cache';

const { l2: _, ...withoutL2 } = r4000;
const {
  'l2.sizeBytes': _size,
  'l2.ways': _ways,
  'l2.primaryIndex': _index,
  'costs.coherencyExceptionCycles': _exception,
  ...sources
} = r4000.sources;

export const r4000pc = definePlatform({
  ...withoutL2,
  name: 'r4000pc',
  title: 'SGI Indy, R4000PC without secondary cache: aliases go unnoticed',
  clockMHz: 100,
  l1d: { ...r4000.l1d, sizeBytes: 8192, aliasPolicy: 'colour' },
  l1i: { ...r4000.l1i, sizeBytes: 8192 },
  costs: {
    ...r4000.costs,
    l2HitCycles: 0,
    memoryCycles: 60,
    busOccupancyCycles: 12,
    uncachedCycles: 50,
    coherencyExceptionCycles: 0,
  },
  sources: {
    ...sources,
    clockMHz: PIPELINE,
    maxCpus: `${MANUAL}: the MC is the version for multiprocessors`,
    'l1d.sizeBytes': PIPELINE,
    'l1d.aliasPolicy':
      'Linux arch/mips/mm/c-r4k.c: shared mappings lie at multiples of the way (shm_align_mask), and flush_dcache_page writes back the kernel’s address; from memory',
    'l1i.sizeBytes': PIPELINE,
    'l1i.fillsFrom': 'there is only memory below the primary caches',
    writeBufferEntries:
      'as in r4000; without the exception a buffer would be possible, and none is described',
    ...noPrivateL2,
    'costs.l1HitCycles': 'as in r4000: the same pipeline at half the clock',
    'costs.memoryCycles':
      'estimate: 600 ns, less than the 1018 ns of a machine that first looks into a secondary cache and fetches a longer line',
    'costs.busOccupancyCycles': 'estimate: four beats of 64 bits at half the clock, and the address',
  },
});
