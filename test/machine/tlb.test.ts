import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Checker } from '../../src/checker/checker.ts';
import { PTE } from '../../src/machine/attributes.ts';
import { Carver } from '../../src/machine/carver.ts';
import type { TlbSpec } from '../../src/machine/platform.ts';
import { COUNT } from '../../src/machine/registers.ts';
import {
  ENTRY,
  TLBI_ALL,
  TLBI_ASID,
  TLBI_VA,
  TLBI_VA_ALL_ASIDS,
  TLBI_VA_LAST_LEVEL,
  Tlb,
} from '../../src/machine/tlb.ts';
import { WalkCache } from '../../src/machine/walk-cache.ts';
import { complete, cpusOf, Mapper, machineOf, runPrograms, tiny, vectorsWith } from '../support/machine.ts';

/** Pages of 4 KB, and blocks of 8 of them. */
const SIZES = [0, 3];
const GLOBAL = -1;

function tlbOf(spec: Partial<TlbSpec> = {}, sizes: readonly number[] = SIZES): Tlb {
  const whole: TlbSpec = { entries: 16, ways: 4, replacement: 'round-robin', ...spec };
  const measure = new Carver();
  new Tlb(measure, 'tlb', whole, sizes);
  const tlb = new Tlb(new Carver(new SharedArrayBuffer(measure.sizeBytes)), 'tlb', whole, sizes);
  tlb.reset(1);
  return tlb;
}

interface Entry {
  readonly vpn: number;
  readonly asid: number;
  readonly size: number;
}

function fill(tlb: Tlb, { vpn, asid, size }: Entry): void {
  const at = tlb.allocate(vpn, asid, size);
  tlb.entries[at + ENTRY.VPN] = (vpn >>> size) << size;
  tlb.entries[at + ENTRY.ASID] = asid;
  tlb.entries[at + ENTRY.SIZE] = size;
}

function entriesOf(tlb: Tlb): Entry[] {
  const list: Entry[] = [];
  for (let at = 0; at < tlb.count * ENTRY.WORDS; at += ENTRY.WORDS) {
    const [vpn, asid, , size] = tlb.entries.subarray(at, at + 4);
    if (vpn >= 0) list.push({ vpn, asid, size });
  }
  return list;
}

const covers = (entry: Entry, vpn: number) => vpn >= entry.vpn && vpn < entry.vpn + 2 ** entry.size;
const matches = (entry: Entry, vpn: number, asid: number) =>
  covers(entry, vpn) && (entry.asid === GLOBAL || entry.asid === asid);

const geometry = fc.constantFrom(
  { entries: 16, ways: 16 },
  { entries: 16, ways: 4 },
  { entries: 16, ways: 1 },
  { entries: 10, ways: 5 },
);
const someEntry = fc.record({
  vpn: fc.nat(31),
  asid: fc.constantFrom(GLOBAL, 1, 2),
  size: fc.constantFrom(...SIZES),
});

