import { describe, expect, it } from 'vitest';
import { Footprints } from '../../src/explore/footprint.ts';
import { coherencyHandler } from '../../src/kernel/coherency-exception.ts';
import { PTE } from '../../src/machine/attributes.ts';
import type { CoherencyFault, Cpu, Steps, Vectors } from '../../src/machine/cpu.ts';
import { EVENT, EVENT_WORDS, EventLog } from '../../src/machine/events.ts';
import { Machine } from '../../src/machine/machine.ts';
import type { PlatformInput } from '../../src/machine/platform.ts';
import { COUNT, CTL } from '../../src/machine/registers.ts';
import { Rewind } from '../../src/machine/rewind.ts';
import {
  complete,
  cpusOf,
  letter,
  Mapper,
  machineOf,
  type Program,
  runPrograms,
  tiny,
  vectorsWith,
} from '../support/machine.ts';

/** An odd page: the linear mapping's colour is that of ODD. */
const PA = 0x1000;
const EVEN = 0x40_0000;
const ODD = 0x40_1000;
/** A page of another frame, whose lines fall on those of EVEN in the L1D. */
const OTHER = 0x40_2000;
const OTHER_PA = 0x4000;

type Change = (p: PlatformInput) => void;

/** Two colours, direct-mapped, under an L2 that knows them. */
function indexed(change: Change = () => {}) {
  return tiny((p) => {
    p.l1d = { sizeBytes: 8192, ways: 1, organisation: 'vipt', aliasPolicy: 'unmanaged' };
    p.l1i = {
      sizeBytes: 8192,
      ways: 1,
      organisation: 'vipt',
      snooped: false,
      fillsFrom: 'unification',
    };
    p.l2 = { sizeBytes: 16384, ways: 2, primaryIndex: true };
    p.mmu.walkerReads = 'memory';
    p.mmu.pageTables = 'uncached';
    p.costs.coherencyExceptionCycles = 1000;
    change(p);
  });
}

function map(machine: Machine): number {
  const mapper = new Mapper(machine);
  for (const va of [EVEN, ODD]) mapper.map(va, PA, PTE.WRITE | PTE.EXECUTE);
  mapper.map(OTHER, OTHER_PA);
  return mapper.root;
}

const vectors = (
  handler: (cpu: Cpu, fault: CoherencyFault) => Steps = coherencyHandler,
): { vectors: Vectors; seen: CoherencyFault[] } => {
  const seen: CoherencyFault[] = [];
  return {
    seen,
    vectors: {
      ...vectorsWith(),
      *coherencyException(cpu, fault) {
        seen.push(fault);
        yield* handler(cpu, fault);
      },
    },
  };
};

/** Two CPUs of a machine with the handler of the kernel. */
function lab(change?: Change) {
  const machine = machineOf(indexed(change));
  const root = map(machine);
  const handled = vectors();
  const cpus = cpusOf(machine);
  for (const cpu of cpus) {
    cpu.vectors = handled.vectors as Cpu['vectors'];
    complete(cpu.setContext(root, 1));
  }
  return { machine, a: cpus[0], b: cpus[1], seen: handled.seen };
}

const raised = (cpu: Cpu) => cpu.hw.counters[COUNT.coherencyExceptions];

