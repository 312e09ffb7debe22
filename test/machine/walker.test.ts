import { describe, expect, it } from 'vitest';
import { ATTRIBUTE_DEVICE, ATTRIBUTE_UNCACHED, PTE } from '../../src/machine/attributes.ts';
import type { Cpu, Fault, Vectors } from '../../src/machine/cpu.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { PlatformInput } from '../../src/machine/platform.ts';
import { COUNT, CTL } from '../../src/machine/registers.ts';
import { TLBI_ALL, TLBI_VA, TLBI_VA_LAST_LEVEL } from '../../src/machine/tlb.ts';
import { advance, complete, cpusOf, Mapper, machineOf, tiny } from '../support/machine.ts';

const VA = 0x40_0000;
const PA = 0x1000;

function mapped(change: (p: PlatformInput) => void = () => {}, bits: number = PTE.WRITE) {
  const machine = machineOf(tiny(change));
  const mapper = new Mapper(machine);
  const ptePa = mapper.map(VA, PA, bits);
  machine.poke(PA, 11);
  const [a, b] = cpusOf(machine);
  for (const cpu of [a, b]) complete(cpu.setContext(mapper.root, 1));
  return { machine, mapper, ptePa, a, b };
}

/** Changes a table entry as a kernel with cached tables does, and leaves it in its cache. */
const rewrite = (cpu: Cpu, ptePa: number, pte: number) => complete(cpu.storePhysical(ptePa, pte));

/** Vectors that note every fault and repair it with `repair`. */
function noting(faults: string[], repair: (cpu: Cpu, fault: Fault) => boolean): Vectors {
  return {
    *fault(cpu, fault) {
      faults.push(`${fault.kind} ${fault.write ? 'store' : fault.fetch ? 'fetch' : 'load'}`);
      return repair(cpu, fault);
    },
    *interrupt() {},
    *refill() {
      return false;
    },
  };
}

describe('where the walker reads', () => {
  const valid = (0x2000 | PTE.VALID | PTE.WRITE) >>> 0;

  it.each([
    ['l1', [22, 22]],
    // Behind the L1D of whoever wrote the entry, and of everybody else's: neither CPU's walker sees it.
    ['l2', [11, 11]],
    ['memory', [11, 11]],
  ] as const)(
    "'%s': the old entry or the new one, while the new one is dirty in an L1D",
    (walkerReads, seen) => {
      const { machine, ptePa, a, b } = mapped((p) => {
        p.mmu.walkerReads = walkerReads;
        p.mmu.pageTables = walkerReads === 'l1' ? 'cached' : 'clean';
        p.shared = { sizeBytes: 256, ways: 2 };
      });
      machine.poke(0x2000, 22);
      rewrite(a, ptePa, valid);
      expect([complete(a.load(VA)), complete(b.load(VA))]).toEqual(seen);
      // Cleaned as far as the walker looks, it is found.
      for (const cpu of [a, b]) complete(cpu.tlbiLocal(TLBI_ALL, 0, 1, 0));
      complete(
        a.maintainPhysical(
          ptePa,
          { clean: true, invalidate: false },
          walkerReads === 'memory' ? 'memory' : 'unification',
        ),
      );
      expect([complete(a.load(VA)), complete(b.load(VA))]).toEqual([22, 22]);
    },
  );

  it("'l2' with a private L2 sees what the other CPU's L1D holds, and not its own", () => {
    const { machine, ptePa, a, b } = mapped((p) => {
      p.mmu.walkerReads = 'l2';
      p.mmu.pageTables = 'clean';
      p.l2 = { sizeBytes: 256, ways: 2 };
    });
    machine.poke(0x2000, 22);
    rewrite(a, ptePa, valid);
    expect(complete(a.load(VA))).toBe(11);
    // The other walker's read is a coherence transaction: whoever has the line dirty answers it.
    expect(complete(b.load(VA))).toBe(22);
  });

  it('reads memory when its CPU has the caches off', () => {
    const { machine, ptePa, a } = mapped();
    machine.poke(0x2000, 22);
    rewrite(a, ptePa, valid);
    complete(a.setCaches(false));
    expect(complete(a.load(VA))).toBe(11);
  });
});

