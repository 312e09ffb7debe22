import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cpu } from '../../src/machine/cpu.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { Platform, PlatformInput } from '../../src/machine/platform.ts';
import { COUNT } from '../../src/machine/registers.ts';
import { complete, cpusOf, letter, Mapper, machineOf, tiny } from '../support/machine.ts';

const PA = 0x1000;

const read = (cpu: Cpu, pa: number, size = 4) => complete(cpu.loadPhysical(pa, size));
const write = (cpu: Cpu, pa: number, value: number, size = 4) => complete(cpu.storePhysical(pa, value, size));

/** Takes the line out of the CPU's L1D as a victim. */
function evict(machine: Machine, cpu: Cpu, pa: number): void {
  const slot = cpu.hw.l1d.findPhysical(pa >>> machine.state.lineShift, -1);
  if (slot >= 0) machine.coherence.evictL1(cpu.hw, slot);
}

describe('sizes', () => {
  const access = fc.record({
    size: fc.constantFrom(1, 2, 4, 8),
    at: fc.nat(7),
    value: fc.maxSafeNat(),
    store: fc.boolean(),
    cpu: fc.nat(1),
    uncached: fc.boolean(),
  });

  /** What a flat array of bytes makes of an access. */
  function model(bytes: DataView, size: number, at: number): number {
    if (size === 1) return bytes.getUint8(at);
    if (size === 2) return bytes.getUint16(at, true);
    if (size === 4) return bytes.getUint32(at, true);
    return bytes.getUint32(at, true) + (bytes.getUint32(at + 4, true) & 0x1f_ffff) * 2 ** 32;
  }

  function modelStore(bytes: DataView, size: number, at: number, value: number): void {
    const low = value % 2 ** 32;
    if (size === 1) bytes.setUint8(at, low & 0xff);
    else if (size === 2) bytes.setUint16(at, low & 0xffff, true);
    else bytes.setUint32(at, low, true);
    if (size === 8) bytes.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
  }

  it.each([
    ['cached', false],
    ['uncached', true],
  ] as const)('of 1, 2, 4 and 8 bytes merge as in an array of bytes, %s', (_, uncached) => {
    fc.assert(
      fc.property(fc.array(access, { maxLength: 60 }), (accesses) => {
        const cpus = cpusOf(machineOf(tiny()));
        const bytes = new DataView(new ArrayBuffer(64));
        for (const { size, at, value, store, cpu } of accesses) {
          const offset = at * 8 - ((at * 8) % size);
          if (store) {
            complete(cpus[cpu].storePhysical(PA + offset, value, size, uncached));
            modelStore(bytes, size, offset, value);
          } else {
            expect(complete(cpus[cpu].loadPhysical(PA + offset, size, uncached))).toBe(
              model(bytes, size, offset),
            );
          }
        }
      }),
    );
  });

  it('lets a narrow store leave the rest of the word alone', () => {
    const [cpu] = cpusOf(machineOf(tiny()));
    write(cpu, PA, 0x11223344);
    write(cpu, PA + 1, 0xff, 1);
    write(cpu, PA + 2, 0xabcd, 2);
    expect(read(cpu, PA)).toBe(0xabcdff44);
    expect([0, 1, 2, 3].map((i) => read(cpu, PA + i, 1))).toEqual([0x44, 0xff, 0xcd, 0xab]);
  });
});

/**
 * The protocols by their definition, for one line and two CPUs: own state and the other's, before a read
 * or a write, and after. Reads and writes by the other one are the same with the roles exchanged.
 */
