import { describe, expect, it } from 'vitest';
import type { LineOperation } from '../../src/machine/cache-maintenance.ts';
import type { Cpu } from '../../src/machine/cpu.ts';
import type { Reach } from '../../src/machine/memory-side.ts';
import type { PlatformInput } from '../../src/machine/platform.ts';
import { complete, cpusOf, letter, Mapper, machineOf, runPrograms, tiny } from '../support/machine.ts';

const PA = 0x1000;
const CLEAN = { clean: true, invalidate: false };
const INVALIDATE = { clean: false, invalidate: true };
const BOTH = { clean: true, invalidate: true };

const read = (cpu: Cpu, pa = PA) => complete(cpu.loadPhysical(pa));
const write = (cpu: Cpu, value: number, pa = PA) => complete(cpu.storePhysical(pa, value));

/** A machine with a private L2, an L2 of all CPUs and an outer cache, unless changed. */
function deep(change: (p: PlatformInput) => void = () => {}) {
  const machine = machineOf(
    tiny((p) => {
      p.l2 = { sizeBytes: 128, ways: 2 };
      p.shared = { sizeBytes: 128, ways: 2 };
      p.outer = { sizeBytes: 128, ways: 2, maintainedBy: 'address' };
      change(p);
    }),
  );
  const [a, b] = cpusOf(machine);
  const { shared, outer } = machine.state;
  const { l1d, l2 } = a.hw;
  if (!shared || !outer || !l2) throw new Error('a level is missing');
  const maintain = (operation: LineOperation, reach: Reach, by = a) =>
    machine.caches.byAddressStep(by.hw, PA, PA, operation, reach);
  /** Who has the line, from CPU 0 down to memory: state, and the word it holds. */
  const levels = () => [l1d, l2, shared, outer].map((cache) => letter(cache, PA));
  return { machine, a, b, maintain, levels };
}

describe('by address', () => {
  it('clean to the PoU stops at the private L2', () => {
    const { machine, a, maintain, levels } = deep();
    write(a, 5);
    maintain(CLEAN, 'unification');
    // Clean again in the L1D, and still held for writing: what it cost to get it is not thrown away.
    expect(levels()).toEqual(['E', 'M', 'S', 'S']);
    expect(machine.peek(PA)).toBe(0);
  });

  it('clean to the PoC goes through to memory and leaves clean copies', () => {
    const { machine, a, maintain, levels } = deep();
    write(a, 5);
    maintain(CLEAN, 'coherency');
    expect(levels()).toEqual(['E', 'E', 'S', 'S']);
    expect([machine.peek(PA), read(a)]).toEqual([5, 5]);
    write(a, 6);
    expect(levels().slice(0, 1)).toEqual(['M']);
  });

  it('clean and invalidate to the PoC leaves no copy above memory', () => {
    const { machine, a, maintain, levels } = deep();
    write(a, 5);
    maintain(BOTH, 'coherency');
    expect(levels()).toEqual(['I', 'I', 'I', 'I']);
    expect([machine.peek(PA), read(a)]).toEqual([5, 5]);
  });

  it('invalidate to the PoC throws the newest value away', () => {
    const { machine, a, maintain, levels } = deep();
    machine.poke(PA, 1);
    write(a, 5);
    maintain(INVALIDATE, 'coherency');
    expect(levels()).toEqual(['I', 'I', 'I', 'I']);
    expect(read(a)).toBe(1);
  });

  it('invalidate to the PoU leaves the L2 as it was', () => {
    const { a, maintain, levels } = deep();
    write(a, 5);
    maintain(CLEAN, 'unification');
    write(a, 6);
    maintain(INVALIDATE, 'unification');
    expect(levels().slice(0, 2)).toEqual(['I', 'M']);
    expect(read(a)).toBe(5);
  });

  it('cleans what sits dirty in a lower level only', () => {
    const { machine, a, maintain, levels } = deep();
    write(a, 5);
    maintain(BOTH, 'unification');
    expect(levels().slice(0, 2)).toEqual(['I', 'M']);
    maintain(CLEAN, 'coherency');
    expect([levels()[1], machine.peek(PA)]).toEqual(['E', 5]);
  });

  it('does not reach an outer cache with a controller of its own, but "memory" does', () => {
    const { machine, a, maintain, levels } = deep((p) => {
      if (p.outer) p.outer.maintainedBy = 'controller';
    });
    read(a);
    write(a, 5);
    maintain(BOTH, 'coherency');
    expect(levels()).toEqual(['I', 'I', 'I', 'M']);
    expect([machine.peek(PA), read(a)]).toEqual([0, 5]);
    maintain(BOTH, 'memory');
    expect(levels()).toEqual(['I', 'I', 'I', 'I']);
    expect(machine.peek(PA)).toBe(5);
  });

  it.each([
    ['local', 0],
    ['broadcast', 5],
  ] as const)('%s: memory has %i after one CPU cleans what another wrote', (byAddress, memory) => {
    const machine = machineOf(
      tiny((p) => {
        p.maintenance.byAddress = byAddress;
        p.coherence = 'none';
        p.l1i.snooped = false;
      }),
    );
    const [a, b] = cpusOf(machine);
    write(b, 5);
    machine.caches.byAddressStep(a.hw, PA, PA, CLEAN, 'coherency');
    expect(machine.peek(PA)).toBe(memory);
    expect(letter(b.hw.l1d, PA)).toBe(memory === 5 ? 'E' : 'M');
    machine.caches.byAddressStep(a.hw, PA, PA, INVALIDATE, 'coherency');
    expect(letter(b.hw.l1d, PA)).toBe(memory === 5 ? 'I' : 'M');
  });

  it('leaves every other line alone', () => {
    const { a, maintain } = deep();
    write(a, 7, PA + 16);
    write(a, 5);
    maintain(INVALIDATE, 'coherency');
    expect(read(a, PA + 16)).toBe(7);
  });

  it('acts on a disabled cache', () => {
    const { machine, a, maintain } = deep();
    write(a, 5);
    complete(a.setCaches(false));
    expect(read(a)).toBe(0);
    maintain(BOTH, 'coherency');
    expect([machine.peek(PA), read(a)]).toEqual([5, 5]);
  });

  it('through an alias of another colour misses the line', () => {
    const machine = machineOf(
      tiny((p) => {
        p.l1d = { sizeBytes: 16384, ways: 2, organisation: 'vipt', aliasPolicy: 'unmanaged' };
      }),
    );
    const mapper = new Mapper(machine);
    mapper.map(0x40_0000, PA);
    const [a] = cpusOf(machine);
    complete(a.setContext(mapper.root, 1));
    complete(a.store(0x40_0000, 5));
    machine.caches.byAddressStep(a.hw, 0x40_1000, PA, CLEAN, 'coherency');
    expect(machine.peek(PA)).toBe(0);
    machine.caches.byAddressStep(a.hw, 0x40_0000, PA, CLEAN, 'coherency');
    expect(machine.peek(PA)).toBe(5);
  });

  it('opens the monitor and wakes the waiter of a CPU that loses its line', () => {
    const { machine, a, b } = deep((p) => (p.maintenance.byAddress = 'broadcast'));
    complete(b.loadExclusive(PA));
    machine.caches.byAddressStep(a.hw, PA, PA, BOTH, 'coherency');
    expect(complete(b.storeExclusive(PA, 1))).toBe(false);
  });

  it('is a finding when it throws the newest store away, and none when that was cleaned first', () => {
    const program = (operations: LineOperation[]) =>
      function* (cpu: Cpu) {
        yield* cpu.storePhysical(PA, 5);
        for (const operation of operations) {
          yield 0;
          cpu.machine.caches.byAddressStep(cpu.hw, PA, PA, operation, 'coherency');
        }
      };
    const lost = runPrograms(tiny(), [program([INVALIDATE])]).result;
    expect(lost.findings.map(({ kind, pa, cpu }) => [kind, pa, cpu])).toEqual([['lost-write', PA, 0]]);
    expect(runPrograms(tiny(), [program([CLEAN, INVALIDATE])]).result.outcome).toBe('finished');
    expect(runPrograms(tiny(), [program([BOTH])]).result.outcome).toBe('finished');
  });
});

