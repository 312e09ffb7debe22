/**
 * Queues of calls from one CPU to others: for each target a mask of the CPUs that have called it, in memory. After Linux
 * kernel/smp.c (smp_call_function_many_cond): an IPI only for the first call in a target's queue, and all queues are
 * filled before the first IPI goes out, as there: those who answer early would take the lines and the interconnect from
 * an initiator that still has others to queue for.
 */
import type { Cpu, Steps } from '../machine/cpu.ts';

export class CallQueues {
  private readonly queuePa: readonly number[];
  private readonly vector: number;
  private readonly uncached: boolean;

  /**
   * @param queuePa by target: the line with its mask of initiators, a bit each
   * @param vector of the IPI that says that there is something in a queue
   */
  constructor(queuePa: readonly number[], vector: number, uncached: boolean) {
    this.queuePa = queuePa;
    this.vector = vector;
    this.uncached = uncached;
  }

  /**
   * Puts this CPU into the targets' queues, and sends for those that had nobody in theirs.
   * @param prepare writes what a target needs to know, and the flag that it clears to acknowledge
   */
  *send(cpu: Cpu, targets: readonly number[], prepare: (target: number) => Steps<unknown>): Steps {
    const bit = 1 << (cpu.index & 31);
    const idle: number[] = [];
    for (const target of targets) {
      yield* prepare(target);
      const queue = this.queuePa[target] + (cpu.index >> 5) * 4;
      // The atomic is a full barrier: whoever sees the bit sees the arguments.
      const old = yield* cpu.modifyPhysical(queue, (mask) => (mask | bit) >>> 0, this.uncached);
      if (old === 0) idle.push(target);
    }
    for (const target of idle) yield* cpu.sendIpi(target, this.vector);
  }

  /** Returns when all targets have acknowledged. @param flagPa by target: the word that is 0 from then on */
  *acknowledged(cpu: Cpu, targets: readonly number[], flagPa: readonly number[]): Steps {
    for (const target of targets) {
      yield* cpu.waitUntil(flagPa[target], (flag) => flag === 0, {
        why: `the acknowledgement of its cross call by CPU ${target}`,
        handler: target,
        uncached: this.uncached,
      });
    }
  }

  /** Takes who is in this CPU's own queue, 32 CPUs at a time, and answers one after the other. */
  *take(cpu: Cpu, answer: (initiator: number) => Steps): Steps {
    for (let word = 0; word * 32 < this.queuePa.length; word++) {
      let mask = yield* cpu.modifyPhysical(this.queuePa[cpu.index] + word * 4, () => 0, this.uncached);
      while (mask !== 0) {
        const bit = mask & -mask;
        mask = (mask ^ bit) >>> 0;
        yield* answer(word * 32 + 31 - Math.clz32(bit));
      }
    }
  }
}