type Rule = readonly [own: string, other: string, read: string, write: string];
const shared: readonly Rule[] = [
  ['S', 'S', 'SS', 'MI'],
  ['S', 'I', 'SI', 'MI'],
  ['I', 'S', 'SS', 'MI'],
  ['M', 'I', 'MI', 'MI'],
];
const exclusive: readonly Rule[] = [
  ['I', 'I', 'EI', 'MI'],
  ['E', 'I', 'EI', 'MI'],
  ['I', 'E', 'SS', 'MI'],
];
const protocols: Record<'msi' | 'mesi' | 'moesi', readonly Rule[]> = {
  msi: [...shared, ['I', 'I', 'SI', 'MI'], ['I', 'M', 'SS', 'MI']],
  mesi: [...shared, ...exclusive, ['I', 'M', 'SS', 'MI']],
  moesi: [
    ...shared,
    ...exclusive,
    ['I', 'M', 'SO', 'MI'],
    ['O', 'S', 'OS', 'MI'],
    ['S', 'O', 'SO', 'MI'],
    ['O', 'I', 'OI', 'MI'],
    ['I', 'O', 'SO', 'MI'],
  ],
};
type Protocol = keyof typeof protocols;

const operations = fc.array(fc.record({ cpu: fc.nat(1), kind: fc.constantFrom('read', 'write', 'evict') }), {
  minLength: 20,
  maxLength: 40,
});

const withProtocol = (coherence: Protocol, change: (p: PlatformInput) => void = () => {}) =>
  tiny((p) => {
    p.coherence = coherence;
    change(p);
  });

describe.each(Object.keys(protocols) as Protocol[])('%s between two CPUs', (protocol) => {
  const rules = protocols[protocol];

  it.each(['flat', 'behind a private L2'])('goes from state to state as it is defined, %s', (where) => {
    const platform = withProtocol(protocol, (p) => {
      if (where !== 'flat') p.l2 = { sizeBytes: 128, ways: 2 };
    });
    const seen = new Set<string>();
    fc.assert(
      fc.property(operations, (list) => {
        const machine = machineOf(platform);
        const cpus = cpusOf(machine);
        // With an L2 the state of a CPU's copy is that of the level that other CPUs see, or the dirtier.
        const state = (i: number) => {
          const { l1d, l2 } = machine.state.cpus[i];
          const levels = [letter(l1d, PA), ...(l2 ? [letter(l2, PA)] : [])];
          return levels.includes('M') ? 'M' : (levels.at(-1) ?? 'I');
        };
        const expected = ['I', 'I'];
        let newest = 0;
        for (const [n, { cpu, kind }] of list.entries()) {
          if (kind === 'evict') {
            const { l2 } = machine.state.cpus[cpu];
            const below = l2 ? l2.findPhysical(PA >>> 4, -1) : -1;
            if (l2 && below >= 0) machine.coherence.evictL2(machine.state.cpus[cpu], l2, below);
            else if (!l2) evict(machine, cpus[cpu], PA);
            expected[cpu] = 'I';
          } else {
            const rule = rules.find(([own, other]) => own === expected[cpu] && other === expected[1 - cpu]);
            if (!rule) throw new Error(`no rule for ${expected}`);
            seen.add(`${rule[0]}${rule[1]}`);
            const next = kind === 'read' ? rule[2] : rule[3];
            if (kind === 'read') expect(read(cpus[cpu], PA)).toBe(newest);
            else {
              newest = n + 1;
              write(cpus[cpu], PA, newest);
            }
            expected[cpu] = next[0];
            expected[1 - cpu] = next[1];
          }
          expect([state(0), state(1)]).toEqual(expected);
          // Memory may be behind only while somebody is responsible for it.
          if (!expected.includes('M') && !expected.includes('O')) expect(machine.peek(PA)).toBe(newest);
        }
      }),
      { numRuns: 300 },
    );
    // Every state that the definition knows was reached, or the test says less than it seems to.
    expect(seen.size).toBe(rules.length);
  });
});

describe('what each protocol is for', () => {
  it('MSI asks before the first store to a line that nobody else has, MESI does not', () => {
    const upgrades = (protocol: Protocol) => {
      const [cpu] = cpusOf(machineOf(withProtocol(protocol)));
      read(cpu, PA);
      write(cpu, PA, 1);
      return cpu.hw.counters[COUNT.upgrades];
    };
    expect(upgrades('msi')).toBe(1);
    expect(upgrades('mesi')).toBe(0);
  });

  it('MOESI shares a dirty line without writing it back, MESI writes it back', () => {
    const memory = (protocol: Protocol) => {
      const machine = machineOf(withProtocol(protocol));
      const [a, b] = cpusOf(machine);
      write(a, PA, 7);
      expect(read(b, PA)).toBe(7);
      return machine.peek(PA);
    };
    expect(memory('moesi')).toBe(0);
    expect(memory('mesi')).toBe(7);
  });

  it('without a protocol a CPU keeps what it has', () => {
    const platform = tiny((p) => {
      p.coherence = 'none';
      p.l1i.snooped = false;
    });
    const machine = machineOf(platform);
    const [a, b] = cpusOf(machine);
    read(b, PA);
    write(a, PA, 7);
    expect([read(a, PA), read(b, PA), machine.peek(PA)]).toEqual([7, 0, 0]);
  });
});

