/**
 * Cross calls that a target acknowledges before it does what it is called for, with the arguments in the line of the
 * flag that it acknowledges in. After Nadav Amit, "x86: Flush remote TLBs concurrently and async" (linux-mm,
 * 20190531063645.4697-1-namit@vmware.com): the handler runs with interrupts masked and touches no user memory, so
 * from its entry on the CPU uses none of the translations that it is about to remove. That holds for pages alone:
 * page tables must not be freed after such a call, because a walk may go through them until the flush.
 *
 * Two stores more for each target than a plain call has (`CrossCalls`). In Linux it is as many: there a plain call
 * writes flags, function and pointer for each target, and one with its data inlined also the range and the space.
 */
import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { BootMemory } from '../boot-memory.ts';
import { CallQueues } from '../call-queue.ts';

export const EARLY_CALL_VECTOR = 1;

export interface EarlyCallLayout {
  /** Per target: the line with its mask of initiators. */
  readonly queuePa: readonly number[];
  /** Per initiator, then target: the line with the flag, which is 1 more than the first argument until acknowledged, and two more. */
  readonly linePa: readonly (readonly number[])[];
}

/** What a target does after it has acknowledged: `a` is a small number, `b` and `c` are words. */
type EarlyFunction = (cpu: Cpu, a: number, b: number, c: number) => Steps;

export function layEarlyCalls(boot: BootMemory, cpus: number): EarlyCallLayout {
  const lines = () => Array.from({ length: cpus }, () => boot.line());
  return { queuePa: lines(), linePa: Array.from({ length: cpus }, lines) };
}

export class EarlyCalls {
  private readonly layout: EarlyCallLayout;
  private readonly uncached: boolean;
  private readonly run: EarlyFunction;
  private readonly acknowledgesEarly: boolean;
  private readonly queues: CallQueues;

  /**
   * @param run what the targets do
   * @param acknowledgesEarly false: acknowledge when it is done
   */
  constructor(layout: EarlyCallLayout, uncached: boolean, run: EarlyFunction, acknowledgesEarly = true) {
    this.layout = layout;
    this.uncached = uncached;
    this.run = run;
    this.acknowledgesEarly = acknowledgesEarly;
    this.queues = new CallQueues(layout.queuePa, EARLY_CALL_VECTOR, uncached);
  }

  /** Sends for the targets. `finish` with the same targets must follow. */
  start(cpu: Cpu, targets: readonly number[], a: number, b: number, c: number): Steps {
    const { uncached } = this;
    const linePa = this.layout.linePa[cpu.index];
    return this.queues.send(cpu, targets, function* (target) {
      const line = linePa[target];
      yield* cpu.storePhysical(line + 4, b, 4, uncached);
      yield* cpu.storePhysical(line + 8, c, 4, uncached);
      yield* cpu.storePhysical(line, a + 1, 4, uncached);
    });
  }

  /** Returns when all targets are in their handlers, or past them. */
  finish(cpu: Cpu, targets: readonly number[]): Steps {
    return this.queues.acknowledged(cpu, targets, this.layout.linePa[cpu.index]);
  }

  /** Interrupt handler of EARLY_CALL_VECTOR. */
  handle(cpu: Cpu): Steps {
    const { linePa } = this.layout;
    return this.queues.take(cpu, (initiator) => this.answer(cpu, linePa[initiator][cpu.index]));
  }

  private *answer(cpu: Cpu, line: number): Steps {
    const a = (yield* cpu.loadPhysical(line, 4, this.uncached)) - 1;
    const b = yield* cpu.loadPhysical(line + 4, 4, this.uncached);
    const c = yield* cpu.loadPhysical(line + 8, 4, this.uncached);
    if (this.acknowledgesEarly) yield* cpu.storePhysical(line, 0, 4, this.uncached);
    yield* this.run(cpu, a, b, c);
    if (this.acknowledgesEarly) return;
    yield* cpu.dmb();
    yield* cpu.storePhysical(line, 0, 4, this.uncached);
  }
}
