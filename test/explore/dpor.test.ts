/**
 * What `verify` rests on: partial-order reduction reaches every final state that trying all schedules reaches.
 */
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { Dpor, type DporResult } from '../../src/explore/dpor.ts';
import type { Budgets } from '../../src/explore/execution.ts';
import { Footprints } from '../../src/explore/footprint.ts';
import { COUNT } from '../../src/machine/registers.ts';
import { searchFully } from '../support/full-search.ts';
import { devicePlatforms, fetchAheadPlatforms, smallPlatforms } from '../support/small-platforms.ts';
import { type Op, type SmallProgram, SmallRun } from '../support/small-program.ts';

const platforms = { ...smallPlatforms, ...devicePlatforms, ...fetchAheadPlatforms };
const UNDISTURBED: Budgets = { walk: 0, prefetch: 0, evict: 0 };
/** Larger programs are left out. */
const MOST_SCHEDULES = 1500;

const sums = { programs: 0, tooLarge: 0, all: 0, reduced: 0, redundant: 0 };

interface Setting {
  readonly platform: string;
  readonly program: SmallProgram;
  readonly budgets?: Budgets;
  readonly keepGoing?: boolean;
}

/** Compares both searches; returns how many final states there are, undefined if there are too many schedules. */
function compare(
  { platform, program, budgets = UNDISTURBED, keepGoing = true }: Setting,
  most = MOST_SCHEDULES,
) {
  const run = new SmallRun(platforms[platform], program, budgets, keepGoing, program.devices !== undefined);
  const expected = new Set<string>();
  const all = searchFully(run.execution, most, () => expected.add(run.ending()));
  if (all === undefined) {
    sums.tooLarge++;
    return undefined;
  }
  const { dma } = platforms[platform];
  const uncached =
    (program.devices !== undefined && (!dma.snooped || dma.iommu)) ||
    [...program.cpus, ...program.handlers].flat().some((op) => 'uncached' in op && op.uncached);
  const fetches = program.devices !== undefined || hasOp(program, 'fetch');
  const reached = new Set<string>();
  const reduced = (uncached: boolean): DporResult | undefined => {
    const disturbs = budgets.evict + budgets.prefetch > 0;
    const footprints = new Footprints(platforms[platform], disturbs, uncached, uncached || fetches);
    const goesPast = () =>
      footprints.sawTablesChange ||
      (footprints.ignoresCaches && run.execution.view.cpus.some((cpu) => cpu.counters[COUNT.uncached] > 0));
    let isGood = true;
    const onRun = () => {
      reached.add(run.ending());
      isGood &&= !goesPast();
      return isGood;
    };
    const result = new Dpor(run.execution, { maxRuns: 4 * all + 10, footprints, onRun }).run();
    return isGood && !footprints.sawTablesChange ? result : undefined;
  };
  // As a search does it: caches matter only if some run has shown that they do.
  const search = reduced(uncached) ?? reduced(true);
  if (search === undefined) return expect.fail('caches matter still');
  expect(search.complete).toBe(true);
  expect([...reached].sort()).toEqual([...expected].sort());
  sums.programs++;
  sums.all += all;
  sums.reduced += search.runs;
  sums.redundant += search.redundant;
  return expected.size;
}

function hasOp({ cpus, handlers }: SmallProgram, name: string): boolean {
  return [...cpus, ...handlers].flat().some(({ op }) => op.startsWith(name));
}

const word = fc.integer({ min: 0, max: 3 });
const page = fc.constantFrom(0, 0, 0, 1);
const flag = fc.constantFrom(0, 0, 1);
const value = fc.integer({ min: 1, max: 3 });
const uncached = fc.boolean();