describe('faults', () => {
  it.each([
    ['no entry', 0, 'load', 'translation load'],
    ['no entry', 0, 'store', 'translation store'],
    ['no permission to write', PTE.VALID, 'store', 'permission store'],
    ['no permission to execute', PTE.VALID | PTE.WRITE, 'fetch', 'permission fetch'],
    ['a frame that is not there', PTE.VALID | 0x4000_0000, 'load', 'bus load'],
  ])('%s', (_, pte, access, kind) => {
    const { machine, ptePa, a } = mapped();
    machine.poke(ptePa, pte);
    const faults: string[] = [];
    a.vectors = noting(faults, () => false);
    const steps = access === 'load' ? a.load(VA) : access === 'store' ? a.store(VA, 1) : a.fetch(VA);
    expect(() => complete<unknown>(steps)).toThrow(`${kind.split(' ')[0]} fault on a ${access} at 0x400000`);
    expect(faults).toEqual([kind]);
    expect(a.hw.counters[COUNT.faults]).toBe(1);
  });

  it('are tried again when the kernel has repaired them', () => {
    const { machine, ptePa, a } = mapped(undefined, 0);
    const faults: string[] = [];
    a.vectors = noting(faults, () => {
      rewrite(a, ptePa, (PA | PTE.VALID | PTE.WRITE) >>> 0);
      complete(a.tlbiLocal(TLBI_VA, VA, 1, 1));
      return true;
    });
    complete(a.store(VA, 5));
    expect([faults, complete(a.load(VA))]).toEqual([['permission store'], 5]);
    expect(machine.peek(PA)).toBe(11);
  });

  it('leave no half-done access behind', () => {
    const { machine, ptePa, a } = mapped();
    machine.poke(ptePa, PTE.VALID | PA);
    a.vectors = noting([], () => false);
    expect(() => complete(a.modify(VA, (old) => old + 1))).toThrow('permission fault');
    expect(complete(a.load(VA))).toBe(11);
  });

  it('a missing table is a translation fault too', () => {
    const { a } = mapped();
    a.vectors = noting([], () => false);
    expect(() => complete(a.load(0x8000_0000))).toThrow('translation fault');
  });
});

describe('memory attributes of a page', () => {
  it.each([ATTRIBUTE_UNCACHED, ATTRIBUTE_DEVICE])('%i goes past the caches', (attribute) => {
    const { machine, a } = mapped(undefined, PTE.WRITE | (attribute << PTE.ATTRIBUTE_SHIFT));
    complete(a.store(VA, 5));
    expect([machine.peek(PA), a.hw.l1d.findPhysical(PA >>> 4, -1)]).toEqual([5, -1]);
  });
});

describe('large pages', () => {
  it('map all of their block with one entry', () => {
    // 4 KB at the last level, 64 KB at the one above.
    const platform = tiny((p) => {
      p.mmu.levels = [
        { bits: 8, leaf: false },
        { bits: 8, leaf: true },
        { bits: 4, leaf: true },
      ];
    });
    const machine = machineOf(platform);
    machine.poke(0x20000, 0x21000 | PTE.VALID | PTE.TABLE);
    machine.poke(0x21000 + 4, (0x10000 | PTE.VALID | PTE.WRITE) >>> 0);
    for (let page = 0; page < 16; page++) machine.poke(0x10000 + page * 4096, page + 1);
    const [a] = cpusOf(machine);
    complete(a.setContext(0x20000, 1));
    for (let page = 0; page < 16; page++) expect(complete(a.load(0x10000 + page * 4096))).toBe(page + 1);
    expect(a.hw.counters[COUNT.walks]).toBe(1);
    // Invalidating any of its pages takes the whole block.
    complete(a.tlbiLocal(TLBI_VA, 0x13000, 1, 1));
    complete(a.load(0x1f000));
    expect(a.hw.counters[COUNT.walks]).toBe(2);
  });
});

