import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PTE } from '../../src/machine/attributes.ts';
import type { Cpu, Steps } from '../../src/machine/cpu.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { Platform } from '../../src/machine/platform.ts';
import { counterNames } from '../../src/machine/registers.ts';
import { ENTRY, TLBI_VA } from '../../src/machine/tlb.ts';
import { complete, cpusOf, Mapper, machineOf, tiny } from '../support/machine.ts';

const VA = 0x40_0000;
const PAGES = 4;

const organisation = fc
  .record({
    coherence: fc.constantFrom('msi' as const, 'mesi' as const, 'moesi' as const),
    organisation: fc.constantFrom('pipt' as const, 'vipt' as const, 'vivt' as const),
    write: fc.constantFrom('write-back' as const, 'write-through' as const),
    allocate: fc.constantFrom('read-write' as const, 'read' as const),
    replacement: fc.constantFrom('lru' as const, 'round-robin' as const, 'random' as const),
    tlbReplacement: fc.constantFrom('lru' as const, 'round-robin' as const),
    tlbEntries: fc.constantFrom(1, 2, 8),
    second: fc.boolean(),
    l2: fc.boolean(),
    accessedDirty: fc.constantFrom('ignored' as const, 'hardware' as const),
    sizeBytes: fc.constantFrom(64, 512),
  })
  .filter((o) => !(o.coherence === 'moesi' && o.write === 'write-through' && !o.l2));
type Organisation = typeof organisation extends fc.Arbitrary<infer T> ? T : never;

function platformOf(o: Organisation): Platform {
  return tiny((p) => {
    p.coherence = o.coherence;
    const { organisation, write, allocate, replacement, sizeBytes } = o;
    p.l1d = { ...p.l1d, organisation, write, allocate, replacement, sizeBytes, aliasPolicy: 'unmanaged' };
    if (o.l2) p.l2 = { sizeBytes: sizeBytes * 2, ways: 4 };
    p.mmu.tlb.data = { entries: o.tlbEntries, ways: o.tlbEntries, replacement: o.tlbReplacement };
    if (o.second) p.mmu.tlb.second = { entries: 4, ways: 2 };
    p.mmu.accessedDirty = o.accessedDirty;
  });
}

const ATTRIBUTE_UNCACHED = 1 << PTE.ATTRIBUTE_SHIFT;

function build(platform: Platform): { machine: Machine; cpus: Cpu[] } {
  const machine = machineOf(platform);
  const mapper = new Mapper(machine);
  for (let page = 0; page < PAGES; page++) {
    // Two pages share a frame, one is not cached.
    const bits = page === 3 ? PTE.WRITE | ATTRIBUTE_UNCACHED : PTE.WRITE;
    mapper.map(VA + page * 4096, 0x1000 * (page === 2 ? 1 : page + 1), bits);
  }
  const cpus = cpusOf(machine);
  for (const cpu of cpus) complete(cpu.setContext(mapper.root, 1));
  return { machine, cpus };
}

/** What a trace means, an access at a time. */
function* singly(cpu: Cpu, trace: Uint32Array, from: number, to: number): Steps {
  for (let i = from; i < to; i++) {
    const va = (trace[i] & ~3) >>> 0;
    if (trace[i] & 1) yield* cpu.store(va, i);
    else yield* cpu.load(va);
  }
}

/** All that can be seen of a machine but the number of steps that it was driven with. */
function visible(machine: Machine) {
  return machine.state.cpus.map((cpu) => ({
    clock: cpu.clock,
    counters: Object.fromEntries(
      counterNames.map((name, i) => [name, name === 'steps' ? 0 : cpu.counters[i]]),
    ),
    lines: [cpu.l1d, cpu.l2].map((cache) => cache && [...cache.pa, ...cache.state, ...cache.data]),
    tlb: [...cpu.dtlb.entries].filter((_, i) => i % ENTRY.WORDS <= ENTRY.SIZE),
  }));
}

const access = fc.record({
  page: fc.nat(PAGES - 1),
  word: fc.nat(40),
  store: fc.boolean(),
  again: fc.nat(3),
});
const traceOf = (list: readonly { page: number; word: number; store: boolean; again: number }[]) =>
  Uint32Array.from(
    list.flatMap(({ page, word, store, again }) =>
      Array.from({ length: again + 1 }, () => VA + page * 4096 + word * 4 + (store ? 1 : 0)),
    ),
  );

