import { describe, expect, it } from 'vitest';
import type { Cpu } from '../../src/machine/cpu.ts';
import type { PlatformInput } from '../../src/machine/platform.ts';
import { complete, cpusOf, letter, machineOf, tiny } from '../support/machine.ts';

const PA = 0x1000;
const CLEAN = { clean: true, invalidate: false };

const fetch = (cpu: Cpu, pa = PA) => complete(cpu.fetch(pa));
const write = (cpu: Cpu, value: number, pa = PA) => complete(cpu.storePhysical(pa, value));

function withFetch(l1i: Partial<PlatformInput['l1i']>, change: (p: PlatformInput) => void = () => {}) {
  const machine = machineOf(
    tiny((p) => {
      p.l1i = { ...p.l1i, ...l1i };
      change(p);
    }),
  );
  const [a, b] = cpusOf(machine);
  return { machine, a, b };
}

describe('a fill of the instruction cache', () => {
  it('sees dirty lines of every data cache where it comes from them', () => {
    const { a, b } = withFetch({ fillsFrom: 'data-caches', snooped: false });
    write(a, 5);
    expect([fetch(a), fetch(b)]).toEqual([5, 5]);
  });

  it('sees only what was cleaned to the point of unification otherwise', () => {
    const { machine, a, b } = withFetch({ fillsFrom: 'unification', snooped: false });
    write(a, 5);
    expect([fetch(a), fetch(b)]).toEqual([0, 0]);
    machine.caches.byAddressStep(a.hw, PA, PA, CLEAN, 'unification');
    // Memory is right now, the copies are not: the second half of the rule.
    expect([machine.peek(PA), fetch(a)]).toEqual([5, 0]);
    machine.caches.fetchByAddressStep(a.hw, PA, PA);
    expect([fetch(a), fetch(b)]).toEqual([5, 0]);
  });

  it.each([
    ['mesi', 5],
    ['none', 0],
  ] as const)('comes from the private L2s together where %s keeps them coherent', (coherence, other) => {
    const { machine, a, b } = withFetch({ fillsFrom: 'unification', snooped: false }, (p) => {
      p.coherence = coherence;
      p.l2 = { sizeBytes: 128, ways: 2 };
    });
    write(a, 5);
    expect(machine.peek(PA)).toBe(0);
    machine.caches.byAddressStep(a.hw, PA, PA, CLEAN, 'unification');
    // Cleaned to that point it is not in memory yet, but nobody fetches past it.
    expect([machine.peek(PA), fetch(a), fetch(b)]).toEqual([0, 5, other]);
    write(a, 6);
    machine.caches.fetchByAddressStep(a.hw, PA, PA);
    machine.caches.fetchByAddressStep(b.hw, PA, PA);
    // What is only in the L1D again is before that point.
    expect([fetch(a), fetch(b)]).toEqual([5, other]);
  });
});

describe('a store to a line that was fetched', () => {
  it.each([
    [true, 5],
    [false, 0],
  ])('snooped %s: the next fetch gets %i', (snooped, seen) => {
    for (const writer of [0, 1]) {
      const { a, b } = withFetch({ snooped });
      expect([fetch(a), fetch(b)]).toEqual([0, 0]);
      write([a, b][writer], 5);
      expect([fetch(a), fetch(b)]).toEqual([seen, seen]);
    }
  });

  it.each([
    ['read it', (cpu: Cpu) => void complete(cpu.loadPhysical(PA))],
    ['wrote it', (cpu: Cpu) => write(cpu, 1)],
  ])('is seen by snooped caches, though the writer had %s before', (_, before) => {
    for (const fillsFrom of ['data-caches', 'unification'] as const) {
      const { machine, a, b } = withFetch({ snooped: true, fillsFrom });
      before(a);
      fetch(a);
      fetch(b);
      write(a, 5);
      machine.caches.byAddressStep(a.hw, PA, PA, CLEAN, 'unification');
      expect([fillsFrom, fetch(a), fetch(b)]).toEqual([fillsFrom, 5, 5]);
    }
  });

  it('is seen after an uncached or a write-through store as well', () => {
    for (const write of ['write-back', 'write-through'] as const) {
      const { a, b } = withFetch({ snooped: true }, (p) => (p.l1d.write = write));
      fetch(b);
      complete(a.storePhysical(PA, 5, 4, false));
      expect(fetch(b)).toBe(5);
    }
  });
});

describe('maintenance of instruction caches', () => {
  it.each([
    ['local', [5, 0]],
    ['broadcast', [5, 5]],
  ] as const)('%s', (icache, seen) => {
    for (const all of [false, true]) {
      const { machine, a, b } = withFetch({ snooped: false }, (p) => (p.maintenance.icache = icache));
      fetch(a);
      fetch(b);
      write(a, 5);
      if (all) machine.caches.fetchAllStep(a.hw);
      else machine.caches.fetchByAddressStep(a.hw, PA, PA);
      expect([fetch(a), fetch(b)]).toEqual(seen);
    }
  });

  it('by address spares other lines, and none touches the data caches', () => {
    const { machine, a } = withFetch({ snooped: false });
    write(a, 5);
    fetch(a, PA + 16);
    machine.caches.fetchByAddressStep(a.hw, PA, PA);
    expect(letter(a.hw.l1i, PA + 16)).toBe('S');
    machine.caches.fetchAllStep(a.hw);
    expect([letter(a.hw.l1i, PA + 16), letter(a.hw.l1d, PA)]).toEqual(['I', 'M']);
  });
});

describe('what an instruction cache has', () => {
  it('keeps a data cache from holding the line for itself, and no longer than it has it', () => {
    const { a } = withFetch({ snooped: true });
    fetch(a);
    complete(a.loadPhysical(PA));
    expect(letter(a.hw.l1d, PA)).toBe('S');
    // Two ways of two sets: three lines of one set push the first one out.
    for (let i = 1; i <= 2; i++) fetch(a, PA + i * 32);
    expect(letter(a.hw.l1i, PA)).toBe('I');
    for (let i = 1; i <= 2; i++) complete(a.loadPhysical(PA + i * 32 + 0x100));
    complete(a.loadPhysical(PA));
    expect(letter(a.hw.l1d, PA)).toBe('E');
  });

  it('is not what a store writes to: fetching goes past the write buffer', () => {
    const { a } = withFetch({}, (p) => (p.writeBufferEntries = 4));
    complete(a.storePhysical(PA, 5));
    expect(fetch(a)).toBe(0);
  });
});
