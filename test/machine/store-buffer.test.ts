import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeAction } from '../../src/machine/agents.ts';
import type { Cpu } from '../../src/machine/cpu.ts';
import { complete, cpusOf, letter, machineOf, runPrograms, Scripted, tiny } from '../support/machine.ts';

const PA = 0x1000;
const buffered = (entries = 4) =>
  tiny((p) => {
    p.writeBufferEntries = entries;
    p.agents = ['drain'];
  });

const read = (cpu: Cpu, pa: number, size = 4) => complete(cpu.loadPhysical(pa, size));
const write = (cpu: Cpu, pa: number, value: number, size = 4) => complete(cpu.storePhysical(pa, value, size));

describe('forwarding', () => {
  it('shows a CPU its own stores, and nobody else', () => {
    const [a, b] = cpusOf(machineOf(buffered()));
    write(a, PA, 5);
    expect([read(a, PA), read(b, PA)]).toEqual([5, 0]);
    expect(letter(a.hw.l1d, PA)).toBe('I');
    complete(a.drainAll());
    expect([read(a, PA), read(b, PA)]).toEqual([5, 5]);
  });

  it('takes the newest of several stores', () => {
    const [a] = cpusOf(machineOf(buffered()));
    write(a, PA, 5);
    write(a, PA, 6);
    expect([read(a, PA), a.hw.buffered]).toEqual([6, 2]);
  });

  it('takes a part of a wider store, of either half', () => {
    const [a] = cpusOf(machineOf(buffered()));
    write(a, PA, 0x1_2345 * 2 ** 32 + 0x89abcdef, 8);
    expect([read(a, PA), read(a, PA + 4), read(a, PA + 1, 1), read(a, PA + 6, 2)]).toEqual([
      0x89abcdef, 0x12345, 0xcd, 1,
    ]);
    expect([read(a, PA, 8), a.hw.buffered]).toEqual([0x1_2345 * 2 ** 32 + 0x89abcdef, 1]);
  });

  it('of a part drains first, and merges with what is behind', () => {
    const machine = machineOf(buffered());
    const [a] = cpusOf(machine);
    machine.poke(PA, 0x11223344);
    write(a, PA + 1, 0xff, 1);
    expect([read(a, PA), a.hw.buffered]).toEqual([0x1122ff44, 0]);
  });

  it('is one memory to the CPU itself, whatever it mixes', () => {
    const access = fc.record({
      size: fc.constantFrom(1, 2, 4, 8),
      at: fc.nat(15),
      value: fc.nat(),
      store: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(access, { maxLength: 40 }), fc.integer({ min: 1, max: 4 }), (list, entries) => {
        const withBuffer = cpusOf(machineOf(buffered(entries)))[0];
        const without = cpusOf(machineOf(tiny()))[0];
        for (const { size, at, value, store } of list) {
          const pa = PA + at * 2 - ((at * 2) % size);
          if (store) for (const cpu of [withBuffer, without]) write(cpu, pa, value, size);
          else expect(read(withBuffer, pa, size)).toBe(read(without, pa, size));
        }
      }),
    );
  });
});

describe('draining', () => {
  it('goes in order, oldest first', () => {
    const machine = machineOf(buffered());
    const [a, b] = cpusOf(machine);
    write(a, PA, 1);
    write(a, PA + 64, 2);
    a.drainStep();
    expect([read(b, PA), read(b, PA + 64)]).toEqual([1, 0]);
    a.drainStep();
    expect(read(b, PA + 64)).toBe(2);
  });

  it('makes room when the buffer is full', () => {
    const [a, b] = cpusOf(machineOf(buffered(2)));
    for (let i = 0; i < 5; i++) write(a, PA + i * 16, i + 1);
    expect(a.hw.buffered).toBe(2);
    expect([0, 1, 2, 3, 4].map((i) => read(b, PA + i * 16))).toEqual([1, 2, 3, 0, 0]);
  });

  it.each([
    ['dmb', (cpu: Cpu) => cpu.dmb()],
    ['dsb', (cpu: Cpu) => cpu.dsb()],
    ['an atomic', (cpu: Cpu) => cpu.modifyPhysical(PA + 0x100, () => undefined)],
    ['an exclusive load', (cpu: Cpu) => cpu.loadExclusive(PA + 0x100)],
    ['turning caches off', (cpu: Cpu) => cpu.setCaches(false)],
    ['a context switch', (cpu: Cpu) => cpu.setContext(0x20000, 1)],
  ])('is what %s does first', (_, barrier) => {
    const [a, b] = cpusOf(machineOf(buffered()));
    write(a, PA, 1);
    complete<unknown>(barrier(a));
    expect([a.hw.buffered, read(b, PA)]).toEqual([0, 1]);
  });

  it('is not what isb does', () => {
    const [a] = cpusOf(machineOf(buffered()));
    write(a, PA, 1);
    complete(a.isb());
    expect(a.hw.buffered).toBe(1);
  });

  it('is done before the program counts as ended', () => {
    const { result, machine } = runPrograms(buffered(), [
      function* (cpu) {
        yield* cpu.storePhysical(PA, 1);
      },
    ]);
    expect([result.outcome, machine.state.cpus[0].buffered]).toEqual(['finished', 0]);
  });
});

describe('store buffering, the litmus test', () => {
  const X = PA;
  const Y = PA + 64;
  const drain = (cpu: number) => encodeAction('drain', cpu, 0);

  function both(barrier: boolean, choices: number[]): number[] {
    const seen = [-1, -1];
    const side = (mine: number, other: number) =>
      function* (cpu: Cpu) {
        yield* cpu.storePhysical(mine, 1);
        if (barrier) yield* cpu.dmb();
        seen[cpu.index] = yield* cpu.loadPhysical(other);
      };
    const { result } = runPrograms(buffered(), [side(X, Y), side(Y, X)], {
      scheduler: new Scripted(choices),
    });
    expect(result.outcome).toBe('finished');
    return seen;
  }

  // The first choice of a CPU takes it to its first step.
  it('both may read the old value', () => {
    expect(both(false, [0, 0, 1, 1, 0, 1])).toEqual([0, 0]);
  });

  it('not if the stores drain in time', () => {
    expect(both(false, [0, 0, 1, 1, drain(0), drain(1), 0, 1])).toEqual([1, 1]);
  });

  it('never with a barrier, in any order of the steps', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1), { maxLength: 5 }), (choices) => {
        expect(both(true, choices)).not.toEqual([0, 0]);
      }),
    );
  });
});
