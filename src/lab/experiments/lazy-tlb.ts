/** Lazy TLB mode: CPUs that run kernel threads are left out of shootdowns until they come back to the process. */
import { LAZY_NOTE, lazyWorkload } from './bench/lazy-bench.ts';
import { mean, present, runBench, tenth } from './bench/run-bench.ts';
import { nameIn, numberIn } from './bench/values.ts';
import type { Experiment } from './experiment.ts';

const ROUNDS = 2;

const parameters = {
  lazy: { title: 'are CPUs that run kernel threads left out', default: 'yes', values: ['yes', 'no'] },
  idle: { title: 'CPUs that run kernel threads', default: 3, min: 0, max: 127 },
  flushes: { title: 'shootdowns until they come back', default: 4, min: 1, max: 64 },
  cpus: { title: 'CPUs that ran the process', default: 4, min: 2, max: 128 },
  pages: { title: 'pages that each CPU uses', default: 16, min: 1, max: 256 },
} as const;

export const lazyTlb: Experiment = {
  name: 'lazy-tlb',
  title: 'shootdowns while CPUs run kernel threads: lazy, or called every time',
  source:
    'Linux arch/x86/mm/tlb.c (is_lazy, tlb_gen); Andy Lutomirski, "PCID and improved laziness" v4, 2017-06-29',
  parameters,
  measures: {
    initiatorCycles: { title: 'initiator, a shootdown', unit: 'cycles' },
    idleCycles: { title: 'lost by an idle CPU, coming back included', unit: 'cycles' },
    idleWalks: { title: 'walks of an idle CPU when it comes back', unit: 'walks' },
    otherCycles: { title: 'lost by a CPU that is not idle', unit: 'cycles' },
  },
  defaultPlatform: 'x86-haswell',
  usual: { lazy: 'yes,no', flushes: '1,4,16', cpus: '4,16', idle: '3' },
  unsupported(platform, given) {
    if (platform.shootdown !== 'cross-call') return `${platform.name} sends broadcasts, which call nobody`;
    const idle = numberIn(given, parameters, 'idle');
    const cpus = numberIn(given, parameters, 'cpus');
    return idle < cpus ? undefined : `${idle} idle CPUs of ${cpus} leave nobody to unmap anything`;
  },
  async measure({ platform, parameters: given, seed }) {
    const number = (name: keyof typeof parameters) => numberIn(given, parameters, name);
    const bench = {
      isLazy: nameIn(given, parameters, 'lazy') === 'yes',
      idle: number('idle'),
      flushes: number('flushes'),
      pages: number('pages'),
      rounds: ROUNDS,
    };
    const cpus = runBench(platform, number('cpus'), seed, lazyWorkload(bench));
    const idle = cpus.slice(cpus.length - bench.idle);
    const others = cpus.slice(1, cpus.length - bench.idle);
    const note = (which: number) => (cpu: (typeof cpus)[number]) => (cpu.notes[which] ?? 0) / ROUNDS;
    return present({
      initiatorCycles: tenth(note(LAZY_NOTE.CYCLES)(cpus[0]) / bench.flushes),
      idleCycles: mean(idle.map(note(LAZY_NOTE.LOST))),
      idleWalks: mean(idle.map(note(LAZY_NOTE.WALKS))),
      otherCycles: mean(others.map(note(LAZY_NOTE.LOST))),
    });
  },
};