/** Private and common levels, protocols and write policies, in all mixtures that the checks allow. */
const organisation = fc
  .record({
    coherence: fc.constantFrom('msi' as const, 'mesi' as const, 'moesi' as const),
    write: fc.constantFrom('write-back' as const, 'write-through' as const),
    allocate: fc.constantFrom('read-write' as const, 'read' as const),
    l2: fc.boolean(),
    shared: fc.boolean(),
    outer: fc.boolean(),
    replacement: fc.constantFrom('lru' as const, 'round-robin' as const, 'random' as const),
  })
  .filter((o) => !(o.coherence === 'moesi' && o.write === 'write-through' && !o.l2));

function organised(o: typeof organisation extends fc.Arbitrary<infer T> ? T : never): Platform {
  return tiny((p) => {
    p.coherence = o.coherence;
    p.l1d = { ...p.l1d, write: o.write, allocate: o.allocate, replacement: o.replacement };
    if (o.l2) p.l2 = { sizeBytes: 64, ways: 2, replacement: o.replacement };
    if (o.shared) p.shared = { sizeBytes: 128, ways: 2 };
    if (o.outer) p.outer = { sizeBytes: 128, ways: 2, maintainedBy: 'address' };
  });
}

const traffic = fc.array(
  fc.record({ cpu: fc.nat(2), line: fc.nat(7), word: fc.nat(3), kind: fc.constantFrom('r', 'w', 'a') }),
  { minLength: 1, maxLength: 120 },
);

