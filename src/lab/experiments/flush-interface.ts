/** One call of one flush interface: the cells of `flushlab cost flush` and `cost context-flush`, one a point. */
import type { Platform } from '../../machine/platform.ts';
import { type FlushRow, measureFlushes } from '../flush-cost/measure.ts';
import { type OperationName, operations } from '../flush-cost/operations.ts';
import { LockstepPool } from '../lockstep-pool.ts';
import { figures, LIMITS } from './cell.ts';
import type { Experiment } from './experiment.ts';

const names = Object.keys(operations);

/** What must be there for a call to mean anything. */
const NEEDS: Readonly<Partial<Record<OperationName, (platform: Platform) => string | undefined>>> = {
  flushIcacheAsids: ({ name, l1i }) =>
    l1i.asidTagged ? undefined : `lines of the instruction cache of ${name} belong to no ASID`,
  coherencyException: ({ name, l2 }) =>
    l2?.primaryIndex === true ? undefined : `${name} has no virtual coherency exceptions`,
  contextRenew: ({ name, mmu }) => (mmu.tlb.asidBits > 0 ? undefined : `the TLB of ${name} has no ASIDs`),
};

export const flushInterface: Experiment = {
  name: 'flush-interface',
  title: 'one call of a flush interface of the kernel',
  source: 'Linux Documentation/core-api/cachetlb.rst',
  parameters: {
    operation: { title: 'the interface', default: 'flushTlbRange', values: names },
    pages: { title: 'pages in use, and flushed where it takes a range', default: 8, min: 1, max: 512 },
    cache: { title: 'lines of the pages before', default: 'dirty', values: ['dirty', 'cold'] },
    contexts: { title: 'address spaces that have run', default: 1, min: 1, max: 16 },
    cpus: { title: 'CPUs that have run the process', default: 1, min: 1, max: 64 },
  },
  measures: {
    initiatorCycles: { title: 'the caller', unit: 'cycles' },
    targetCycles: { title: 'lost by one other CPU', unit: 'cycles' },
    afterCycles: { title: 'using the pages once more, after a context flush', unit: 'cycles' },
    afterMisses: { title: 'TLB misses of that', unit: 'misses' },
  },
  defaultPlatform: 'sun4m',
  usual: { operation: 'flushCacheRange,flushTlbRange,flushTlbMm', pages: '1,8,64', cpus: '1,4' },
  unsupported(platform, { operation, contexts }) {
    const { asidBits } = platform.mmu.tlb;
    if (asidBits > 0 && Number(contexts) >= 2 ** asidBits) {
      return `${platform.name} has ${2 ** asidBits} contexts, and the kernel keeps one`;
    }
    return NEEDS[operation as OperationName]?.(platform);
  },
  async measure({ platform, parameters: { operation, pages, cache, contexts, cpus }, seed }) {
    const cell = {
      ...{ operation: operation as OperationName, cache: cache as FlushRow['cache'], size: `${pages} pages` },
      ...{ pages: Number(pages), contexts: Number(contexts), cpus: Number(cpus) },
    };
    const rows: FlushRow[] = [];
    const limits = { ...LIMITS, seed };
    await measureFlushes(platform, [cell], limits, new LockstepPool(0), (row) => rows.push(row) > 0);
    const { initiatorCycles, targetCycles, afterCycles, afterMisses } = rows[0];
    return figures({ initiatorCycles, targetCycles, afterCycles, afterMisses });
  },
};