const memory: fc.Arbitrary<Op>[] = [
  fc.record({ op: fc.constantFrom('load', 'add'), word }),
  fc.record({ op: fc.constant('store'), word, value }),
  fc.record({ op: fc.constantFrom('load-physical', 'add-physical'), word }),
  fc.record({ op: fc.constant('store-physical'), word, value }),
  fc.constantFrom<Op>({ op: 'dmb' }, { op: 'dsb' }),
];
/** Stores that their own CPU reads back, and buffers that are full. */
const readBack: fc.Arbitrary<Op>[] = [
  fc.record({ op: fc.constantFrom('load', 'load-physical', 'load-physical'), word: flag }),
  fc.record({ op: fc.constantFrom('store', 'store-physical', 'store-physical'), word: flag, value }),
  fc.record({ op: fc.constant('store'), word: flag, value, bytes: fc.constantFrom(1, 2) }),
];
const translation: fc.Arbitrary<Op>[] = [
  fc.record({ op: fc.constantFrom('flush', 'broadcast', 'broadcast'), page }),
  fc.record({ op: fc.constantFrom('contract', 'free'), page }),
  fc.record({ op: fc.constantFrom('unmap', 'remap', 'remap', 'clean-entry'), page }),
  fc.constantFrom<Op>({ op: 'flush-all' }, { op: 'flush-asid' }, { op: 'dsb' }),
  fc.record({ op: fc.constant('switch'), space: fc.constantFrom(0, 1) }),
  fc.record({ op: fc.constant('load'), word: fc.constantFrom(0, 0, 3) }),
  fc.record({ op: fc.constant('store'), word: fc.constantFrom(0, 0, 3), value }),
];
const waiting: fc.Arbitrary<Op>[] = [
  fc.record({ op: fc.constantFrom('signal', 'signal', 'wait', 'wait', 'wait-for'), flag }),
  fc.record({ op: fc.constant('ipi'), to: fc.integer({ min: 0, max: 2 }), vector: fc.constantFrom(0, 1) }),
  fc.constantFrom<Op>({ op: 'mask' }, { op: 'unmask' }, { op: 'wfi' }),
  fc.record({ op: fc.constant('exclusive'), word }),
  fc.record({ op: fc.constant('store'), word, value, bytes: fc.constantFrom(1, 2) }),
  fc.record({ op: fc.constant('clean'), word, invalidate: fc.boolean() }),
];
const pastCaches: fc.Arbitrary<Op>[] = [
  fc.record({ op: fc.constantFrom('load-physical', 'add-physical'), word, uncached }),
  fc.record({ op: fc.constant('store-physical'), word, value, uncached }),
  fc.record({ op: fc.constant('clean'), word, invalidate: fc.boolean() }),
];

const instructions: fc.Arbitrary<Op>[] = [
  fc.record({ op: fc.constantFrom('fetch', 'fetch-ahead', 'fetch-ahead'), word: fc.constantFrom(0, 0, 1) }),
  fc.record({ op: fc.constantFrom('store', 'store-physical'), word: fc.constantFrom(0, 0, 1), value }),
  fc.record({ op: fc.constant('clean'), word: fc.constant(0), invalidate: fc.constant(false) }),
  fc.record({ op: fc.constantFrom('unmap', 'flush'), page: fc.constant(0) }),
  fc.constantFrom<Op>({ op: 'isb' }, { op: 'ipi', to: 1, vector: 0 }),
];

const shared = fc.constantFrom(0, 0, 1, 3);
const beside: fc.Arbitrary<Op>[] = [
  fc.record({ op: fc.constantFrom('load-physical', 'add-physical'), word: shared }),
  fc.record({ op: fc.constantFrom('load-physical'), word: shared, uncached }),
  fc.record({ op: fc.constant('store-physical'), word: shared, value }),
  fc.record({ op: fc.constant('clean'), word: shared, invalidate: fc.boolean() }),
  fc.record({ op: fc.constant('exclusive'), word: shared }),
  fc.record({ op: fc.constantFrom('io-flush', 'contract'), page: fc.constant(0) }),
  fc.record({ op: fc.constantFrom('unmap', 'remap'), page: fc.constant(0) }),
  fc.constantFrom<Op>({ op: 'dsb' }, { op: 'ipi', to: 2, vector: 0 }),
];
const transfers: fc.Arbitrary<Op>[] = [
  fc.record({ op: fc.constant('dma-read'), word: shared }),
  fc.record({ op: fc.constant('dma-write'), word: shared, value }),
  fc.record({ op: fc.constant('ipi'), to: fc.constantFrom(0, 1), vector: fc.constant(0) }),
];
const transferring: fc.Arbitrary<SmallProgram> = fc.record({
  cpus: fc.oneof(
    fc.tuple(
      fc.array(fc.oneof(...beside), { maxLength: 3 }),
      fc.array(fc.oneof(...transfers), { minLength: 1, maxLength: 2 }),
    ),
    fc.tuple(
      fc.array(fc.oneof(...beside), { maxLength: 2 }),
      fc.array(fc.oneof(...beside), { maxLength: 1 }),
      fc.array(fc.oneof(...transfers), { minLength: 1, maxLength: 2 }),
    ),
  ),
  devices: fc.constant(1),
  warm: fc.boolean(),
  handlers: fc.tuple(fc.array(fc.oneof(...beside), { maxLength: 1 })),
});

