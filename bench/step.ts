/**
 * What a step of a kernel program costs on the lockstep host, per scheduler and with and without the
 * checker, beside a bare generator step. `node --import ./scripts/register-ts.mjs bench/step.ts [--rounds N]`
 */
import { parseArgs } from 'node:util';
import { runLockstep } from '../src/hosts/lockstep.ts';
import { ClockFirst } from '../src/hosts/schedulers/clock-first.ts';
import { RandomWalk } from '../src/hosts/schedulers/random.ts';
import { RoundRobin } from '../src/hosts/schedulers/round-robin.ts';
import { platforms } from '../src/platforms/index.ts';
import { createWorkload } from './workloads/kernel-steps.ts';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '20000' } } });
const rounds = Number(values.rounds);

function* bare(n: number): Generator<number, void, void> {
  for (let i = 0; i < n; i++) yield i;
}

/** Processor time of this process so far, nanoseconds: other processes disturb it less than wall time. */
const processorNanoseconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
};

function bareNanoseconds(): number {
  const n = 20_000_000;
  const program = bare(n);
  const began = processorNanoseconds();
  while (program.next().done !== true);
  return (processorNanoseconds() - began) / n;
}

const schedulers = {
  'round-robin': () => new RoundRobin(),
  random: () => new RandomWalk(1),
  clock: () => new ClockFirst(),
};

function stepNanoseconds(name: keyof typeof schedulers, cpus: number, checked: boolean): number {
  const job = {
    platform: platforms.neoverse,
    cpus,
    source: { module: '', parameters: { rounds } },
    seed: 1,
    checked,
    quantumCycles: 1e12,
    maxSteps: 1e12,
    maxSeconds: 300,
  };
  const workload = createWorkload(job.source.parameters);
  const began = processorNanoseconds();
  const result = runLockstep(job, workload, schedulers[name]());
  if (result.outcome !== 'finished') throw new Error(`${result.outcome} ${result.error ?? ''}`);
  return (processorNanoseconds() - began) / result.steps;
}

const median = (list: number[]) => list.sort((a, b) => a - b)[list.length >> 1];
const reference = median([1, 2, 3, 4, 5].map(bareNanoseconds));
console.log(`kernel program, neoverse, ${rounds} rounds; nanoseconds a step, median of 5`);
console.log(`bare generator step               ${reference.toFixed(0).padStart(5)}`);
for (const name of Object.keys(schedulers) as (keyof typeof schedulers)[]) {
  for (const [cpus, checked] of [
    [1, false],
    [2, false],
    [2, true],
    [8, false],
  ] as const) {
    const ns = median([1, 2, 3, 4, 5].map(() => stepNanoseconds(name, cpus, checked)));
    const label = `${name}, ${cpus} CPU${cpus > 1 ? 's' : ''}${checked ? ', checked' : ''}`;
    console.log(`${label.padEnd(33)} ${ns.toFixed(0).padStart(5)}   ${(ns / reference).toFixed(1)} x bare`);
  }
}