describe('accessed and dirty bits', () => {
  const AD = PTE.ACCESSED | PTE.DIRTY;
  const bitsOf = (cpu: Cpu, ptePa: number) => complete(cpu.loadPhysical(ptePa)) & AD;

  it('are set by the hardware: accessed by a load, dirty by a store, on a page already in the TLB too', () => {
    const { ptePa, a } = mapped((p) => (p.mmu.accessedDirty = 'hardware'));
    complete(a.load(VA));
    expect(bitsOf(a, ptePa)).toBe(PTE.ACCESSED);
    complete(a.store(VA, 1));
    expect(bitsOf(a, ptePa)).toBe(AD);
    // Done once: the entry in the TLB says so.
    const { walks } = COUNT;
    const before = a.hw.counters[walks];
    complete(a.store(VA, 2));
    expect(a.hw.counters[walks]).toBe(before);
  });

  it('a store to a page that may only be read does not make it dirty', () => {
    const { ptePa, a } = mapped((p) => (p.mmu.accessedDirty = 'hardware'), 0);
    a.vectors = noting([], () => false);
    expect(() => complete(a.store(VA, 1))).toThrow('permission fault');
    expect(bitsOf(a, ptePa) & PTE.DIRTY).toBe(0);
  });

  it('are left to the fault handler, by software', () => {
    const { ptePa, a } = mapped((p) => (p.mmu.accessedDirty = 'software'));
    const faults: string[] = [];
    a.vectors = noting(faults, (cpu, fault) => {
      const pte = complete(cpu.loadPhysical(ptePa));
      rewrite(cpu, ptePa, pte | PTE.ACCESSED | (fault.write ? PTE.DIRTY : 0));
      complete(cpu.tlbiLocal(TLBI_VA, VA, 1, 1));
      return true;
    });
    complete(a.load(VA));
    complete(a.store(VA, 1));
    expect(faults).toEqual(['access-flag load', 'permission store']);
  });

  it('are nobody’s business where they are ignored', () => {
    const { ptePa, a } = mapped();
    complete(a.store(VA, 1));
    expect(bitsOf(a, ptePa)).toBe(0);
  });

  it.each(['l1', 'memory'] as const)(
    'are set in what the walker reads (%s), by compare and set',
    (walkerReads) => {
      const { machine, ptePa, a, b } = mapped((p) => {
        p.mmu.accessedDirty = 'hardware';
        p.mmu.walkerReads = walkerReads;
        p.mmu.pageTables = walkerReads === 'l1' ? 'cached' : 'uncached';
      });
      machine.poke(0x2000, 22);
      const uncached = walkerReads === 'memory';
      for (let steps = 1; steps < 12; steps++) {
        // Stop the store in the middle of its walk, take the page away, and let it go on.
        complete(a.tlbiLocal(TLBI_ALL, 0, 1, 0));
        complete(b.storePhysical(ptePa, (PA | PTE.VALID | PTE.WRITE) >>> 0, 4, uncached));
        a.vectors = noting([], () => false);
        const store = a.store(VA, 5);
        const ended = advance(store, steps);
        complete(b.storePhysical(ptePa, 0, 4, uncached));
        if (!ended) {
          try {
            complete(store);
          } catch {
            // Whether it still gets through is a matter of the moment: the bits are not.
          }
        }
        expect(complete(b.loadPhysical(ptePa, 4, uncached))).toBe(0);
      }
    },
  );
});

