/**
 * Cross calls: run a function on other CPUs and wait until each has acknowledged. After Linux
 * kernel/smp.c (smp_call_function_many_cond): arguments once per initiator, one flag per initiator and
 * target, and a queue for each target (`CallQueues`).
 */
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { BootMemory } from './boot-memory.ts';
import { CallQueues } from './call-queue.ts';
import { type SpinLock, spinLock, spinUnlock } from './spin-lock.ts';

export const CALL_VECTOR = 0;

export interface CrossCallLayout {
  /** Per target: the line with its mask of initiators (two words). */
  readonly queuePa: readonly number[];
  /** Per initiator: the line with function number and three arguments. */
  readonly argumentsPa: readonly number[];
  /** Per initiator, then target: the line with the flag, 1 until acknowledged. */
  readonly flagPa: readonly (readonly number[])[];
  /** Present where the port serializes cross calls. */
  readonly lock: SpinLock | null;
}

/** What a call makes the target do: `a`, `b`, `c` are words. */
export type CallFunction = (cpu: Cpu, a: number, b: number, c: number) => Steps;

/** Every processor but this one: devices take no calls. */
export function otherProcessors({ machine, index }: Cpu): number[] {
  return machine.state.processors.map((other) => other.index).filter((other) => other !== index);
}

export function layCrossCalls(boot: BootMemory, cpus: number, lock: SpinLock | null): CrossCallLayout {
  const lines = () => Array.from({ length: cpus }, () => boot.line());
  return { queuePa: lines(), argumentsPa: lines(), flagPa: Array.from({ length: cpus }, lines), lock };
}

export class CrossCalls {
  private readonly layout: CrossCallLayout;
  private readonly uncached: boolean;
  private readonly functions: readonly CallFunction[];
  private readonly queues: CallQueues;

  /** @param functions what callers name by number; the same in every thread */
  constructor(layout: CrossCallLayout, uncached: boolean, functions: readonly CallFunction[]) {
    this.layout = layout;
    this.uncached = uncached;
    this.functions = functions;
    this.queues = new CallQueues(layout.queuePa, CALL_VECTOR, uncached);
  }

  /**
   * Runs a function on the targets and returns when all have done it. Two CPUs that do this with
   * interrupts masked wait for each other for ever.
   */
  *call(cpu: Cpu, targets: readonly number[], index: number, a: number, b: number, c: number): Steps {
    yield* this.start(cpu, targets, index, a, b, c);
    yield* this.finish(cpu, targets);
  }

  /** The first half of `call`: returns when every target has been sent for. `finish` with the same targets must follow. */
  *start(cpu: Cpu, targets: readonly number[], index: number, a: number, b: number, c: number): Steps {
    if (targets.length === 0) return;
    const { layout, uncached } = this;
    if (layout.lock) yield* spinLock(cpu, layout.lock, uncached);
    const block = layout.argumentsPa[cpu.index];
    for (const [i, word] of [index, a, b, c].entries()) {
      yield* cpu.storePhysical(block + i * 4, word, 4, uncached);
    }
    const flagPa = layout.flagPa[cpu.index];
    yield* this.queues.send(cpu, targets, (target) => cpu.storePhysical(flagPa[target], 1, 4, uncached));
  }

  /** The second half of `call`: returns when all targets have done it. */
  *finish(cpu: Cpu, targets: readonly number[]): Steps {
    if (targets.length === 0) return;
    const { layout, uncached } = this;
    yield* this.queues.acknowledged(cpu, targets, layout.flagPa[cpu.index]);
    if (layout.lock) yield* spinUnlock(cpu, layout.lock, uncached);
  }

  /** Interrupt handler of CALL_VECTOR. */
  handle(cpu: Cpu): Steps {
    return this.queues.take(cpu, (initiator) => this.answer(cpu, initiator));
  }

  private *answer(cpu: Cpu, initiator: number): Steps {
    const { layout, uncached } = this;
    const block = layout.argumentsPa[initiator];
    const words: number[] = [];
    for (let i = 0; i < 4; i++) words.push(yield* cpu.loadPhysical(block + i * 4, 4, uncached));
    const [index, a, b, c] = words;
    yield* this.functions[index](cpu, a, b, c);
    yield* cpu.dmb();
    yield* cpu.storePhysical(layout.flagPa[initiator][cpu.index], 0, 4, uncached);
  }
}