describe('by set and way', () => {
  it('is local, whatever maintenance by address is', () => {
    const machine = machineOf(tiny((p) => (p.maintenance.byAddress = 'broadcast')));
    const [a, b] = cpusOf(machine);
    write(b, 5);
    const { l1d } = a.hw;
    for (let set = 0; set < l1d.sets; set++) {
      for (let way = 0; way < l1d.ways; way++) machine.caches.bySetWayStep(a.hw, 'l1d', set, way, BOTH);
    }
    expect([machine.peek(PA), letter(b.hw.l1d, PA)]).toEqual([0, 'M']);
  });

  it('of every set and way of every level empties this CPU to memory', () => {
    const { machine, a } = deep((p) => {
      p.maintenance.setWayReachesShared = true;
      delete p.outer;
      p.outer = { sizeBytes: 128, ways: 2, maintainedBy: 'address' };
    });
    for (let i = 0; i < 8; i++) write(a, i + 1, PA + i * 16);
    const { l1d, l2 } = a.hw;
    const { shared, outer } = machine.state;
    for (const [name, cache] of [['l1d', l1d] as const, ['l2', l2] as const, ['shared', shared] as const]) {
      if (!cache) continue;
      for (let slot = 0; slot < cache.lines; slot++) {
        const set = Math.floor(slot / cache.ways);
        machine.caches.bySetWayStep(a.hw, name, set, slot % cache.ways, BOTH);
      }
      expect([...cache.pa].every((line) => line < 0)).toBe(true);
    }
    // The outer cache is not reached: what was in it stays there, and memory has the rest.
    for (let i = 0; i < 8; i++) {
      const slot = outer ? outer.findPhysical((PA >>> 4) + i, -1) : -1;
      const below = outer && slot >= 0 ? outer.data[slot * 4] : machine.peek(PA + i * 16);
      expect(below).toBe(i + 1);
    }
  });

  it('spares the shared L2 where the platform says so', () => {
    const { machine, a } = deep();
    write(a, 5);
    const { shared } = machine.state;
    for (let slot = 0; slot < 8; slot++) {
      machine.caches.bySetWayStep(a.hw, 'shared', slot >> 1, slot & 1, INVALIDATE);
    }
    expect(shared && letter(shared, PA)).toBe('S');
  });
});