describe('an invalidate in the middle of a walk', () => {
  /** Steps of a load until its walk has begun. */
  function begun(machine: Machine, a: Cpu) {
    const load = a.load(VA);
    while (machine.state.cpus[0].ctl[CTL.WALK_ACTIVE] === 0) load.next();
    return load;
  }

  it('makes it start again, and what it had read is not used', () => {
    const fresh = mapped();
    let total = 0;
    const count = fresh.a.load(VA);
    while (count.next().done !== true) total++;
    for (let more = 0; more < total; more++) {
      const { machine, ptePa, a } = mapped();
      machine.poke(0x2000, 22);
      const load = begun(machine, a);
      if (advance(load, more)) break;
      rewrite(a, ptePa, (0x2000 | PTE.VALID) >>> 0);
      machine.tlb.localStep(a.hw, TLBI_VA, VA, 1, 1);
      expect(complete(load)).toBe(22);
      expect(complete(a.load(VA))).toBe(22);
    }
  });

  it('and so does a context switch by an interrupt handler: the new tables are walked', () => {
    const { machine, a } = mapped();
    const other = new Mapper(machine, 0x30000);
    other.map(VA, 0x3000);
    machine.poke(0x3000, 33);
    const load = begun(machine, a);
    while (a.hw.counters[COUNT.walkReads] < 2) load.next();
    complete(a.setContext(other.root, 2));
    expect(complete(load)).toBe(33);
  });

  it('without which the walk may fill what it read before the change', () => {
    const { machine, ptePa, a } = mapped();
    const load = begun(machine, a);
    while (a.hw.counters[COUNT.walkReads] < 2) load.next();
    rewrite(a, ptePa, (0x2000 | PTE.VALID) >>> 0);
    expect(complete(load)).toBe(11);
  });

  it('leaves tables alone that are somebody else’s by now', () => {
    // The upper table was read; then the whole stretch is unmapped and the lower table's frame holds data
    // that happens to look like an entry.
    const { machine, mapper, ptePa, a, b } = mapped((p) => (p.mmu.accessedDirty = 'hardware'));
    const load = begun(machine, a);
    while (a.hw.counters[COUNT.walkReads] < 1) load.next();
    complete(b.storePhysical(mapper.root + 4, 0));
    machine.tlb.localStep(a.hw, TLBI_ALL, 0, 1, 0);
    const looksLikeAnEntry = (0x3000 | PTE.VALID | PTE.WRITE) >>> 0;
    complete(b.storePhysical(ptePa, looksLikeAnEntry));
    a.vectors = noting([], () => false);
    expect(() => complete(load)).toThrow('translation fault');
    expect(complete(b.loadPhysical(ptePa))).toBe(looksLikeAnEntry);
  });

  it('nor does it fault on what lies in them', () => {
    const { machine, mapper, ptePa, a, b } = mapped();
    const load = begun(machine, a);
    while (a.hw.counters[COUNT.walkReads] < 1) load.next();
    // A new table takes the old one's place, the old one's frame is given to data.
    complete(b.storePhysical(0x2a000, complete(b.loadPhysical(ptePa))));
    complete(b.storePhysical(mapper.root + 4, 0x2a000 | PTE.VALID | PTE.TABLE));
    machine.tlb.localStep(a.hw, TLBI_ALL, 0, 1, 0);
    complete(b.storePhysical(ptePa, 0));
    const faults: string[] = [];
    a.vectors = noting(faults, () => true);
    expect(complete(load)).toBe(11);
    expect(faults).toEqual([]);
  });
});

describe('walk cache', () => {
  const withWalkCache = (p: PlatformInput) => {
    p.mmu.walkCache = { entries: 4, asidTagged: true };
  };

  it('saves the upper levels', () => {
    const { mapper, a } = mapped(withWalkCache);
    mapper.map(VA + 0x1000, 0x2000);
    complete(a.load(VA));
    expect(a.hw.counters[COUNT.walkReads]).toBe(2);
    complete(a.load(VA + 0x1000));
    expect(a.hw.counters[COUNT.walkReads]).toBe(3);
  });

  it.each([
    [TLBI_VA_LAST_LEVEL, 11],
    [TLBI_VA, 22],
    [TLBI_ALL, 22],
  ])('after a table was replaced, an invalidate of kind %i leads to %i', (kind, seen) => {
    const { machine, mapper, a } = mapped(withWalkCache);
    complete(a.load(VA));
    const table = 0x2a000;
    machine.poke(table, (0x2000 | PTE.VALID) >>> 0);
    machine.poke(0x2000, 22);
    rewrite(a, mapper.root + 4, table | PTE.VALID | PTE.TABLE);
    complete(a.tlbiLocal(kind, VA, 1, 1));
    expect(complete(a.load(VA))).toBe(seen);
  });

  it('does not mix address spaces', () => {
    const { machine, a } = mapped(withWalkCache);
    complete(a.load(VA));
    const other = new Mapper(machine, 0x30000);
    other.map(VA, 0x2000);
    machine.poke(0x2000, 22);
    complete(a.setContext(other.root, 2));
    expect(complete(a.load(VA))).toBe(22);
  });
});

describe('a context switch by two registers', () => {
  it('has a moment with the new ASID and the old table', () => {
    const { machine, a } = mapped((p) => {
      p.mmu.splitContextSwitch = true;
      p.agents = ['walk'];
    });
    const other = new Mapper(machine, 0x30000);
    other.map(VA, 0x2000);
    machine.poke(0x2000, 22);
    machine.agents.speculation = [VA];
    const change = a.setContext(other.root, 2);
    while (a.hw.ctl[CTL.ASID] !== 2) change.next();
    const walk = machine.agents.enabledFrom('walk', a.hw, 1, 1);
    machine.agents.perform(walk);
    complete(change);
    // The translation that speculation made in between belongs to nobody: the bug that kernels avoid by
    // switching through a reserved ASID.
    expect(complete(a.load(VA))).toBe(11);
  });
});