/** Two CPUs with up to `most` operations each, or three with fewer. */
function programs(op: fc.Arbitrary<Op>, most: number): fc.Arbitrary<SmallProgram> {
  const upTo = (maxLength: number) => fc.array(op, { maxLength });
  return fc.record({
    cpus: fc.oneof(fc.tuple(upTo(most), upTo(most)), fc.tuple(upTo(most - 1), upTo(most - 1), upTo(1))),
    warm: fc.boolean(),
    handlers: fc.tuple(upTo(2), upTo(1)),
  });
}

interface Family {
  readonly name: string;
  readonly ops: readonly fc.Arbitrary<Op>[];
  readonly most: number;
  readonly platforms: readonly string[];
  readonly budgets?: Budgets;
  readonly runs: number;
  /** Instead of programs of `ops`. */
  readonly programs?: fc.Arbitrary<SmallProgram>;
}

const coherent = Object.keys(smallPlatforms).filter((name) => !name.startsWith('incoherent'));
const families: readonly Family[] = [
  { name: 'loads and stores', ops: memory, most: 3, platforms: coherent, runs: 60 },
  {
    name: 'stores that are read back',
    ops: readBack,
    most: 4,
    platforms: ['neoverse', 'one store', 'two stores'],
    runs: 25,
  },
  { name: 'translations', ops: translation, most: 3, platforms: coherent, runs: 120 },
  { name: 'waits and interrupts', ops: [...memory, ...waiting], most: 3, platforms: coherent, runs: 80 },
  {
    name: 'everything',
    ops: [...memory, ...translation, ...waiting],
    most: 2,
    platforms: Object.keys(smallPlatforms),
    runs: 150,
  },
  {
    name: 'speculative walks',
    ops: translation,
    most: 2,
    platforms: ['neoverse', 'x86-64', 'direct-mapped TLB'],
    budgets: { ...UNDISTURBED, walk: 1 },
    runs: 60,
  },
  {
    name: 'caches that software keeps coherent',
    ops: [...pastCaches, ...memory, ...waiting],
    most: 2,
    platforms: ['incoherent', 'incoherent and unbuffered'],
    budgets: { walk: 1, prefetch: 1, evict: 1 },
    runs: 50,
  },
  {
    name: 'instructions fetched ahead',
    ops: instructions,
    most: 3,
    platforms: Object.keys(fetchAheadPlatforms),
    runs: 80,
  },
  {
    name: 'devices',
    ops: [],
    most: 0,
    programs: transferring,
    platforms: Object.keys(devicePlatforms),
    runs: 150,
  },
  {
    name: 'devices beside caches that evict lines',
    ops: [],
    most: 0,
    programs: transferring,
    platforms: ['past the caches', 'behind an IOMMU', 'of an incoherent machine'],
    budgets: { ...UNDISTURBED, evict: 1 },
    runs: 60,
  },
];

const one = (op: Op) => [op];
const store0: Op = { op: 'store-physical', word: 0, value: 1 };
const load0: Op = { op: 'load-physical', word: 0 };

