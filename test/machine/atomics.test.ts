import { describe, expect, it } from 'vitest';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import type { Cpu } from '../../src/machine/cpu.ts';
import type { PlatformInput } from '../../src/machine/platform.ts';
import { complete, cpusOf, machineOf, runPrograms, tiny } from '../support/machine.ts';

const PA = 0x1000;
const organisations: Record<string, (p: PlatformInput) => void> = {
  'write-back': () => {},
  'write-through': (p) => (p.l1d.write = 'write-through'),
  'no write allocate': (p) => (p.l1d.allocate = 'read'),
  'behind an L2': (p) => (p.l2 = { sizeBytes: 128, ways: 2 }),
  moesi: (p) => (p.coherence = 'moesi'),
};

describe.each(Object.keys(organisations))('atomics, %s', (name) => {
  const platform = tiny(organisations[name]);

  it('return the old value, and write only if there is a new one', () => {
    const [a, b] = cpusOf(machineOf(platform));
    complete(a.storePhysical(PA, 5));
    expect(complete(b.compareExchange(PA, 4, 9))).toBe(5);
    expect(complete(a.loadPhysical(PA))).toBe(5);
    expect(complete(b.compareExchange(PA, 5, 9))).toBe(5);
    expect(complete(a.loadPhysical(PA))).toBe(9);
    expect(complete(a.fetchAdd(PA, 0xffff_ffff))).toBe(9);
    expect(complete(b.loadPhysical(PA))).toBe(8);
  });

  it('keep to 32 bits without a sign', () => {
    const [a] = cpusOf(machineOf(platform));
    complete(a.storePhysical(PA, 0xffff_ffff));
    expect(complete(a.compareExchange(PA, 0xffff_ffff, 0x8000_0000))).toBe(0xffff_ffff);
    expect(complete(a.fetchAdd(PA, 0x8000_0000))).toBe(0x8000_0000);
    expect(complete(a.loadPhysical(PA))).toBe(0);
  });

  it.each([1, 2, 3])('lose no increment of three CPUs, seed %i', (seed) => {
    const times = 30;
    const program = function* (cpu: Cpu) {
      for (let i = 0; i < times; i++) yield* cpu.fetchAdd(PA, 1);
    };
    const run = runPrograms(platform, [program, program, program], { scheduler: new RandomWalk(seed) });
    expect(run.result.outcome).toBe('finished');
    expect(complete(cpusOf(run.machine)[0].loadPhysical(PA))).toBe(3 * times);
  });

  it.each([1, 2, 3])('nor do exclusives, seed %i', (seed) => {
    const times = 20;
    const program = function* (cpu: Cpu) {
      for (let i = 0; i < times; ) {
        const old = yield* cpu.loadExclusive(PA);
        if (yield* cpu.storeExclusive(PA, old + 1)) i++;
      }
    };
    const run = runPrograms(platform, [program, program, program], { scheduler: new RandomWalk(seed) });
    expect(run.result.outcome).toBe('finished');
    expect(complete(cpusOf(run.machine)[0].loadPhysical(PA))).toBe(3 * times);
  });
});

describe('the exclusive monitor', () => {
  it.each([
    ['a store', (cpu: Cpu) => cpu.storePhysical(PA, 1)],
    ['a store of the value that is there', (cpu: Cpu) => cpu.storePhysical(PA, 0)],
    ['a store to another word of the line', (cpu: Cpu) => cpu.storePhysical(PA + 4, 1)],
    ['an atomic', (cpu: Cpu) => cpu.fetchAdd(PA, 1)],
    ['an uncached store', (cpu: Cpu) => cpu.storePhysical(PA, 1, 4, true)],
  ])('is opened by %s of another CPU', (_, disturb) => {
    const [a, b] = cpusOf(machineOf(tiny()));
    complete(a.loadExclusive(PA));
    complete<unknown>(disturb(b));
    const before = complete(a.loadPhysical(PA));
    expect(complete(a.storeExclusive(PA, 99))).toBe(false);
    expect(complete(a.loadPhysical(PA))).toBe(before);
  });

  it('is not opened by loads, nor by stores elsewhere', () => {
    const [a, b] = cpusOf(machineOf(tiny()));
    complete(a.loadExclusive(PA));
    complete(b.loadPhysical(PA));
    complete(b.storePhysical(PA + 0x100, 1));
    expect(complete(a.storeExclusive(PA, 99))).toBe(true);
    expect(complete(b.loadPhysical(PA))).toBe(99);
  });

  it('is used up by one store, done or not', () => {
    const [a] = cpusOf(machineOf(tiny()));
    expect(complete(a.storeExclusive(PA, 1))).toBe(false);
    complete(a.loadExclusive(PA));
    expect(complete(a.storeExclusive(PA, 2))).toBe(true);
    expect(complete(a.storeExclusive(PA, 3))).toBe(false);
    expect(complete(a.loadPhysical(PA))).toBe(2);
  });
});