describe('a bulk run', () => {
  it('leaves the machine as the same accesses do one by one', () => {
    fc.assert(
      fc.property(
        organisation,
        fc.array(access, { minLength: 1, maxLength: 80 }),
        fc.nat(3),
        (o, list, cut) => {
          const trace = traceOf(list);
          const platform = platformOf(o);
          const bulk = build(platform);
          const single = build(platform);
          // In pieces, with the other CPU in between: it takes lines away and shares them.
          const pieces = cut + 1;
          for (let piece = 0; piece < pieces; piece++) {
            const from = Math.floor((trace.length * piece) / pieces);
            const to = Math.floor((trace.length * (piece + 1)) / pieces);
            complete(bulk.cpus[piece & 1].touch(trace, from, to));
            complete(singly(single.cpus[piece & 1], trace, from, to));
          }
          expect(visible(bulk.machine)).toEqual(visible(single.machine));
          const [one, other] = [bulk, single].map(({ machine }) => Buffer.from(machine.state.memoryBytes));
          expect(one.equals(other)).toBe(true);
        },
      ),
      { numRuns: 250 },
    );
  });

  it('is the same with a checker, which goes the long way', () => {
    fc.assert(
      fc.property(fc.array(access, { minLength: 1, maxLength: 60 }), (list) => {
        const trace = traceOf(list);
        const { machine, cpus } = build(tiny());
        const checked = build(tiny());
        checked.machine.state.check = {
          stored: () => 0,
          loaded() {},
          overtaken() {},
          discarded() {},
          translated() {},
          walked() {},
          walkedThrough() {},
          multipleMatch() {},
          invalidatedTlb() {},
          deadlocked() {},
        };
        complete(cpus[0].touch(trace));
        complete(checked.cpus[0].touch(trace));
        expect(visible(checked.machine)).toEqual(visible(machine));
      }),
      { numRuns: 50 },
    );
  });
});

describe('what a bulk run remembers', () => {
  const trace = Uint32Array.from({ length: 8 }, (_, i) => VA + i * 4);
  const storing = trace.map((word) => word | 1);

  it('ends with a TLB invalidate', () => {
    const { machine, cpus } = build(tiny());
    const [a] = cpus;
    complete(a.touch(storing));
    const mapper = new Mapper(machine, 0x30000);
    mapper.map(VA, 0x5000);
    complete(a.storePhysical(0x21000, (0x5000 | PTE.VALID | PTE.WRITE) >>> 0));
    complete(a.tlbiLocal(TLBI_VA, VA, 1, 1));
    complete(a.touch(storing));
    expect(complete(a.loadPhysical(0x5000 + 28))).toBe(7);
  });

  it('ends with a context switch', () => {
    const { machine, cpus } = build(tiny());
    const [a] = cpus;
    complete(a.touch(storing));
    const mapper = new Mapper(machine, 0x30000);
    mapper.map(VA, 0x5000);
    complete(a.setContext(mapper.root, 2));
    complete(a.touch(storing));
    expect(complete(a.loadPhysical(0x5000 + 28))).toBe(7);
  });

  it('ends when the caches are turned off', () => {
    const { machine, cpus } = build(tiny());
    const [a] = cpus;
    complete(a.touch(trace));
    complete(a.setCaches(false));
    complete(a.touch(storing));
    expect(machine.peek(0x1000 + 28)).toBe(7);
  });

  it('does not let a store through where only loads may', () => {
    const { machine, cpus } = build(tiny());
    new Mapper(machine).map(VA, 0x1000, 0);
    const [a] = cpus;
    complete(a.touch(trace));
    expect(() => complete(a.touch(storing))).toThrow('permission fault on a store at 0x400000');
  });
});

describe('a bulk run that faults', () => {
  it('has done what came before, and says where', () => {
    const { cpus } = build(tiny());
    const [a] = cpus;
    const bad = VA + PAGES * 4096;
    const trace = Uint32Array.from([VA | 1, (VA + 4) | 1, bad | 1, (VA + 8) | 1]);
    expect(() => complete(a.touch(trace))).toThrow(`translation fault on a store at 0x${bad.toString(16)}`);
    expect([0, 1, 2].map((i) => complete(a.load(VA + i * 4)))).toEqual([0, 1, 0]);
  });
});
