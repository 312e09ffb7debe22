/** Flushes put together while pages are unmapped, against one a page. */
import { runBench, tenth } from './bench/run-bench.ts';
import { UNMAP_NOTE, type UnmapMethod, unmapMethods, unmapWorkload } from './bench/unmap-bench.ts';
import { nameIn, numberIn } from './bench/values.ts';
import type { Experiment } from './experiment.ts';

const ROUNDS = 2;

const parameters = {
  method: { title: 'when pages are flushed', default: 'each', values: Object.keys(unmapMethods) },
  pages: { title: 'pages unmapped', default: 32, min: 1, max: 512 },
  cpus: { title: 'CPUs that run the process', default: 4, min: 1, max: 128 },
} as const;

export const unmapBatching: Experiment = {
  name: 'unmap-batching',
  title: 'flushes put together while pages are unmapped, against one a page',
  source:
    'Linux mm/mmu_gather.c; Barry Song and Yicong Yang, commit 43b3dfdd0455: the barrier is 95 % of ptep_clear_flush, and deferring it took 12.5 % off a page-out benchmark on a Kunpeng 920',
  parameters,
  measures: {
    initiatorCycles: { title: 'unmapping all', unit: 'cycles' },
    pageCycles: { title: 'of that, a page', unit: 'cycles' },
    targetCycles: { title: 'lost by one other CPU', unit: 'cycles' },
  },
  defaultPlatform: 'kunpeng920',
  usual: { method: Object.keys(unmapMethods).join(','), pages: '1,8,32,128' },
  unsupported: (platform, given) =>
    nameIn(given, parameters, 'method') === 'deferred' && platform.shootdown !== 'broadcast'
      ? `the kernel of ${platform.name} does not broadcast: there is no barrier to defer`
      : undefined,
  async measure({ platform, parameters: given, seed }) {
    const pages = numberIn(given, parameters, 'pages');
    const method = nameIn<UnmapMethod>(given, parameters, 'method');
    const cpus = numberIn(given, parameters, 'cpus');
    const workload = unmapWorkload({ method, pages, rounds: ROUNDS });
    const [initiator, ...others] = runBench(platform, cpus, seed, workload);
    const cycles = initiator.notes[UNMAP_NOTE.CYCLES] / ROUNDS;
    const lost = others.reduce(
      (sum, { counters }) => sum + counters.interruptCycles + counters.stolenCycles,
      0,
    );
    return {
      initiatorCycles: tenth(cycles),
      pageCycles: tenth(cycles / pages),
      // One round more than is measured, which costs the others the same.
      ...(others.length > 0 && { targetCycles: tenth(lost / others.length / (ROUNDS + 1)) }),
    };
  },
};
