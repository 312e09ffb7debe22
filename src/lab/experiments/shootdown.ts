/** What a TLB shootdown costs by mechanism: who starts it, who is flushed, who has nothing to do with it. */

import type { CpuResult } from '../../hosts/job.ts';
import { cannotShootDown, machineFor } from '../../kernel/shootdown/mechanisms.ts';
import type { Platform } from '../../machine/platform.ts';
import { mean, present, runBench, tenth } from './bench/run-bench.ts';
import { shootdownWorkload } from './bench/shootdown-bench.ts';
import { mechanism, mechanismIn, passes } from './bench/shootdown-parameters.ts';
import { BENCH_NOTE, type ShootdownBench } from './bench/shootdown-spec.ts';
import { numberIn } from './bench/values.ts';
import type { Experiment } from './experiment.ts';

/** Two measured rounds, after one that warms up: a round is exact, and the second says whether it repeats. */
const ROUNDS = 2;

const parameters = {
  mechanism,
  cpus: { title: 'CPUs', default: 4, min: 1, max: 128 },
  pages: { title: 'pages unmapped at a time', default: 1, min: 1, max: 512 },
  bystanders: { title: 'CPUs, of them, that run another process', default: 0, min: 0, max: 126 },
  own: { title: 'pages that each CPU uses besides', default: 8, min: 0, max: 64 },
  passes: passes(1),
} as const;

export const shootdownMeasures = {
  initiatorCycles: { title: 'initiator, until it goes on', unit: 'cycles' },
  completeCycles: { title: 'until no CPU uses an old translation', unit: 'cycles' },
  targetCycles: { title: 'lost by one target', unit: 'cycles' },
  allTargetsCycles: { title: 'lost by all targets', unit: 'cycles' },
  bystanderCycles: { title: 'lost by one bystander', unit: 'cycles' },
  refillWalks: { title: 'walks of a target when it uses its pages again', unit: 'walks' },
  refillCycles: { title: 'cycles that they cost it', unit: 'cycles' },
} as const;

/** A round of one initiator and its targets, who use nothing else. */
const PLAIN = { rounds: ROUNDS, bystanders: 0, initiators: 1, ownPages: 0, passes: 1 };

/** Measures rounds of a shootdown. @param given what is not as in a plain one. @returns figures a round */
export function measureShootdown(
  platform: Platform,
  cpus: number,
  seed: number,
  given: Pick<ShootdownBench, 'mechanism' | 'pages'> & Partial<Omit<ShootdownBench, 'rounds'>>,
): Record<string, number> {
  const bench: ShootdownBench = { ...PLAIN, ...given };
  const machine = machineFor(platform, bench.mechanism);
  const results = runBench(machine, cpus, seed, shootdownWorkload(bench));
  const users = results.slice(0, cpus - bench.bystanders);
  const initiators = users.slice(0, bench.initiators);
  const targets = users.slice(bench.initiators);
  const bystanders = results.slice(cpus - bench.bystanders);
  const note = (which: number) => (cpu: CpuResult) => (cpu.notes[which] ?? 0) / ROUNDS;
  const lost = targets.map(note(BENCH_NOTE.LOST));
  return present({
    initiatorCycles: mean(initiators.map(note(BENCH_NOTE.CYCLES))),
    completeCycles: mean(initiators.map(note(BENCH_NOTE.COMPLETE))),
    targetCycles: mean(lost),
    allTargetsCycles: lost.length > 0 ? tenth(lost.reduce((sum, cycles) => sum + cycles, 0)) : undefined,
    bystanderCycles: mean(bystanders.map(note(BENCH_NOTE.LOST))),
    refillWalks: mean(targets.map(note(BENCH_NOTE.WALKS))),
    refillCycles: mean(targets.map(note(BENCH_NOTE.REFILL))),
  });
}

export const shootdown: Experiment = {
  name: 'shootdown',
  title: 'pages unmapped that other CPUs use: initiator, targets, bystanders, refills',
  source:
    'Linux arch/x86/mm/tlb.c and arch/arm64/include/asm/tlbflush.h; Nadav Amit, linux-mm 20190531063645.4697-1-namit@vmware.com; LATR (Kumar et al., ASPLOS 2018)',
  parameters,
  measures: shootdownMeasures,
  defaultPlatform: 'neoverse',
  usual: { mechanism: 'cross-call,concurrent,early-ack,lazy,broadcast', pages: '1,8,64', cpus: '1..16:*2' },
  unsupported(platform, given) {
    const cpus = numberIn(given, parameters, 'cpus');
    const bystanders = numberIn(given, parameters, 'bystanders');
    if (bystanders >= cpus) return `${bystanders} bystanders of ${cpus} CPUs leave nobody to unmap anything`;
    return cannotShootDown(platform, mechanismIn(given));
  },
  async measure({ platform, parameters: given, seed }) {
    const number = (name: keyof typeof parameters) => numberIn(given, parameters, name);
    return measureShootdown(platform, number('cpus'), seed, {
      mechanism: mechanismIn(given),
      bystanders: number('bystanders'),
      pages: number('pages'),
      ownPages: number('own'),
      passes: number('passes'),
    });
  },
};
