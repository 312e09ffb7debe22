import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ATTRIBUTE_DEVICE, ATTRIBUTE_NORMAL, ATTRIBUTE_UNCACHED, PTE } from '../../src/machine/attributes.ts';
import type { Vectors } from '../../src/machine/cpu.ts';
import { SegmentationFault } from '../../src/machine/cpu.ts';
import type { Platform } from '../../src/machine/platform.ts';
import { ENTRY } from '../../src/machine/tlb.ts';
import { entryOf, guestOn, tinyGuests } from '../support/guests.ts';
import { complete, cpusOf, machineOf, vectorsWith } from '../support/machine.ts';

/** Stage 1: blocks of 8 pages, or pages; stage 2: blocks of 16 pages, or pages. */
const STAGE1 = [
  { bits: 10, leaf: false },
  { bits: 7, leaf: true },
  { bits: 3, leaf: true },
];
const STAGE2 = [
  { bits: 10, leaf: false },
  { bits: 6, leaf: true },
  { bits: 4, leaf: true },
];
/** Table of stage 2; what intermediate pages are made of lies from frame 64 on. */
const STAGE2_ROOT = 0x1000;
/** Intermediate pages of the guest's root and the tables below it. */
const [ROOT, MIDDLE, LAST] = [28, 29, 30];
/** Words in each page that no table uses: one names its frame, one is for stores. */
const NAME = 0xff0;
const STORED = 0xff4;

interface Leaf {
  readonly to: number;
  readonly bits: number;
  readonly kind: string;
}

const bits = fc
  .record({
    flags: fc.integer({ min: 0, max: 15 }),
    attribute: fc.constantFrom(ATTRIBUTE_NORMAL, ATTRIBUTE_UNCACHED, ATTRIBUTE_DEVICE),
  })
  .map(({ flags, attribute }) => {
    const [w, x, d, g] = [1, 2, 4, 8].map((bit) => (flags & bit) !== 0);
    const rights = (w ? PTE.WRITE : 0) | (x ? PTE.EXECUTE : 0);
    return rights | (d ? PTE.DIRTY : 0) | (g ? PTE.GLOBAL : 0) | (attribute << PTE.ATTRIBUTE_SHIFT);
  });
const leaf = (most: number): fc.Arbitrary<Leaf> =>
  fc.record({
    to: fc.integer({ min: 0, max: most }),
    bits,
    kind: fc.constantFrom('valid', 'valid', 'valid', 'valid', 'old', 'invalid'),
  });
const tables = fc.record({
  /** Stage 1, for 8 pages each: a block, or pages. */
  groups: fc.array(
    fc.record({
      block: fc.boolean(),
      whole: leaf(3),
      pages: fc.array(leaf(31), { minLength: 8, maxLength: 8 }),
    }),
    { minLength: 2, maxLength: 2 },
  ),
  /** Stage 2, for 16 pages each. */
  halves: fc.array(
    fc.record({
      block: fc.boolean(),
      whole: leaf(0),
      pages: fc.array(leaf(0), { minLength: 16, maxLength: 16 }),
    }),
    { minLength: 2, maxLength: 2 },
  ),
  accessedDirty: fc.constantFrom<Platform['mmu']['accessedDirty']>('ignored', 'software', 'hardware'),
  forcedWriteBack: fc.boolean(),
  walkCache: fc.boolean(),
});
const accesses = fc.array(
  fc.record({
    page: fc.integer({ min: 0, max: 31 }),
    kind: fc.constantFrom('load', 'store', 'fetch') as fc.Arbitrary<'load' | 'store' | 'fetch'>,
    control: fc.option(fc.record({ mmuOn: fc.boolean(), cachesOn: fc.boolean() }), { freq: 8 }),
  }),
  { minLength: 1, maxLength: 30 },
);

function entryBits({ bits: own, kind }: Leaf): number {
  if (kind === 'invalid') return 0;
  return own | PTE.VALID | (kind === 'old' ? 0 : PTE.ACCESSED);
}

/** Why an access faults, in the reference. */
class RefFault {
  readonly what: object;
  constructor(what: object) {
    this.what = what;
  }
}

