/** One flush of so many pages: by page, as a whole, or as the kernel chooses; and what is lost with it. */
import { RANGE_NOTE, type RangeBench, rangeWorkload } from './bench/range-bench.ts';
import { runBench, tenth } from './bench/run-bench.ts';
import { nameIn, numberIn } from './bench/values.ts';
import type { Experiment } from './experiment.ts';

const ROUNDS = 2;

const parameters = {
  flush: {
    title: 'page by page, the whole space, or what the kernel chooses for so many pages',
    default: 'kernel',
    values: ['page', 'full', 'kernel'],
  },
  pages: { title: 'pages flushed', default: 1, min: 1, max: 1024 },
  cpus: { title: 'CPUs', default: 1, min: 1, max: 128 },
  shared: { title: 'have the other CPUs run the process', default: 'no', values: ['yes', 'no'] },
  path: {
    title: 'code and data of the flush: in the private caches, or thrown out by what ran before',
    default: 'warm',
    values: ['warm', 'cold'],
  },
  traced: {
    title: 'between two tracepoints, which take time themselves',
    default: 'no',
    values: ['yes', 'no'],
  },
  working: { title: 'pages, besides those, that are used afterwards', default: 0, min: 0, max: 1024 },
} as const;

export const flushRange: Experiment = {
  name: 'flush-range',
  title: 'a flush of so many pages, by page or as a whole, and the refills after it',
  source:
    'Dave Hansen, Linux commit a5102476a24b; Zhenyu Ye, 504c7588-97e5-e014-fca0-c5511ae0d256@huawei.com, 2020-06-09',
  parameters,
  measures: {
    initiatorCycles: { title: 'the flush', unit: 'cycles' },
    ns: { title: 'the flush', unit: 'ns' },
    refillWalks: { title: 'walks of using the working set', unit: 'walks' },
    refillCycles: { title: 'cycles that the working set takes longer', unit: 'cycles' },
    totalCycles: { title: 'flush and refill', unit: 'cycles' },
  },
  defaultPlatform: 'x86-ivybridge',
  usual: { flush: 'page,full', pages: '1,2,4,8,16,33,64,128', working: '512' },
  async measure({ platform, parameters: given, seed }) {
    const bench: RangeBench = {
      flush: nameIn<RangeBench['flush']>(given, parameters, 'flush'),
      pages: numberIn(given, parameters, 'pages'),
      isShared: nameIn(given, parameters, 'shared') === 'yes',
      isWarm: nameIn(given, parameters, 'path') === 'warm',
      isTraced: nameIn(given, parameters, 'traced') === 'yes',
      working: numberIn(given, parameters, 'working'),
      rounds: ROUNDS,
    };
    const [{ notes }] = runBench(platform, numberIn(given, parameters, 'cpus'), seed, rangeWorkload(bench));
    const note = (which: number) => (notes[which] ?? 0) / ROUNDS;
    const flush = note(RANGE_NOTE.FLUSH);
    const refill = note(RANGE_NOTE.USE) - note(RANGE_NOTE.USUAL);
    return {
      initiatorCycles: tenth(flush),
      ns: tenth((flush * 1000) / platform.clockMHz),
      ...(bench.working > 0 && {
        refillWalks: tenth(note(RANGE_NOTE.WALKS)),
        refillCycles: tenth(refill),
        totalCycles: tenth(flush + refill),
      }),
    };
  },
};