describe('an access through another index', () => {
  it('raises once, sees the data, and changes sides', () => {
    const { a, seen } = lab();
    complete(a.store(EVEN, 5));
    const before = a.clock;
    expect(complete(a.load(ODD))).toBe(5);
    expect(seen).toEqual([{ va: ODD, pa: PA, write: false, fetch: false }]);
    expect(a.clock - before).toBeGreaterThan(1000);
    expect(complete(a.load(ODD))).toBe(5);
    expect(raised(a)).toBe(1);
    complete(a.store(ODD, 6));
    expect(complete(a.load(EVEN))).toBe(6);
    complete(a.store(EVEN, 7));
    expect(raised(a)).toBe(2);
  });

  it('with a store, an atomic or by physical address raises too', () => {
    const { a, seen } = lab();
    complete(a.store(EVEN, 5));
    complete(a.store(ODD + 4, 6));
    expect([complete(a.load(ODD)), complete(a.load(ODD + 4))]).toEqual([5, 6]);
    expect(complete(a.fetchAdd(EVEN, 10))).toBe(5);
    expect(complete(a.loadPhysical(PA))).toBe(15);
    complete(a.load(EVEN));
    complete(a.storePhysical(PA, 1));
    complete(a.load(EVEN));
    expect(complete(a.modifyPhysical(PA, (n) => n + 1))).toBe(1);
    complete(a.load(EVEN));
    complete(a.fillPhysical(PA, 32, 9));
    expect([complete(a.load(EVEN)), complete(a.load(EVEN + 16))]).toEqual([9, 9]);
    expect(seen.map(({ va, write }) => [va, write])).toEqual([
      [ODD + 4, true],
      [EVEN, true],
      [PA, false],
      [EVEN, false],
      [PA, true],
      [EVEN, false],
      [PA, true],
      [EVEN, false],
      [PA, true],
      [EVEN, false],
      [EVEN + 16, false],
    ]);
  });

  it('by an exclusive, a wait or a bulk run raises too', () => {
    const { a, seen } = lab();
    complete(a.store(EVEN, 5));
    complete(a.loadExclusive(ODD));
    expect(complete(a.storeExclusive(ODD, 6))).toBe(true);
    complete(a.load(EVEN));
    expect(complete(a.waitUntil(PA, (n) => n === 6, { why: 'six' }))).toBe(6);
    complete(a.touch(Uint32Array.of(EVEN, ODD + 4, (ODD + 4) | 1)));
    expect(seen.map(({ va }) => va)).toEqual([ODD, EVEN, PA, EVEN, ODD + 4]);
    expect(complete(a.load(ODD + 4))).toBe(2);
  });

  it('that is not cached, or of a line that is in no cache any more, raises nothing', () => {
    const { a } = lab();
    complete(a.store(EVEN, 5));
    complete(a.loadPhysical(PA, 4, true));
    complete(a.maintainVirtual(EVEN, { clean: true, invalidate: true }, 'coherency'));
    expect(complete(a.load(ODD))).toBe(5);
    complete(a.setCaches(false));
    complete(a.load(EVEN));
    expect(raised(a)).toBe(0);
  });

  it('keeps a dirty line that had its place in the L1D', () => {
    const { a, b } = lab();
    complete(a.store(ODD, 5));
    // The line of OTHER sits, dirty, where that of EVEN would.
    complete(a.store(OTHER, 7));
    expect(letter(a.hw.l1d, OTHER_PA)).toBe('M');
    expect(complete(a.load(EVEN))).toBe(5);
    expect(letter(a.hw.l1d, OTHER_PA)).toBe('I');
    expect([complete(a.load(OTHER)), complete(b.load(OTHER))]).toEqual([7, 7]);
    expect(raised(a)).toBe(1);
  });

  it('leaves the other CPU’s index alone', () => {
    const { a, b } = lab();
    complete(a.store(EVEN, 5));
    expect(complete(b.load(ODD))).toBe(5);
    expect([raised(a), raised(b)]).toEqual([0, 0]);
    complete(b.store(ODD, 6));
    expect(complete(a.load(EVEN))).toBe(6);
    expect([raised(a), raised(b)]).toEqual([0, 0]);
  });
});

describe('a fetch', () => {
  it('through another index than the data’s raises, and gets what was stored', () => {
    const { a, seen } = lab();
    complete(a.store(EVEN, 5));
    expect(complete(a.fetch(ODD))).toBe(5);
    expect(seen).toEqual([{ va: ODD, pa: PA, write: false, fetch: true }]);
    expect(complete(a.fetch(ODD))).toBe(5);
  });

  it('brings its line into the L2: data through another index then raises, and the I-cache loses it', () => {
    const { a, seen } = lab();
    complete(a.fetch(EVEN));
    const { l2 } = a.hw;
    if (!l2) throw new Error('no L2');
    expect([letter(a.hw.l1i, PA), letter(l2, PA)]).toEqual(['S', 'E']);
    complete(a.store(ODD, 6));
    expect(seen).toEqual([{ va: ODD, pa: PA, write: true, fetch: false }]);
    expect(letter(a.hw.l1i, PA)).toBe('I');
    expect(complete(a.fetch(EVEN))).toBe(6);
  });

  it('is told of no store through its own index', () => {
    const { a } = lab();
    complete(a.fetch(EVEN));
    complete(a.store(EVEN, 6));
    expect([complete(a.fetch(EVEN)), raised(a)]).toEqual([0, 0]);
  });
});

