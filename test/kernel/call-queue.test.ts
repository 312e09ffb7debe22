import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BootMemory } from '../../src/kernel/boot-memory.ts';
import { CallQueues } from '../../src/kernel/call-queue.ts';
import { complete, cpusOf, machineOf, tiny } from '../support/machine.ts';

/** More than a word of the mask has bits. */
const CPUS = 40;
const TARGET = 5;

function* nothing() {}

describe('a queue of calls', () => {
  it('gives its target everybody who is in it once, from the lowest number on', () => {
    const initiators = fc.uniqueArray(fc.integer({ min: 0, max: CPUS - 1 }), { maxLength: CPUS });
    fc.assert(
      fc.property(initiators, (who) => {
        const machine = machineOf(tiny(), CPUS);
        const cpus = cpusOf(machine);
        const boot = new BootMemory(machine);
        const queues = new CallQueues(
          cpus.map(() => boot.line()),
          0,
          false,
        );
        for (const index of who) complete(queues.send(cpus[index], [TARGET], nothing));
        const answered: number[] = [];
        const take = () =>
          complete(
            queues.take(cpus[TARGET], function* (initiator) {
              answered.push(initiator);
            }),
          );
        take();
        expect(answered).toEqual([...who].sort((a, b) => a - b));
        take();
        expect(answered).toHaveLength(who.length);
      }),
      { numRuns: 20 },
    );
  });
});