describe('two stages of translation', () => {
  it('go where a plain recursive walk goes, fault where it faults, with its attributes', () => {
    fc.assert(
      fc.property(tables, accesses, (t, list) => {
        const platform = tinyGuests((p) => {
          p.memoryBytes = 1 << 20;
          p.mmu.levels = STAGE1;
          p.mmu.accessedDirty = t.accessedDirty;
          if (t.walkCache) p.mmu.walkCache = { entries: 3, asidTagged: true };
          if (p.virtualization) p.virtualization.stage2Levels = STAGE2;
        });
        const machine = machineOf(platform, 1);
        // Stage 2: pages of intermediate half h, number n, in frame 128 + 16 h + n; its block in 64 + 16 h.
        machine.poke(STAGE2_ROOT, 0x2000 | PTE.VALID | PTE.TABLE);
        for (const [h, { block, whole, pages }] of t.halves.entries()) {
          if (block)
            machine.poke(0x2000 + h * 4, entryBits(whole) && ((64 + 16 * h) << 12) | entryBits(whole));
          else {
            machine.poke(0x2000 + h * 4, (0x3000 + h * 0x1000) | PTE.VALID | PTE.TABLE);
            for (const [n, page] of pages.entries()) {
              const at = 0x3000 + h * 0x1000 + n * 4;
              machine.poke(at, entryBits(page) && ((128 + 16 * h + n) << 12) | entryBits(page));
            }
          }
        }
        for (let frame = 64; frame < 256; frame++) machine.poke(frame * 4096 + NAME, frame);

        const walk = (levels: typeof STAGE1, root: number, address: number, read: (at: number) => number) => {
          let [table, shift] = [root, 20];
          for (let level = 0; ; level++) {
            shift -= levels[level].bits;
            const index = ((address >>> 12) >>> shift) & ((1 << levels[level].bits) - 1);
            const pte = read(table + index * 4);
            const goesOn = (pte & PTE.VALID) !== 0 && (pte & PTE.TABLE) !== 0 && level + 1 < levels.length;
            if (!goesOn) return { pte, out: (pte & 0xffff_f000) + (address & ((4096 << shift) - 1)) };
            table = pte & 0xffff_f000;
          }
        };
        const second = (ipa: number) => walk(STAGE2, STAGE2_ROOT, ipa, (at) => machine.peek(at));
        const demand = (
          ipa: number,
          what: { va: number; write: boolean; fetch: boolean; tableRead: boolean },
        ) => {
          const { pte, out } = second(ipa);
          const kind =
            (pte & PTE.VALID) === 0
              ? 'translation'
              : (pte & PTE.ACCESSED) === 0
                ? 'access-flag'
                : (what.write && (pte & PTE.WRITE) === 0) || (what.fetch && (pte & PTE.EXECUTE) === 0)
                  ? 'permission'
                  : undefined;
          if (kind) throw new RefFault({ ipa, ...what, kind });
          return { pte, out };
        };
        // Stage 1, written where stage 2 says that the guest's pages are, if it says anything.
        /** By their intermediate addresses, with what the walker has set in them. */
        const words = new Map<number, number>();
        const pokeIpa = (ipa: number, word: number) => {
          const { pte, out } = second(ipa);
          if ((pte & PTE.VALID) === 0) return;
          machine.poke(out, word);
          words.set(ipa, word >>> 0);
        };
        pokeIpa(ROOT << 12, (MIDDLE << 12) | PTE.VALID | PTE.TABLE);
        for (const [g, { block, whole, pages }] of t.groups.entries()) {
          const at = (MIDDLE << 12) + g * 4;
          if (block) pokeIpa(at, entryBits(whole) && ((whole.to * 8) << 12) | entryBits(whole));
          else {
            pokeIpa(at, ((LAST << 12) + g * 0) | PTE.VALID | PTE.TABLE);
            if (g === 1 && !t.groups[0].block) continue;
            for (const [n, page] of pages.entries()) {
              pokeIpa((LAST << 12) + n * 4, entryBits(page) && (page.to << 12) | entryBits(page));
            }
          }
        }
        const isBySoftware = t.accessedDirty === 'software';
        const isByHardware = t.accessedDirty === 'hardware';
        const [cpu] = cpusOf(machine);
        /** A word of the guest's tables as its walker has left it. */
        const wordAt = (ipa: number) => {
          const { pte, out } = second(ipa);
          return complete(cpu.loadPhysical(out, 4, (pte >>> PTE.ATTRIBUTE_SHIFT) % 4 !== ATTRIBUTE_NORMAL));
        };
        /** What an access may do instead of what the reference does. */
        let instead: object | undefined;
        /** The walker sets what an entry lacks of accessed and dirty: for stage 2 a write to the table. */
        const setBits = (at: number, pte: number, ipa: number, va: number, write: boolean) => {
          const now = pte | PTE.ACCESSED | (write ? PTE.DIRTY : 0);
          if (!isByHardware || now === pte) return;
          words.set(at, now >>> 0);
          // A TLB that has the entry already may say so first that stage 2 forbids the store.
          if (write && (pte & PTE.ACCESSED) !== 0) {
            try {
              demand(ipa, { va, write, fetch: false, tableRead: false });
            } catch (fault) {
              if (!(fault instanceof RefFault)) throw fault;
              instead = fault.what;
              words.set(at, wordAt(at) >>> 0);
              expect([pte >>> 0, now >>> 0]).toContain(words.get(at));
            }
          }
          try {
            demand(at, { va, write: true, fetch: false, tableRead: true });
          } catch (fault) {
            words.set(at, pte >>> 0);
            throw fault;
          }
        };
        const reference = (va: number, kind: string, mmuOn: boolean, cachesOn: boolean) => {
          const [write, fetch] = [kind === 'store', kind === 'fetch'];
          let stage1 = PTE.VALID | PTE.WRITE | PTE.EXECUTE;
          let ipa = va;
          if (mmuOn) {
            let entry = 0;
            const found = walk(STAGE1, ROOT << 12, va, (at) => {
              entry = at;
              demand(at, { va, write: false, fetch: false, tableRead: true });
              return words.get(at) ?? 0;
            });
            const { pte } = found;
            if ((pte & PTE.VALID) === 0) throw new RefFault({ va, write, fetch, kind: 'translation' });
            if (isBySoftware && (pte & PTE.ACCESSED) === 0) {
              throw new RefFault({ va, write, fetch, kind: 'access-flag' });
            }
            const isClean = isBySoftware && (pte & PTE.DIRTY) === 0;
            const forbids =
              (write && ((pte & PTE.WRITE) === 0 || isClean)) || (fetch && (pte & PTE.EXECUTE) === 0);
            if (forbids) throw new RefFault({ va, write, fetch, kind: 'permission' });
            stage1 = pte;
            ipa = found.out;
            setBits(entry, pte, ipa, va, write);
          }
          const { pte, out } = demand(ipa, { va, write, fetch, tableRead: false });
          const [one, two] = [stage1, pte].map((each) => (each >>> PTE.ATTRIBUTE_SHIFT) & 3);
          const ofData = !mmuOn ? ATTRIBUTE_DEVICE : cachesOn ? ATTRIBUTE_NORMAL : ATTRIBUTE_UNCACHED;
          const own = fetch ? ATTRIBUTE_NORMAL : ofData;
          const isForced = t.forcedWriteBack && two === ATTRIBUTE_NORMAL;
          return { pa: out, attributes: isForced ? ATTRIBUTE_NORMAL : Math.max(one, two, own) };
        };

        let fault: object | undefined;
        const note = function* (_: unknown, what: object) {
          fault = what;
          return false;
        };
        cpu.vectors = { ...vectorsWith(), stage2Fault: note, guestFault: note } as Vectors;
        const registers = { ...guestOn, rootIpa: ROOT << 12 };
        complete(cpu.enterGuest(entryOf(STAGE2_ROOT, { forcedWriteBack: t.forcedWriteBack, registers })));
        let [mmuOn, cachesOn] = [true, true];
        for (const [i, { page, kind, control }] of list.entries()) {
          if (control) {
            // Bits that were set in a cache a walk past it would not see.
            [mmuOn, cachesOn] = [control.mmuOn, control.cachesOn || isByHardware];
            complete(cpu.guestControl({ mmuOn, cachesOn }));
          }
          const va = (page << 12) + (kind === 'store' ? STORED : NAME);
          fault = undefined;
          let got: object;
          try {
            const value = complete(
              kind === 'store' ? cpu.store(va, i) : kind === 'load' ? cpu.load(va) : cpu.fetch(va),
            );
            const { translation } = machine;
            const e = translation.entryTlb.entries;
            const size = e[translation.entry + ENTRY.SIZE];
            const below = (4096 << size) - 1;
            const pa = ((e[translation.entry + ENTRY.PTE] & 0xffff_f000 & ~below) | (va & below)) >>> 0;
            if (kind !== 'store') expect(value).toBe(pa >>> 12);
            got = { pa, attributes: translation.attributes };
          } catch (error) {
            if (!(error instanceof SegmentationFault)) throw error;
            got = fault ?? { none: true };
          }
          let want: object;
          instead = undefined;
          try {
            want = reference(va, kind, mmuOn, cachesOn);
          } catch (error) {
            if (!(error instanceof RefFault)) throw error;
            want = error.what;
          }
          const what = `${i}: ${kind} of 0x${va.toString(16)}`;
          if (instead) expect([want, instead], what).toContainEqual(got);
          else expect(got, what).toEqual(want);
        }
        for (const [at, word] of words) expect(wordAt(at) >>> 0, `entry at 0x${at.toString(16)}`).toBe(word);
      }),
      { numRuns: 300 },
    );
  });
});