describe('the handler', () => {
  it('runs with interrupts masked', () => {
    const { a } = lab();
    const depth: number[] = [];
    a.vectors = vectors(function* (cpu, fault) {
      depth.push(cpu.hw.ctl[CTL.IRQ_MASKED]);
      yield* coherencyHandler(cpu, fault);
    }).vectors as Cpu['vectors'];
    complete(a.store(EVEN, 5));
    complete(a.load(ODD));
    expect([...depth, a.hw.ctl[CTL.IRQ_MASKED]]).toEqual([1, 0]);
  });

  it('must be there', () => {
    const { a } = lab();
    a.vectors = null;
    complete(a.store(EVEN, 5));
    expect(() => complete(a.load(ODD))).toThrow(/vectors\.coherencyException/);
  });

  const programs: readonly Program[] = [0, 1].map(
    (me): Program =>
      function* (cpu) {
        for (let i = 0; i < 60; i++) {
          const va = (i * 7 + me) % 3 === 0 ? EVEN : ODD;
          yield* cpu.fetchAdd(va, 1);
          yield* cpu.store(((i + me) % 2 === 0 ? EVEN : ODD) + 64 + me * 64, i);
          if (i % 4 === 0) yield* cpu.load(OTHER);
        }
      },
  );

  const run = (handler?: (cpu: Cpu, fault: CoherencyFault) => Steps) =>
    runPrograms(
      indexed(),
      programs.map(
        (program): Program =>
          function* (cpu, machine, checker) {
            yield* cpu.setContext(0x20000, 1);
            yield* program(cpu, machine, checker);
          },
      ),
      { vectors: () => vectors(handler).vectors, setup: (machine) => void map(machine) },
    );

  it('loses no store of two CPUs', () => {
    const { result, machine } = run();
    expect(result.outcome).toBe('finished');
    const [a] = cpusOf(machine);
    a.vectors = vectors().vectors as Cpu['vectors'];
    expect(complete(a.loadPhysical(PA))).toBe(120);
    expect(result.cpus.every(({ counters }) => counters.coherencyExceptions > 0)).toBe(true);
  });

  it('that leaves the new index of the instruction cache alone has the stale copy run', () => {
    const { a } = lab();
    a.vectors = vectors(function* (cpu, { pa }) {
      yield* cpu.maintainPhysical(pa, { clean: true, invalidate: true }, 'coherency');
    }).vectors as Cpu['vectors'];
    complete(a.store(EVEN, 5));
    // The I-cache was refilled from the L2 before the exception.
    expect([complete(a.fetch(ODD)), complete(a.load(ODD))]).toEqual([0, 5]);
  });

  it('that throws the old copy away is found out', () => {
    const { result } = run(function* (cpu, { pa }) {
      yield* cpu.maintainPhysical(pa, { clean: false, invalidate: true }, 'coherency');
    });
    expect(result.outcome).toBe('finding');
  });
});

describe('what goes with it', () => {
  it('without the index of the L2 aliases diverge in silence', () => {
    const { a } = lab((p) => {
      p.l2 = { sizeBytes: 16384, ways: 2 };
      p.costs.coherencyExceptionCycles = 0;
    });
    complete(a.store(EVEN, 5));
    expect([complete(a.load(ODD)), raised(a)]).toEqual([0, 0]);
  });

  it('a prefetch raises nothing and brings nothing in', () => {
    const { machine, a } = lab((p) => {
      p.agents = ['prefetch'];
    });
    complete(a.store(EVEN + 16, 5));
    complete(a.load(ODD));
    // The next line of ODD sits in the L2 under the other index.
    expect(machine.agents.parameters('prefetch', a.hw)).toBe(1);
    expect(machine.agents.enabledFrom('prefetch', a.hw, 0, 1)).toBe(-1);
    complete(a.load(EVEN));
    expect(raised(a)).toBe(1);
  });

  it('is rewound', () => {
    const machine = machineOf(indexed());
    const root = map(machine);
    const was = new Uint8Array(machine.buffer).slice();
    const rewind = new Rewind(machine);
    const [a] = cpusOf(machine);
    a.vectors = vectors().vectors as Cpu['vectors'];
    const go = () => {
      complete(a.setContext(root, 1));
      complete(a.store(ODD, 5));
      complete(a.load(EVEN));
      complete(a.store(ODD + 32, 5));
    };
    go();
    rewind.restore();
    const region = Machine.layout(machine.platform, machine.options).find(
      ({ name }) => name === 'cpu0.l2.primaryIndex',
    );
    if (!region) throw new Error('no such region');
    const { offsetBytes, sizeBytes } = region;
    const now = new Uint8Array(machine.buffer).subarray(offsetBytes, offsetBytes + sizeBytes);
    expect([...now]).toEqual([...was.subarray(offsetBytes, offsetBytes + sizeBytes)]);
    go();
    expect(raised(a)).toBe(1);
  });

  it('depends on the line and on this CPU’s caches', () => {
    const { machine, a } = lab();
    complete(a.store(EVEN, 5));
    const log = new EventLog();
    machine.state.events = log;
    complete(a.load(ODD));
    const kinds = Array.from({ length: log.length / EVENT_WORDS }, (_, i) => log.words[i * EVENT_WORDS]);
    expect(kinds).toContain(EVENT.COHERENCY);
    const footprints = new Footprints(machine.platform, false, false);
    expect(footprints.ignoresCaches).toBe(false);
    expect(footprints.of(0, log, 0).length).toBeGreaterThan(0);
  });
});