/** Programs whose final states a search has once missed, or would if it forgot what the name says. */
const regressions: readonly (Setting & { readonly name: string; readonly states: number })[] = [
  {
    name: 'a store that drains before a load that came before the store',
    platform: 'neoverse',
    program: { cpus: [one(load0), one(store0)], warm: true, handlers: [] },
    states: 2,
  },
  {
    name: 'an IPI that is still in flight when all programs have ended',
    platform: 'neoverse',
    program: { cpus: [[], [], one({ op: 'ipi', to: 0, vector: 0 })], warm: true, handlers: [one(load0)] },
    states: 2,
  },
  {
    name: 'a handler that stores on a CPU whose program has ended',
    platform: 'neoverse',
    program: { cpus: [one({ op: 'ipi', to: 1, vector: 0 }), []], warm: true, handlers: [one(store0)] },
    states: 2,
  },
  {
    name: 'a broadcast that nobody waits for',
    platform: 'neoverse',
    program: {
      cpus: [
        [{ op: 'remap', page: 0 }, { op: 'dmb' }, { op: 'broadcast', page: 0 }],
        [
          { op: 'load', word: 0 },
          { op: 'load', word: 0 },
        ],
      ].map((ops, cpu) =>
        cpu === 0 ? ops.concat(one({ op: 'store', word: 3, value: 1 } as Op)) : ops,
      ) as Op[][],
      warm: true,
      handlers: [],
    },
    states: 1,
  },
  {
    name: 'a speculative walk that the program’s own walk forestalls',
    platform: 'unbuffered',
    program: {
      cpus: [one({ op: 'load', word: 0 }), one({ op: 'unmap', page: 0 })],
      warm: false,
      handlers: [],
    },
    budgets: { ...UNDISTURBED, walk: 1 },
    states: 2,
  },
  {
    name: 'a store-exclusive and a store to another word of the line',
    platform: 'neoverse',
    program: {
      cpus: [one({ op: 'exclusive', word: 1 }), one(store0)],
      warm: true,
      handlers: [],
    },
    states: 2,
  },
  {
    name: 'a store-exclusive whose line is invalidated by maintenance',
    platform: 'neoverse',
    program: {
      cpus: [one({ op: 'exclusive', word: 2 }), one({ op: 'clean', word: 2, invalidate: true })],
      warm: true,
      handlers: [],
    },
    states: 2,
  },
  {
    name: 'a buffer of one that the CPU itself has to empty',
    platform: 'one store',
    program: {
      cpus: [
        [store0, { op: 'load-physical', word: 2 }, { op: 'store-physical', word: 3, value: 1 }],
        [load0, { op: 'store-physical', word: 2, value: 1 }],
      ],
      warm: true,
      handlers: [],
    },
    states: 4,
  },
  {
    name: 'a waiting CPU that either an interrupt or a store wakes',
    platform: 'unbuffered',
    program: {
      cpus: [
        [{ op: 'wait', flag: 0 }, load0],
        one({ op: 'ipi', to: 0, vector: 0 }),
        one({ op: 'signal', flag: 0 }),
      ],
      warm: true,
      handlers: [one({ op: 'add-physical', word: 0 })],
    },
    states: 3,
  },
  {
    name: 'two programs that wait for each other',
    platform: 'neoverse',
    program: {
      cpus: [
        [store0, { op: 'wait', flag: 0 }, { op: 'signal', flag: 1 }],
        [load0, { op: 'wait', flag: 1 }, { op: 'signal', flag: 0 }],
      ],
      warm: true,
      handlers: [],
    },
    states: 2,
  },
  {
    name: 'a promise that comes before, between or after the uses of an old translation',
    platform: 'neoverse',
    program: {
      cpus: [
        [{ op: 'remap', page: 0 }, { op: 'dmb' }, { op: 'contract', page: 0 }],
        [
          { op: 'load', word: 0 },
          { op: 'load', word: 0 },
        ],
      ],
      warm: true,
      handlers: [],
    },
    keepGoing: true,
    states: 3,
  },
];

describe('partial-order reduction', () => {
  it.each(regressions)('does not miss $name', ({ states, ...setting }) => {
    expect(compare(setting, 60_000)).toBe(states);
  });

  it.each(families)('reaches the final states of all schedules: $name', (family) => {
    const { ops, most, platforms, budgets, runs } = family;
    const random = family.programs ?? programs(fc.oneof(...ops), most);
    fc.assert(
      fc.property(fc.constantFrom(...platforms), random, fc.boolean(), (platform, program, keepGoing) => {
        compare({ platform, program, keepGoing, ...(budgets && { budgets }) });
      }),
      { seed: 20260101, numRuns: runs },
    );
  });

  afterAll(() => {
    const { programs: n, tooLarge, all, reduced, redundant } = sums;
    console.log(
      `${n} programs (${tooLarge} too large): ${all} schedules, ${reduced} after reduction and ${redundant} cut short`,
    );
    expect(reduced * 10).toBeLessThan(all);
  });
});