describe('every organisation of coherent caches', () => {
  it('is one memory: a load sees the newest store', () => {
    fc.assert(
      fc.property(organisation, traffic, (o, list) => {
        const machine = machineOf(organised(o), 3);
        const cpus = cpusOf(machine);
        const memory = new Map<number, number>();
        for (const [n, { cpu, line, word, kind }] of list.entries()) {
          const pa = PA + line * 16 + word * 4;
          const newest = memory.get(pa) ?? 0;
          if (kind === 'r') expect(read(cpus[cpu], pa)).toBe(newest);
          else if (kind === 'w') write(cpus[cpu], pa, n + 1);
          else expect(complete(cpus[cpu].modifyPhysical(pa, () => n + 1))).toBe(newest);
          if (kind !== 'r') memory.set(pa, n + 1);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('has one writer or many readers, and the private L2 includes the L1D', () => {
    fc.assert(
      fc.property(organisation, traffic, (o, list) => {
        const machine = machineOf(organised(o), 3);
        const cpus = cpusOf(machine);
        for (const [n, { cpu, line, word, kind }] of list.entries()) {
          const pa = PA + line * 16 + word * 4;
          if (kind === 'r') read(cpus[cpu], pa);
          else write(cpus[cpu], pa, n);
        }
        for (let line = 0; line < 8; line++) {
          const pa = PA + line * 16;
          const states = machine.state.cpus.map(({ l1d, l2 }) => letter(l2 ?? l1d, pa));
          const copies = states.filter((state) => state !== 'I').length;
          if (states.includes('M') || states.includes('E')) expect(copies).toBe(1);
          expect(states.filter((state) => state === 'O').length).toBeLessThanOrEqual(1);
          for (const { l1d, l2 } of machine.state.cpus) {
            if (l2 && letter(l1d, pa) !== 'I') expect(letter(l2, pa)).not.toBe('I');
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('write policies', () => {
  it('write-through leaves nothing dirty and memory new', () => {
    const machine = machineOf(withProtocol('mesi', (p) => (p.l1d.write = 'write-through')));
    const [a, b] = cpusOf(machine);
    read(a, PA);
    write(a, PA, 5);
    expect(machine.peek(PA)).toBe(5);
    expect(letter(a.hw.l1d, PA)).not.toBe('M');
    expect([read(a, PA), read(b, PA)]).toEqual([5, 5]);
  });

  it('write-through stops at the private L2', () => {
    const machine = machineOf(
      withProtocol('mesi', (p) => {
        p.l1d.write = 'write-through';
        p.l2 = { sizeBytes: 128, ways: 2 };
      }),
    );
    const [a] = cpusOf(machine);
    read(a, PA);
    write(a, PA, 5);
    const { l1d, l2 } = a.hw;
    expect(machine.peek(PA)).toBe(0);
    expect(letter(l1d, PA)).not.toBe('M');
    expect(l2 && letter(l2, PA)).toBe('M');
  });

  it('a store that misses does not allocate where only reads do, a load does', () => {
    const machine = machineOf(withProtocol('mesi', (p) => (p.l1d.allocate = 'read')));
    const [a] = cpusOf(machine);
    write(a, PA, 5);
    expect([letter(a.hw.l1d, PA), machine.peek(PA)]).toEqual(['I', 5]);
    read(a, PA);
    write(a, PA, 6);
    expect([letter(a.hw.l1d, PA), machine.peek(PA)]).toEqual(['M', 5]);
  });

  it('a dirty victim is written back, a clean one is not', () => {
    const machine = machineOf(tiny());
    const [a] = cpusOf(machine);
    write(a, PA, 5);
    // Two sets of two ways of 16 bytes: every second line competes.
    read(a, PA + 32);
    expect(machine.peek(PA)).toBe(0);
    read(a, PA + 64);
    expect([letter(a.hw.l1d, PA), machine.peek(PA), a.hw.counters[COUNT.writeBacks]]).toEqual(['I', 5, 1]);
    read(a, PA + 96);
    expect(a.hw.counters[COUNT.writeBacks]).toBe(1);
  });
});

describe('past the caches', () => {
  it('an uncached access neither sees nor touches what caches hold', () => {
    const machine = machineOf(tiny());
    const [a] = cpusOf(machine);
    write(a, PA, 5);
    expect(complete(a.loadPhysical(PA, 4, true))).toBe(0);
    complete(a.storePhysical(PA, 9, 4, true));
    expect([machine.peek(PA), read(a, PA)]).toEqual([9, 5]);
  });

  it('a disabled cache is bypassed and keeps what it holds', () => {
    const machine = machineOf(tiny());
    const [a] = cpusOf(machine);
    write(a, PA, 5);
    complete(a.setCaches(false));
    expect([read(a, PA), letter(a.hw.l1d, PA)]).toEqual([0, 'M']);
    write(a, PA, 9);
    expect([machine.peek(PA), complete(a.modifyPhysical(PA, (old) => old + 1))]).toEqual([9, 9]);
    complete(a.setCaches(true));
    expect([read(a, PA), machine.peek(PA)]).toEqual([5, 10]);
  });
});

describe('virtual caches', () => {
  const A = 0x40_0000;
  const B = 0x40_1000;

  /** Two names for one frame, in the organisation given, with the CPUs' translation on. */
  function twoNames(l1d: PlatformInput['l1d'], frameB = PA) {
    const machine = machineOf(tiny((p) => (p.l1d = l1d)));
    const mapper = new Mapper(machine);
    mapper.map(A, PA);
    mapper.map(B, frameB);
    const cpus = cpusOf(machine);
    for (const cpu of cpus) complete(cpu.setContext(mapper.root, 1));
    return { machine, mapper, cpus };
  }
  const twoColours: PlatformInput['l1d'] = {
    sizeBytes: 16384,
    ways: 2,
    organisation: 'vipt',
    aliasPolicy: 'unmanaged',
  };

  it('VIPT: aliases of different colour diverge', () => {
    const { machine, cpus } = twoNames(twoColours);
    const [a] = cpus;
    expect(complete(a.load(B))).toBe(0);
    complete(a.store(A, 5));
    expect([complete(a.load(A)), complete(a.load(B)), machine.peek(PA)]).toEqual([5, 0, 0]);
  });

  it('VIPT: aliases of one colour are one line', () => {
    const { cpus, mapper } = twoNames(twoColours);
    const [a] = cpus;
    mapper.map(A + 0x2000, PA);
    complete(a.load(A + 0x2000));
    complete(a.store(A, 5));
    expect(complete(a.load(A + 0x2000))).toBe(5);
  });

  it('VIPT: a snoop finds every alias of another CPU', () => {
    const { cpus } = twoNames(twoColours);
    const [a, b] = cpus;
    complete(b.load(A));
    complete(b.load(B));
    complete(a.store(A, 5));
    expect([complete(b.load(A)), complete(b.load(B))]).toEqual([5, 5]);
  });

  it.each([false, true])('VIVT: synonyms are two lines (ASID in the tag: %s)', (asidTagged) => {
    const vivt = { ...twoColours, sizeBytes: 64, organisation: 'vivt' as const, asidTagged };
    const { cpus } = twoNames(vivt);
    const [a] = cpus;
    complete(a.load(B + 16));
    complete(a.store(A + 16, 5));
    expect([complete(a.load(A + 16)), complete(a.load(B + 16))]).toEqual([5, 0]);
  });

  // Word 16 of the page, because the walk of the tables fills the other set of so small a cache.
  function homonym(asidTagged: boolean) {
    const l1d = { ...twoColours, sizeBytes: 64, organisation: 'vivt' as const, asidTagged };
    const { machine, mapper, cpus } = twoNames(l1d);
    const [a] = cpus;
    complete(a.store(A + 16, 5));
    const other = new Mapper(machine, 0x30000);
    other.map(A, 0x2000);
    machine.poke(0x2010, 77);
    complete(a.setContext(other.root, 2));
    return { machine, mapper, a };
  }

  it.each([
    // The other process reads the first one's data: what flushing at a context switch is for.
    [false, 5],
    [true, 77],
  ])('VIVT: a homonym hits unless the tag has an ASID (%s)', (asidTagged, seen) => {
    const { mapper, a } = homonym(asidTagged);
    expect(complete(a.load(A + 16))).toBe(seen);
    complete(a.setContext(mapper.root, 1));
    expect(complete(a.load(A + 16))).toBe(5);
  });

  it.each([
    [false, [6, 77]],
    [true, [0, 6]],
  ])('VIVT: a store goes to the line that it hits (ASID in the tag: %s)', (asidTagged, memory) => {
    const { machine, a } = homonym(asidTagged);
    complete(a.store(A + 16, 6));
    evict(machine, a, asidTagged ? 0x2010 : PA + 16);
    expect([machine.peek(PA + 16), machine.peek(0x2010)]).toEqual(memory);
  });
});

describe('what an access costs', () => {
  it('is the level that had the line', () => {
    const platform = tiny((p) => (p.l2 = { sizeBytes: 128, ways: 2 }));
    const { costs } = platform;
    const machine = machineOf(platform);
    const [a, b] = cpusOf(machine);
    const cost = (body: () => void) => {
      const before = a.clock;
      body();
      return a.clock - before;
    };
    // Nobody else uses the interconnect: it is free whenever this CPU comes to it.
    expect(cost(() => read(a, PA))).toBe(costs.memoryCycles);
    expect(cost(() => read(a, PA))).toBe(costs.l1HitCycles);
    evict(machine, a, PA);
    expect(cost(() => read(a, PA))).toBe(costs.l2HitCycles);
    read(b, PA);
    a.hw.mergeClock(1000);
    expect(cost(() => write(a, PA, 1))).toBe(costs.upgradeCycles);
    write(b, PA, 2);
    a.hw.mergeClock(2000);
    expect(cost(() => read(a, PA))).toBe(costs.cacheToCacheCycles);
    a.hw.mergeClock(3000);
    expect(cost(() => complete(a.loadPhysical(PA, 4, true)))).toBe(costs.uncachedCycles);
  });
});
