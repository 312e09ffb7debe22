import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Causality } from '../../src/explore/causality.ts';
import { conflict, type Footprint, Footprints } from '../../src/explore/footprint.ts';
import { encodeAction } from '../../src/machine/agents.ts';
import { EVENT, EventLog, TLBI_KINDS } from '../../src/machine/events.ts';
import { TLBI_ALL, TLBI_VA } from '../../src/machine/tlb.ts';
import { smallPlatforms } from '../support/small-platforms.ts';

const reads = (...resources: number[]): Footprint => Int32Array.from(resources.flatMap((r) => [r, 0]));
const writes = (...resources: number[]): Footprint => Int32Array.from(resources.flatMap((r) => [r, 1]));

describe('what happened before what', () => {
  it('orders the steps of one actor and no others', () => {
    const causality = new Causality();
    for (const actor of [0, 1, 0]) causality.add(actor, reads());
    expect(causality.precedes(0, 2)).toBe(true);
    expect(causality.precedes(1, 2)).toBe(false);
    expect(causality.precedes(0, 1)).toBe(false);
  });

  it('orders conflicts, through others as well', () => {
    const causality = new Causality();
    causality.add(0, writes(5));
    causality.add(1, new Int32Array([5, 0, 6, 1]));
    causality.add(2, reads(6));
    causality.add(3, reads(7));
    expect(causality.precedes(0, 1)).toBe(true);
    expect(causality.precedes(0, 2)).toBe(true);
    expect(causality.precedes(2, 3)).toBe(false);
  });

  it('finds a race with the last write, and with each read since', () => {
    const causality = new Causality();
    expect(causality.add(0, writes(5))).toEqual([]);
    expect(causality.add(1, reads(5))).toEqual([0]);
    expect(causality.add(2, reads(5))).toEqual([0]);
    expect(causality.add(3, writes(5))).toEqual([2, 1]);
  });

  it('finds no race where something in between orders the two', () => {
    const causality = new Causality();
    causality.add(0, writes(5, 6));
    causality.add(1, writes(6));
    // CPU 1 knows of step 0 through resource 6, which it has raced for already.
    expect(causality.add(1, writes(5))).toEqual([]);
  });

  it('finds no race of an actor with itself', () => {
    const causality = new Causality();
    causality.add(0, writes(5));
    expect(causality.add(0, writes(5))).toEqual([]);
  });

  it('holds more steps than a word has bits', () => {
    const causality = new Causality();
    for (let i = 0; i < 100; i++) causality.add(i & 1, writes(i & 1));
    expect(causality.precedes(1, 99)).toBe(true);
    expect(causality.precedes(64, 99)).toBe(false);
    expect(causality.add(2, writes(0, 1))).toEqual([99, 98]);
    expect(causality.precedes(0, 100)).toBe(true);
  });

  it('forgets', () => {
    const causality = new Causality();
    causality.add(0, writes(5));
    causality.cutTo(0);
    expect(causality.add(1, writes(5))).toEqual([]);
    expect(causality.lastOf(0)).toBe(-1);
  });

  it('goes back to any step', () => {
    const footprints = fc.array(fc.record({ actor: fc.nat(2), key: fc.nat(3), write: fc.boolean() }), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(footprints, footprints, footprints, (kept, dropped, added) => {
        const all = (causality: Causality, steps: typeof kept) =>
          steps.map(({ actor, key, write }) => causality.add(actor, Int32Array.of(key, write ? 1 : 0)));
        const fresh = new Causality();
        all(fresh, kept);
        const used = new Causality();
        all(used, kept);
        all(used, dropped);
        used.cutTo(kept.length);
        expect(all(used, added)).toEqual(all(fresh, added));
        for (let step = 0; step < fresh.length; step++) {
          expect([...used.before[step]]).toEqual([...fresh.before[step]]);
        }
      }),
      { seed: 4 },
    );
  });
});

type Event = readonly [kind: number, cpu: number, a?: number, b?: number, c?: number];

