/**
 * Two CPUs that come to wait for each other after both have fallen asleep, by what a third one does: a
 * deadlock that no step of theirs shows.
 */
import type { Cpu, Steps } from '../../src/machine/cpu.ts';
import { CTL, RUN_WATCH } from '../../src/machine/registers.ts';
import type { ProgramContext, StartedProgram, Workload } from '../../src/program/workload.ts';

const LOCK = 5;

function* program(cpu: Cpu): Steps {
  const { cpus, holders } = cpu.machine.state;
  const never = (value: number) => value === 1;
  if (cpu.index === 0) yield* cpu.waitUntil(0x1000, never, { why: 'the lock', holder: LOCK });
  if (cpu.index === 1) yield* cpu.waitUntil(0x1040, never, { why: 'CPU 0', from: 0 });
  const bothWait = () => cpus.slice(0, 2).every(({ ctl }) => Atomics.load(ctl, CTL.RUN) === RUN_WATCH);
  while (!bothWait()) yield* cpu.compute(1);
  holders[LOCK] = 2;
  for (;;) yield* cpu.compute(1);
}

export function createWorkload(): Workload {
  return {
    setup: () => ({}),
    start: ({ cpu }: ProgramContext<unknown>): StartedProgram => ({ program: program(cpu), vectors: null }),
  };
}