describe('lookup', () => {
  it('finds an entry exactly if a list of them has one for the page and the ASID', () => {
    fc.assert(
      fc.property(geometry, fc.array(someEntry, { maxLength: 30 }), (spec, fills) => {
        const tlb = tlbOf(spec);
        for (const entry of fills) {
          fill(tlb, entry);
          const list = entriesOf(tlb);
          for (const asid of [1, 2]) {
            for (let vpn = 0; vpn < 34; vpn++) {
              const at = tlb.lookup(vpn, asid);
              const fitting = list.filter((e) => matches(e, vpn, asid));
              expect(at >= 0).toBe(fitting.length > 0);
              if (at < 0) continue;
              const [foundVpn, foundAsid, , size] = tlb.entries.subarray(at, at + 4);
              expect(fitting).toContainEqual({ vpn: foundVpn, asid: foundAsid, size });
              expect(tlb.secondMatch(vpn, asid, at) >= 0).toBe(fitting.length > 1);
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('finds it again after entries around it came and went', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 60 }), (pages) => {
        const tlb = tlbOf({ entries: 4, ways: 4 }, [0]);
        const resident: number[] = [];
        for (const vpn of pages) {
          expect(tlb.lookup(vpn, 1) >= 0).toBe(resident.includes(vpn));
          if (resident.includes(vpn)) continue;
          fill(tlb, { vpn, asid: 1, size: 0 });
          resident.push(vpn);
          // Round-robin in a set of its own: the oldest fill goes.
          if (resident.length > 4) resident.shift();
        }
      }),
    );
  });

  it('replaces an entry for the same page rather than to keep two', () => {
    const tlb = tlbOf({ entries: 4, ways: 4 });
    fill(tlb, { vpn: 5, asid: 1, size: 0 });
    fill(tlb, { vpn: 5, asid: 1, size: 0 });
    expect(entriesOf(tlb)).toHaveLength(1);
  });

  it('replaces the least recently used entry where that is the policy', () => {
    const tlb = tlbOf({ entries: 2, ways: 2, replacement: 'lru' }, [0]);
    fill(tlb, { vpn: 1, asid: 1, size: 0 });
    fill(tlb, { vpn: 2, asid: 1, size: 0 });
    tlb.touch(tlb.lookup(1, 1));
    fill(tlb, { vpn: 3, asid: 1, size: 0 });
    expect([1, 2, 3].map((vpn) => tlb.lookup(vpn, 1) >= 0)).toEqual([true, false, true]);
  });
});

describe('invalidate', () => {
  const kinds = fc.constantFrom(TLBI_ALL, TLBI_ASID, TLBI_VA, TLBI_VA_ALL_ASIDS, TLBI_VA_LAST_LEVEL);

  /** Does an invalidate of this kind name the entry? */
  function named(entry: Entry, kind: number, vpn: number, pages: number, asid: number): boolean {
    if (kind === TLBI_ALL) return true;
    // A flush of an ASID is for a process: what is global belongs to nobody's.
    if (kind === TLBI_ASID) return entry.asid === asid;
    let touched = false;
    for (let page = vpn; page < vpn + pages; page++) touched ||= covers(entry, page);
    if (!touched) return false;
    return kind === TLBI_VA_ALL_ASIDS || entry.asid === GLOBAL || entry.asid === asid;
  }

  it('removes what it names and nothing else, whatever the kind', () => {
    const fills = fc.array(someEntry, { maxLength: 20 });
    const range = fc.constantFrom(1, 2, 3, 8, 40);
    fc.assert(
      fc.property(
        geometry,
        fills,
        kinds,
        fc.nat(31),
        range,
        fc.constantFrom(1, 2),
        (spec, list, kind, vpn, n, asid) => {
          const tlb = tlbOf(spec);
          for (const entry of list) fill(tlb, entry);
          const before = entriesOf(tlb);
          const removed = tlb.invalidate(kind, vpn, n, asid, false);
          const left = before.filter((entry) => !named(entry, kind, vpn, n, asid));
          expect(entriesOf(tlb)).toEqual(left);
          expect(removed).toBe(before.length - left.length);
          for (const a of [1, 2]) {
            for (let page = 0; page < 34; page++) {
              expect(tlb.lookup(page, a) >= 0).toBe(left.some((entry) => matches(entry, page, a)));
            }
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('walk cache', () => {
  function walkCache(asidTagged: boolean): WalkCache {
    const spec = { entries: 2, asidTagged };
    const measure = new Carver();
    new WalkCache(measure, 'walk', spec);
    const cache = new WalkCache(new Carver(new SharedArrayBuffer(measure.sizeBytes)), 'walk', spec);
    cache.reset();
    return cache;
  }

  it('gives the deepest table that it knows', () => {
    const cache = walkCache(true);
    cache.insert(0, 1024, 1, 1, 0x1000, 3);
    cache.insert(64, 64, 1, 2, 0x2000, 4);
    expect(cache.lookup(70, 1)).toEqual({ level: 2, table: 0x2000, generation: 4 });
    expect(cache.lookup(128, 1)).toEqual({ level: 1, table: 0x1000, generation: 3 });
    expect(cache.lookup(1024, 1)).toBeUndefined();
    expect(cache.lookup(70, 2)).toBeUndefined();
  });

  it.each([
    [TLBI_ALL, 0, 9, true],
    [TLBI_ASID, 0, 1, true],
    [TLBI_ASID, 0, 2, false],
    [TLBI_VA, 70, 1, true],
    [TLBI_VA, 2000, 1, false],
    [TLBI_VA, 70, 2, false],
    [TLBI_VA_ALL_ASIDS, 70, 2, true],
    // The point of the operation: upper levels have not changed.
    [TLBI_VA_LAST_LEVEL, 70, 1, false],
  ])('kind %i for page %i of ASID %i removes the entry: %s', (kind, vpn, asid, gone) => {
    const cache = walkCache(true);
    cache.insert(0, 1024, 1, 1, 0x1000, 3);
    cache.invalidate(kind, vpn, 1, asid);
    expect(cache.lookup(70, 1) === undefined).toBe(gone);
  });

  it('takes an entry of any ASID for its own where it has no tags', () => {
    const cache = walkCache(false);
    cache.insert(0, 1024, 1, 1, 0x1000, 3);
    expect(cache.lookup(5, 2)).toEqual({ level: 1, table: 0x1000, generation: 3 });
    cache.invalidate(TLBI_ASID, 0, 1, 7);
    expect(cache.lookup(5, 2)).toBeUndefined();
  });
});

describe('translations of a CPU', () => {
  const VA = 0x40_0000;

  it('of one address space are not those of another, unless global', () => {
    const machine = machineOf(tiny());
    const one = new Mapper(machine);
    const other = new Mapper(machine, 0x30000);
    one.map(VA, 0x1000);
    other.map(VA, 0x2000);
    one.map(VA + 0x1000, 0x3000, PTE.GLOBAL);
    machine.poke(0x1000, 1);
    machine.poke(0x2000, 2);
    machine.poke(0x3000, 3);
    const [a] = cpusOf(machine);
    complete(a.setContext(one.root, 1));
    expect([complete(a.load(VA)), complete(a.load(VA + 0x1000))]).toEqual([1, 3]);
    complete(a.setContext(other.root, 2));
    // The second space maps no such page: only the global entry can have answered.
    expect([complete(a.load(VA)), complete(a.load(VA + 0x1000))]).toEqual([2, 3]);
    const misses = a.hw.counters[COUNT.tlbMisses];
    complete(a.setContext(one.root, 1));
    expect(complete(a.load(VA))).toBe(1);
    expect(a.hw.counters[COUNT.tlbMisses]).toBe(misses);
  });

  it('come from the second level where the first has lost them', () => {
    const machine = machineOf(
      tiny((p) => {
        p.mmu.tlb.data = { entries: 1, ways: 1 };
        p.mmu.tlb.second = { entries: 8, ways: 8 };
      }),
    );
    const mapper = new Mapper(machine);
    mapper.map(VA, 0x1000);
    mapper.map(VA + 0x1000, 0x2000);
    const [a] = cpusOf(machine);
    complete(a.setContext(mapper.root, 1));
    complete(a.load(VA));
    complete(a.load(VA + 0x1000));
    complete(a.load(VA));
    expect([a.hw.counters[COUNT.walks], a.hw.counters[COUNT.secondTlbHits]]).toEqual([2, 1]);
    // An invalidate that spared either level would leave the translation in use.
    complete(a.tlbiLocal(TLBI_VA, VA, 1, 1));
    complete(a.load(VA));
    expect(a.hw.counters[COUNT.walks]).toBe(3);
  });

  it('of instructions are apart from those of data where there are two TLBs', () => {
    const machine = machineOf(
      tiny((p) => {
        p.mmu.tlb.instruction = { entries: 4, ways: 4 };
      }),
    );
    const mapper = new Mapper(machine);
    mapper.map(VA, 0x1000, PTE.EXECUTE);
    const [a] = cpusOf(machine);
    complete(a.setContext(mapper.root, 1));
    complete(a.load(VA));
    complete(a.fetch(VA));
    expect(a.hw.counters[COUNT.walks]).toBe(2);
    complete(a.tlbiLocal(TLBI_VA, VA, 1, 1));
    complete(a.load(VA));
    complete(a.fetch(VA));
    expect(a.hw.counters[COUNT.walks]).toBe(4);
  });

  describe('that match twice', () => {
    /** A page entry is in use, then the table maps a block there instead, and nobody invalidates. */
    function breakWithoutMake(multipleMatch: 'first' | 'abort') {
      const platform = tiny((p) => {
        p.mmu.tlb.multipleMatch = multipleMatch;
      });
      return runPrograms(
        platform,
        [
          function* (cpu, machine) {
            const mapper = new Mapper(machine);
            mapper.map(VA, 0x1000);
            yield* cpu.setContext(mapper.root, 1);
            yield* cpu.load(VA);
            // 4 MB would be more than there is of memory, so the block is made by hand, of two pages.
            const { dtlb } = cpu.hw;
            const at = dtlb.allocate(VA >>> 12, 1, 10);
            dtlb.entries[at + ENTRY.VPN] = VA >>> 12;
            dtlb.entries[at + ENTRY.ASID] = 1;
            dtlb.entries[at + ENTRY.SIZE] = 10;
            yield* cpu.load(VA);
          },
        ],
        { vectors: () => vectorsWith(), keepGoing: true },
      ).result;
    }

    it('are a finding, and an abort where the platform raises one', () => {
      const first = breakWithoutMake('first');
      expect(first.findings[0]).toMatchObject({ kind: 'multiple-match', va: VA, cpu: 0 });
      expect(first.outcome).toBe('finding');
      const abort = breakWithoutMake('abort');
      expect(abort.error).toContain('conflict fault on a load at 0x400000');
    });

    it('are none where the platform raises no abort and both say the same', () => {
      const agreeing = (bits: number) => {
        const machine = machineOf(tiny(), 1, { checked: true });
        const checker = new Checker(machine.state, { keepGoing: true });
        machine.state.check = checker;
        const mapper = new Mapper(machine);
        mapper.map(VA + 0x1000, 0x1000);
        const [a] = cpusOf(machine);
        complete(a.setContext(mapper.root, 1));
        complete(a.load(VA + 0x1000));
        const found = { pte: bits, ptePa: 0, pteVersion: 0 };
        machine.translation.fill(a.hw, VA, 10, found, false);
        complete(a.load(VA + 0x1000));
        return Checker.findings(machine.state).kept.map(({ kind }) => kind);
      };
      const alike = PTE.VALID | PTE.WRITE;
      expect(agreeing(alike | PTE.DIRTY)).toEqual([]);
      expect(agreeing(alike | PTE.EXECUTE)).toEqual(['multiple-match']);
      expect(agreeing(PTE.VALID)).toEqual(['multiple-match']);
      expect(agreeing(alike | (1 << PTE.ATTRIBUTE_SHIFT))).toEqual(['multiple-match']);
    });

    it('though one is global and the other of an ASID, with pages only', () => {
      const machine = machineOf(tiny((p) => (p.mmu.tlb.multipleMatch = 'abort')));
      const one = new Mapper(machine);
      const other = new Mapper(machine, 0x30000);
      one.map(VA, 0x1000);
      other.map(VA, 0x2000, PTE.GLOBAL);
      const [a] = cpusOf(machine);
      complete(a.setContext(one.root, 1));
      complete(a.load(VA));
      complete(a.setContext(other.root, 2));
      complete(a.load(VA));
      complete(a.setContext(one.root, 1));
      expect(() => complete(a.load(VA))).toThrow('conflict fault');
    });
  });
});
