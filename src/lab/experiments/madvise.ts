/** A page given back and touched again while other threads run: Amit's measurement. */
import { MADVISE_NOTE, madviseWorkload } from './bench/madvise-bench.ts';
import { runBench, tenth } from './bench/run-bench.ts';
import { mechanism, mechanismIn, passes } from './bench/shootdown-parameters.ts';
import { numberIn } from './bench/values.ts';
import type { Experiment } from './experiment.ts';

const ROUNDS = 4;

const parameters = {
  mechanism: { ...mechanism, values: ['cross-call', 'concurrent', 'early-ack'] },
  cpus: { title: 'threads, each on its CPU', default: 2, min: 1, max: 128 },
  passes: passes(2),
} as const;

export const madvise: Experiment = {
  name: 'madvise',
  title: 'MADV_DONTNEED of a page and touching it again, while other threads of the process run',
  source:
    'Nadav Amit, [RFC PATCH v2 00/12] x86: Flush remote TLBs concurrently and async, 20190531063645.4697-1-namit@vmware.com',
  parameters,
  measures: {
    cycles: { title: 'each time', unit: 'cycles' },
    ns: { title: 'each time', unit: 'ns' },
  },
  defaultPlatform: 'x86-haswell',
  usual: { mechanism: 'cross-call,concurrent,early-ack', cpus: '1,2,4' },
  unsupported: ({ name, mmu }) =>
    mmu.refill === 'hardware'
      ? undefined
      : `${name} refills its TLBs by software: use one such as x86-haswell`,
  async measure({ platform, parameters: given, seed }) {
    const bench = {
      mechanism: mechanismIn(given),
      rounds: ROUNDS,
      passes: numberIn(given, parameters, 'passes'),
    };
    const [{ notes }] = runBench(platform, numberIn(given, parameters, 'cpus'), seed, madviseWorkload(bench));
    const cycles = notes[MADVISE_NOTE.CYCLES] / ROUNDS;
    return { cycles: tenth(cycles), ns: tenth((cycles * 1000) / platform.clockMHz) };
  },
};