/** Do two steps of the machine depend on each other? */
function depend(
  one: readonly Event[],
  other: readonly Event[],
  name = 'neoverse',
  uncached = false,
): boolean {
  const footprints = new Footprints(smallPlatforms[name], false, uncached);
  const [a, b] = [one, other].map((events) => {
    const log = new EventLog();
    for (const [kind, cpu, x = 0, y = 0, z = 0] of events) log.push(kind, cpu, x, y, z);
    return footprints.of(0, log, 0);
  });
  expect(conflict(a, b)).toBe(conflict(b, a));
  return conflict(a, b);
}

const store = (cpu: number, pa: number, bytes = 4): Event => [EVENT.STORE, cpu, pa, 1, bytes];
const load = (cpu: number, pa: number): Event => [EVENT.LOAD, cpu, pa, 1, pa];
const page = (number: number) => number * 4096;

describe('what steps depend on', () => {
  it('commutes stores to two words of a line, and neither with one to both', () => {
    expect(depend([store(0, 0x1000)], [store(1, 0x1004)])).toBe(false);
    expect(depend([store(0, 0x1000)], [store(1, 0x1000, 8)])).toBe(true);
    expect(depend([store(0, 0x1004)], [store(1, 0x1000, 8)])).toBe(true);
  });

  it('commutes a load with the drains of its own CPU, and with no store of another', () => {
    for (const other of [1, 2, 3, 12, 63])
      expect(depend([load(0, 0x1000)], [store(other, 0x1000)])).toBe(true);
    expect(depend([load(5, 0x1000)], [store(5, 0x1000)])).toBe(false);
    expect(depend([load(5, 0x1000)], [store(4, 0x1000)])).toBe(true);
    expect(depend([load(5, 0x1000)], [store(4, 0x1004)])).toBe(false);
    expect(depend([load(5, 0x1004)], [store(4, 0x1000, 8)])).toBe(true);
    expect(depend([load(0, 0x1000)], [load(1, 0x1000)])).toBe(false);
  });

  it('reads an instruction, and the second word of two, past the CPU’s own write buffer', () => {
    const past = (cpu: number, pa: number): Event => [EVENT.READ_PAST, cpu, pa];
    expect(depend([load(0, 0x1000), past(0, 0x1000)], [store(0, 0x1000)])).toBe(true);
    expect(depend([load(0, 0x1000), past(0, 0x1004)], [store(1, 0x1004)])).toBe(true);
    expect(depend([past(0, 0x1000)], [past(1, 0x1000)])).toBe(false);
  });

  it('notices walks past caches of lines that are written, whoever came first', () => {
    const walk: Event = [EVENT.WALK_READ, 0, 0x2000];
    const sees = (events: readonly Event[], name = 'walks past caches', uncached = false) => {
      const footprints = new Footprints(smallPlatforms[name], false, uncached, uncached);
      for (const [kind, cpu, a = 0, b = 0, c = 0] of events) {
        const log = new EventLog();
        log.push(kind, cpu, a, b, c);
        footprints.of(0, log, 0);
      }
      return footprints.sawTablesChange;
    };
    expect(sees([walk, store(1, 0x3000)])).toBe(false);
    expect(sees([walk, store(1, 0x2004)])).toBe(true);
    expect(sees([store(1, 0x2004), walk])).toBe(true);
    expect(sees([walk, store(1, 0x2004)], 'neoverse')).toBe(false);
    // Caches are reckoned with from the beginning.
    expect(sees([walk, store(1, 0x2004)], 'walks past caches', true)).toBe(false);
  });

  it('makes whoever watches the line depend on each', () => {
    const watch: Event = [EVENT.WATCH, 2, 0x1008];
    expect(depend([store(0, 0x1000)], [watch])).toBe(true);
    expect(depend([store(1, 0x103c)], [watch])).toBe(true);
    expect(depend([store(1, 0x1040)], [watch])).toBe(false);
  });

  it('commutes loads, and loads with stores elsewhere', () => {
    expect(depend([load(0, 0x1000)], [load(1, 0x1000)])).toBe(false);
    expect(depend([load(0, 0x1000)], [store(1, 0x1004)])).toBe(false);
    expect(depend([load(0, 0x1000)], [store(1, 0x1000)])).toBe(true);
  });

  it('takes lines for words where what caches hold can be told', () => {
    expect(depend([store(0, 0x1000)], [store(1, 0x1004)], 'incoherent')).toBe(true);
    expect(depend([store(0, 0x1000)], [store(1, 0x1004)], 'neoverse', true)).toBe(true);
    const clean: Event = [EVENT.MAINTAIN, 0, 0x1000];
    expect(depend([load(0, 0x2000)], [clean], 'incoherent')).toBe(true);
    expect(depend([load(0, 0x2000)], [clean])).toBe(false);
  });

  it('knows a buffered store by its number', () => {
    const buffer: Event = [EVENT.BUFFER, 0, 3, 0x1000, 1];
    expect(depend([buffer], [[EVENT.DRAIN, 0, 3]])).toBe(true);
    expect(depend([buffer], [[EVENT.DRAIN, 0, 2]])).toBe(false);
    expect(depend([buffer], [[EVENT.DRAIN, 1, 3]])).toBe(false);
    expect(depend([[EVENT.DRAINED, 0, 3]], [[EVENT.DRAIN, 0, 3]])).toBe(true);
    expect(depend([[EVENT.HELD, 0, 3]], [[EVENT.DRAIN, 0, 3]])).toBe(true);
  });

  it('makes a store that may have waited for room depend on every one that left', () => {
    const buffer = (number: number): Event => [EVENT.BUFFER, 0, number, 0x1000, 1];
    expect(depend([buffer(1)], [[EVENT.DRAIN, 0, 0]], 'two stores')).toBe(false);
    expect(depend([buffer(2)], [[EVENT.DRAIN, 0, 0]], 'two stores')).toBe(true);
  });

  it('knows TLBs by CPU and page', () => {
    const lookup: Event = [EVENT.LOOKUP, 1, page(5)];
    const invalidate = (cpu: number, kind: number, number: number): Event => [
      EVENT.TLBI,
      cpu,
      kind + TLBI_KINDS,
      page(number),
    ];
    expect(depend([lookup], [invalidate(1, TLBI_VA, 5)])).toBe(true);
    expect(depend([lookup], [invalidate(1, TLBI_VA, 6)])).toBe(false);
    expect(depend([lookup], [invalidate(0, TLBI_VA, 5)])).toBe(false);
    expect(depend([lookup], [invalidate(1, TLBI_ALL, 0)])).toBe(true);
    expect(depend([lookup], [[EVENT.FILL, 1, 5, 0, 0]])).toBe(true);
    expect(depend([lookup], [[EVENT.FILL, 1, 6, 0, 0]])).toBe(false);
    expect(depend([lookup], [[EVENT.FILL, 1, 6, 0, 0]], 'direct-mapped TLB')).toBe(true);
  });

  it('lets an invalidate of one page remove the entry of many', () => {
    const footprints = new Footprints(smallPlatforms.neoverse, false, false);
    const log = new EventLog();
    log.push(EVENT.FILL, 1, 0x400 + 0x10_0000 * 10, 0, 0);
    footprints.of(0, log, 0);
    log.clear();
    log.push(EVENT.LOOKUP, 1, page(0x400), 0, 0);
    const lookup = footprints.of(0, log, 0);
    log.clear();
    log.push(EVENT.TLBI, 1, TLBI_VA + TLBI_KINDS, page(0x417), 0);
    expect(conflict(lookup, footprints.of(0, log, 0))).toBe(true);
  });

  it('makes uses of one ASID depend on each other, and a use on the TLB that is looked at', () => {
    const context = 0x7000;
    const uses = (cpu: number, key: number): Event => [EVENT.ASID, cpu, key, 1, context];
    const ends = (cpu: number, key: number): Event => [EVENT.ASID, cpu, key, 0, 0];
    expect(depend([uses(0, 3)], [uses(1, 3)])).toBe(true);
    expect(depend([uses(0, 3)], [ends(1, 3)])).toBe(true);
    expect(depend([uses(0, 3)], [uses(1, 2)])).toBe(false);
    expect(depend([ends(0, 3)], [ends(1, 2)])).toBe(false);
    expect(depend([uses(0, 3)], [store(1, context)])).toBe(true);
    expect(depend([ends(0, 3)], [store(1, context)])).toBe(false);
    expect(depend([uses(0, 3)], [[EVENT.FILL, 0, 5, 0, 0]])).toBe(true);
    expect(depend([uses(0, 3)], [[EVENT.FILL, 1, 5, 0, 0]])).toBe(false);
    expect(depend([uses(0, 3)], [[EVENT.TLBI, 0, TLBI_VA + TLBI_KINDS, page(5)]])).toBe(true);
    expect(depend([uses(0, 3)], [[EVENT.TLBI, 1, TLBI_ALL + TLBI_KINDS, 0]])).toBe(false);
    expect(depend([ends(0, 3)], [[EVENT.TLBI, 0, TLBI_ALL + TLBI_KINDS, 0]])).toBe(false);
  });

  it('commutes completions at two targets, and neither with the barrier', () => {
    expect(depend([[EVENT.COMPLETE, 0, 1]], [[EVENT.COMPLETE, 0, 2]])).toBe(false);
    expect(depend([[EVENT.COMPLETE, 0, 1]], [[EVENT.BARRIER, 0, 1]])).toBe(true);
    // A broadcast that has acted and waits for a store to drain has its part in the completion too.
    expect(depend([[EVENT.ACT, 1, 0, 0]], [[EVENT.BARRIER, 0, 1]])).toBe(true);
  });

  it('has an IPI in flight, pending and taken', () => {
    const sent: Event = [EVENT.IPI_SENT, 1, 3, 0];
    const delivered: Event = [EVENT.IPI_DELIVERED, 1, 3];
    expect(depend([sent], [delivered])).toBe(true);
    expect(depend([sent], [[EVENT.OPEN, 1]])).toBe(false);
    expect(depend([delivered], [[EVENT.OPEN, 1]])).toBe(true);
    expect(depend([delivered], [[EVENT.OPEN, 0]])).toBe(false);
    expect(depend([sent], [[EVENT.OPEN, 1]], 'prompt interrupts')).toBe(true);
  });

  it('makes every access depend on the kernel’s promises', () => {
    const contract: Event = [EVENT.CONTRACT, 0, 0x3000];
    expect(depend([[EVENT.BEGIN, 1]], [contract])).toBe(true);
    expect(depend([[EVENT.BEGIN, 1]], [[EVENT.BEGIN, 2]])).toBe(false);
    // It is about what the entry says at that moment.
    expect(depend([store(1, 0x3000)], [contract])).toBe(true);
    expect(depend([[EVENT.WALK, 1, page(5)]], [[EVENT.FREED, -1, 7]])).toBe(true);
  });

  it('makes programs that end depend on what goes on after them', () => {
    const ended: Event = [EVENT.ENDED, 0, 0];
    const after: Event = [EVENT.ENDED, 1, 1];
    expect(depend([ended], [[EVENT.ENDED, 1, 0]])).toBe(false);
    expect(depend([ended], [after])).toBe(true);
    expect(depend([ended], [[EVENT.DRAIN, 1, 0, 1]])).toBe(true);
    expect(depend([ended], [[EVENT.DRAIN, 1, 0, 0]])).toBe(false);
  });

  it('makes agents that share a budget depend on each other', () => {
    const footprints = new Footprints(smallPlatforms.incoherent, true, false);
    const of = (choice: number) => footprints.of(choice, new EventLog(), 0);
    expect(conflict(of(encodeAction('walk', 0, 1)), of(encodeAction('walk', 1, 1)))).toBe(true);
    expect(conflict(of(encodeAction('walk', 0, 1)), of(encodeAction('prefetch', 1, 1)))).toBe(false);
    // A walk that finds the walker busy does nothing and says nothing; it is not for all times.
    const log = new EventLog();
    log.push(EVENT.WALK, 0, page(5), 0, 0);
    expect(conflict(of(encodeAction('walk', 0, 1)), footprints.of(0, log, 0))).toBe(true);
  });

  it('refuses events that it does not know', () => {
    expect(() => depend([[99, 0]], [])).toThrow('event 99');
  });
});
