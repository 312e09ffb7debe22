import { describe, expect, it } from 'vitest';
import { ClockFirst } from '../../src/hosts/schedulers/clock-first.ts';
import { BootMemory } from '../../src/kernel/boot-memory.ts';
import { CrossCalls, type CrossCallLayout, layCrossCalls } from '../../src/kernel/cross-call.ts';
import { EarlyCalls, type EarlyCallLayout, layEarlyCalls } from '../../src/kernel/shootdown/early-call.ts';
import type { Cpu, Steps } from '../../src/machine/cpu.ts';
import { platforms } from '../../src/platforms/index.ts';
import { type Program, runPrograms, vectorsWith } from '../support/machine.ts';

const TARGETS = [1, 2, 3, 4, 5];
const CPUS = 1 + TARGETS.length;
const platform = platforms['x86-haswell'];

interface Calls {
  start(cpu: Cpu): Steps;
  finish(cpu: Cpu): Steps;
  handle(cpu: Cpu): Steps;
}

/** One call of all targets. @returns when the initiator had sent for all, and when each target entered its handler */
function callAll(lay: (boot: BootMemory) => (cpu: Cpu) => Calls) {
  let callsOf: ((cpu: Cpu) => Calls) | undefined;
  let sent = 0;
  const queued: number[] = [];
  const program: Program = function* (cpu) {
    const calls = callsOf?.(cpu);
    if (!calls) return;
    if (cpu.index > 0) {
      yield* cpu.waitUntil(doneAt, (done) => done === 1, { why: 'the end' });
      return;
    }
    yield* calls.start(cpu);
    sent = cpu.clock;
    yield* calls.finish(cpu);
    yield* cpu.storePhysical(doneAt, 1);
  };
  let doneAt = 0;
  const { result } = runPrograms(
    platform,
    Array.from({ length: CPUS }, () => program),
    {
      scheduler: new ClockFirst(),
      checked: false,
      setup: (machine) => {
        const boot = new BootMemory(machine);
        callsOf = lay(boot);
        doneAt = boot.line();
      },
      vectors: () =>
        vectorsWith(function* (cpu) {
          queued.push(cpu.clock);
          yield* callsOf?.(cpu).handle(cpu) ?? [];
        }),
    },
  );
  return { result, sent, entered: queued };
}
