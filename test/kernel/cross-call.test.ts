import { describe, expect, it, vi } from 'vitest';
import { BootMemory } from '../../src/kernel/boot-memory.ts';
import { CALL_VECTOR, CrossCalls, layCrossCalls } from '../../src/kernel/cross-call.ts';
import { EARLY_CALL_VECTOR, EarlyCalls, layEarlyCalls } from '../../src/kernel/shootdown/early-call.ts';
import type { Cpu, Steps } from '../../src/machine/cpu.ts';
import { complete, cpusOf, machineOf, tiny } from '../support/machine.ts';

const CPUS = 4;
const TARGETS = [1, 2, 3];

interface Sender {
  readonly queuePa: readonly number[];
  readonly vector: number;
  start(cpu: Cpu): Steps;
}

const senders: Readonly<Record<string, (boot: BootMemory) => Sender>> = {
  'plain calls': (boot) => {
    const layout = layCrossCalls(boot, CPUS, null);
    const calls = new CrossCalls(layout, false, []);
    return { ...layout, vector: CALL_VECTOR, start: (cpu) => calls.start(cpu, TARGETS, 0, 1, 2, 3) };
  },
  'calls that are acknowledged early': (boot) => {
    const layout = layEarlyCalls(boot, CPUS);
    const calls = new EarlyCalls(layout, false, function* () {});
    return { ...layout, vector: EARLY_CALL_VECTOR, start: (cpu) => calls.start(cpu, TARGETS, 1, 2, 3) };
  },
};

describe.each(Object.keys(senders))('%s', (name) => {
  /** What the initiator does, in order, with something already in the queues of `busy`. */
  function sent(busy: readonly number[]): string[] {
    const machine = machineOf(tiny(), CPUS);
    const { queuePa, vector, start } = senders[name](new BootMemory(machine));
    for (const target of busy) machine.poke(queuePa[target], 0b1000);
    const [cpu] = cpusOf(machine);
    const order: string[] = [];
    const { modifyPhysical, sendIpi } = cpu;
    vi.spyOn(cpu, 'modifyPhysical').mockImplementation((pa, change, uncached) => {
      order.push(`queue ${queuePa.indexOf(pa)}`);
      return modifyPhysical.call(cpu, pa, change, uncached);
    });
    vi.spyOn(cpu, 'sendIpi').mockImplementation((target, which) => {
      expect(which).toBe(vector);
      order.push(`interrupt ${target}`);
      return sendIpi.call(cpu, target, which);
    });
    complete(start(cpu));
    return order;
  }

  // Linux kernel/smp.c, smp_call_function_many_cond: a loop over the targets that queues, then one send for all of them.
  it('are in every queue before the first interrupt is sent', () => {
    const queued = TARGETS.map((target) => `queue ${target}`);
    expect(sent([])).toEqual([...queued, ...TARGETS.map((target) => `interrupt ${target}`)]);
  });

  it('interrupt nobody who has calls in its queue already', () => {
    expect(sent([2]).filter((one) => one.startsWith('interrupt'))).toEqual(['interrupt 1', 'interrupt 3']);
  });
});
