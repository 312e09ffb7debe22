import { describe, expect, it } from 'vitest';
import { Checker } from '../../src/checker/checker.ts';
import type { FindingRecord } from '../../src/checker/finding.ts';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import { encodeAction } from '../../src/machine/agents.ts';
import { PTE } from '../../src/machine/attributes.ts';
import { PLACE_L1D } from '../../src/machine/check-port.ts';
import type { Cpu } from '../../src/machine/cpu.ts';
import { FINDING } from '../../src/machine/registers.ts';
import { TLBI_VA } from '../../src/machine/tlb.ts';
import {
  broadcasting,
  complete,
  cpusOf,
  Mapper,
  machineOf,
  type Program,
  runPrograms,
  tiny,
} from '../support/machine.ts';

const VA = 0x40_0000;
const PA = 0x1000;

/** A checked machine whose findings are kept, and all its CPUs. */
function checked(
  options: { strict?: boolean; keepGoing?: boolean } = { keepGoing: true },
  platform = tiny(),
) {
  const machine = machineOf(platform, 2, { checked: true });
  const checker = new Checker(machine.state, options);
  machine.state.check = checker;
  const [a, b] = cpusOf(machine);
  const findings = (): FindingRecord[] => Checker.findings(machine.state).kept;
  const kinds = () => findings().map(({ kind }) => kind);
  return { machine, checker, a, b, findings, kinds };
}

/** A checked machine with one page mapped, which CPU 1 has in its TLB. */
function translated(bits: number = PTE.WRITE, platform = tiny()) {
  const all = checked({ keepGoing: true }, platform);
  const mapper = new Mapper(all.machine);
  const ptePa = mapper.map(VA, PA, bits);
  for (const cpu of [all.a, all.b]) complete(cpu.setContext(mapper.root, 1));
  complete(all.b.load(VA));
  const rewrite = (pte: number) => complete(all.a.storePhysical(ptePa, pte));
  return { ...all, ptePa, rewrite };
}

describe('a word that is given up', () => {
  const DISCARD = { clean: false, invalidate: true };
  const STALE = 0x11;
  /** CPU 0 has the word dirty and gives it up; `then` follows. */
  const given = (then: (all: ReturnType<typeof checked>) => void) => {
    const all = checked(
      { strict: true, keepGoing: true },
      tiny((p) => {
        p.coherence = 'none';
        p.l1i.snooped = false;
      }),
    );
    complete(all.a.storePhysical(PA, STALE));
    complete(all.a.drainAll());
    all.checker.abandoned(all.a.hw, PA, 4);
    then(all);
    return all.kinds();
  };

  it('may be thrown away', () => {
    expect(given(({ a }) => complete(a.maintainPhysical(PA, DISCARD, 'memory')))).toEqual([]);
  });

  it('is not what a load wants', () => {
    expect(given(({ a }) => complete(a.loadPhysical(PA)))).toEqual(['stale-data']);
  });

  it('is in the way of what is stored next', () => {
    const next = ({ a, b }: ReturnType<typeof checked>) => {
      complete(b.storePhysical(PA, 1, 4, true));
      complete(b.drainAll());
      complete(a.maintainPhysical(PA, { clean: true, invalidate: false }, 'memory'));
    };
    expect(given(next)).toEqual(['lost-write']);
  });

  it('is given up alone', () => {
    const neighbour = ({ a }: ReturnType<typeof checked>) => {
      complete(a.storePhysical(PA + 4, 1));
      complete(a.maintainPhysical(PA, DISCARD, 'memory'));
    };
    expect(given(neighbour)).toEqual(['lost-write']);
  });
});

describe('a machine without a shadow', () => {
  it('has no checker', () => {
    expect(() => new Checker(machineOf(tiny()).state)).toThrow('the machine was created with checked: false');
  });
});

describe('data', () => {
  it('that hardware keeps coherent is judged: a copy that a snoop forgot is a finding', () => {
    const programs: Program[] = [
      function* (cpu) {
        yield* cpu.waitUntil(PA + 0x100, (n) => n === 1, { why: 'the reader' });
        yield* cpu.storePhysical(PA + 4, 7);
        yield* cpu.storePhysical(PA + 0x200, 1);
      },
      function* (cpu) {
        yield* cpu.loadPhysical(PA);
        yield* cpu.storePhysical(PA + 0x100, 1);
        yield* cpu.waitUntil(PA + 0x200, (n) => n === 1, { why: 'the writer' });
        // What the hardware should have taken away is put back, as broken hardware would leave it.
        const { l1d } = cpu.hw;
        const slot = l1d.victim(l1d.setOf(PA, PA >>> 4));
        l1d.install(slot, PA, PA >>> 4, 0, 1);
        yield* cpu.loadPhysical(PA + 4);
      },
    ];
    const { result } = runPrograms(tiny(), programs);
    expect(result.outcome).toBe('finding');
    expect(result.findings[0]).toMatchObject({
      kind: 'stale-data',
      cpu: 1,
      pa: PA + 4,
      got: 0,
      expected: 7,
      writer: 0,
      place: PLACE_L1D,
    });
  });

  it('is judged by value for a part of a word, and by version for all of it', () => {
    const { a, b, kinds } = checked();
    complete(a.storePhysical(PA, 0x11223344));
    complete(b.storePhysical(PA + 1, 0x33, 1));
    expect(complete(a.loadPhysical(PA))).toBe(0x11223344);
    expect(complete(a.loadPhysical(PA, 1))).toBe(0x44);
    expect(kinds()).toEqual([]);
  });

  it.each([
    ['of caches without a protocol', 'none' as const, 'pipt' as const],
    ['of caches with aliases', 'mesi' as const, 'vivt' as const],
  ])(
    '%s may be old: a race without an order is none of its business, unless strict',
    (_, coherence, organisation) => {
      const platform = tiny((p) => {
        p.coherence = coherence;
        p.l1i.snooped = false;
        p.l1d = { ...p.l1d, organisation, aliasPolicy: 'unmanaged' };
      });
      for (const strict of [false, true]) {
        const { machine, a, b, kinds } = checked({ strict, keepGoing: true }, platform);
        const mapper = new Mapper(machine);
        mapper.map(VA, PA);
        mapper.map(VA + 0x2000, PA);
        for (const cpu of [a, b]) complete(cpu.setContext(mapper.root, 1));
        complete(a.load(VA + 16));
        complete(b.load(VA + 16));
        complete((coherence === 'none' ? b : a).store(VA + 0x2000 + 16, 5));
        complete(a.load(VA + 16));
        expect(kinds()).toEqual(strict ? ['stale-data'] : []);
      }
    },
  );

  it('past the caches is not judged: what caches hold is the business of whoever goes past them', () => {
    const { a, kinds } = checked();
    complete(a.storePhysical(PA, 5));
    complete(a.loadPhysical(PA, 4, true));
    expect(kinds()).toEqual([]);
  });
});

describe('a write that is lost', () => {
  it('is one that an older line was written back over', () => {
    const platform = tiny((p) => {
      p.coherence = 'none';
      p.l1i.snooped = false;
    });
    const { machine, a, b, findings } = checked({ keepGoing: true }, platform);
    complete(a.storePhysical(PA, 1));
    complete(b.storePhysical(PA + 4, 2));
    const clean = { clean: true, invalidate: false };
    machine.caches.byAddressStep(b.hw, PA, PA, clean, 'coherency');
    expect(findings()).toEqual([]);
    // False sharing: this line has the first word new and the second one old.
    machine.caches.byAddressStep(a.hw, PA, PA, clean, 'coherency');
    expect(findings()).toHaveLength(1);
    expect(findings()[0]).toMatchObject({ kind: 'lost-write', pa: PA + 4, writer: 1 });
  });

  it('is one that was thrown away dirty, and none if it lies below as well', () => {
    const { machine, a, kinds } = checked();
    const operation = (clean: boolean, invalidate: boolean) =>
      machine.caches.byAddressStep(a.hw, PA, PA, { clean, invalidate }, 'coherency');
    complete(a.storePhysical(PA, 1));
    operation(true, false);
    operation(false, true);
    expect(kinds()).toEqual([]);
    complete(a.storePhysical(PA, 2));
    operation(false, true);
    expect(kinds()).toEqual(['lost-write']);
  });
});

describe('a translation', () => {
  it('that is stale is no finding, nor is its use before the contract point', () => {
    const { b, rewrite, kinds } = translated();
    rewrite(0);
    complete(b.load(VA));
    expect(kinds()).toEqual([]);
  });

  it('is one when it is used afterwards', () => {
    const { checker, a, b, rewrite, ptePa, findings } = translated();
    rewrite(0);
    checker.contract(a, ptePa);
    complete(b.load(VA));
    expect(findings()[0]).toMatchObject({
      kind: 'stale-translation',
      cpu: 1,
      va: VA,
      pa: PA,
      ptePa,
      newestPte: 0,
      write: 0,
      writer: 0,
      diagnosis: 0,
    });
  });

  it('is none when the access began before the contract point', () => {
    const { checker, a, b, rewrite, ptePa, kinds } = translated();
    rewrite(0);
    const load = b.load(VA);
    load.next();
    checker.contract(a, ptePa);
    complete(load);
    expect(kinds()).toEqual([]);
    complete(b.load(VA));
    expect(kinds()).toEqual(['stale-translation']);
  });

  it.each([
    ['less permission, and a store', PTE.VALID, 'store', 1],
    ['less permission, and a load', PTE.VALID, 'load', 0],
    ['more permission', PTE.VALID | PTE.WRITE | PTE.EXECUTE, 'load', 0],
    ['another frame', 0x2000 | PTE.VALID | PTE.WRITE, 'load', 1],
    ['other memory attributes', PTE.VALID | PTE.WRITE | (1 << PTE.ATTRIBUTE_SHIFT), 'load', 1],
    ['accessed and dirty bits', PTE.VALID | PTE.WRITE | PTE.ACCESSED | PTE.DIRTY, 'store', 0],
  ])('that was changed to %s: %s', (_, pte, access, expected) => {
    const { checker, a, b, rewrite, ptePa, kinds } = translated();
    rewrite((pte & 0xf000) === 0 ? (pte | PA) >>> 0 : pte);
    checker.contract(a, ptePa);
    complete<unknown>(access === 'load' ? b.load(VA) : b.store(VA, 1));
    expect(kinds()).toHaveLength(expected);
  });

  it('filled anew is judged anew', () => {
    const { checker, a, b, rewrite, ptePa, kinds } = translated();
    rewrite((0x2000 | PTE.VALID | PTE.WRITE) >>> 0);
    complete(b.tlbiLocal(TLBI_VA, VA, 1, 1));
    checker.contract(a, ptePa);
    complete(b.load(VA));
    expect(kinds()).toEqual([]);
  });

  it.each([
    // Nobody invalidates; it is still on its way; it acted too early and the walker filled the old entry again.
    ['no invalidate', 0],
    ['one under way', 1],
    ['one too early', 2],
  ])('is explained by what became of the invalidate: %s', (_, diagnosis) => {
    const { machine, checker, a, b, rewrite, ptePa, findings } = translated(
      PTE.WRITE,
      tiny(broadcasting(true)),
    );
    const deliver = () => machine.agents.perform(encodeAction('broadcast', 1, 0));
    if (diagnosis === 2) {
      complete(a.tlbiBroadcast(TLBI_VA, VA, 1, 1));
      deliver();
      complete(b.load(VA));
    }
    rewrite(0);
    if (diagnosis === 1) complete(a.tlbiBroadcast(TLBI_VA, VA, 1, 1));
    checker.contract(a, ptePa);
    complete(b.load(VA));
    expect(findings()[0]).toMatchObject({ kind: 'stale-translation', diagnosis });
  });

  it('counts a change that its writer still has in its write buffer', () => {
    const platform = tiny((p) => (p.writeBufferEntries = 4));
    const { machine, checker, a, b, kinds } = checked({ keepGoing: true }, platform);
    const mapper = new Mapper(machine);
    const ptePa = mapper.map(VA, PA);
    for (const cpu of [a, b]) complete(cpu.setContext(mapper.root, 1));
    complete(b.load(VA));
    complete(a.storePhysical(ptePa, 0));
    checker.contract(a, ptePa);
    complete(b.load(VA));
    expect(kinds()).toEqual(['stale-translation']);
  });
});

describe('a frame', () => {
  it('that was freed is not to be reached by an older translation, and may be by a newer one', () => {
    const { checker, b, findings } = translated();
    checker.frameFreed(PA >>> 12);
    complete(b.load(VA));
    expect(findings()[0]).toMatchObject({ kind: 'freed-frame', cpu: 1, va: VA, pa: PA });
    complete(b.tlbiLocal(TLBI_VA, VA, 1, 1));
    complete(b.load(VA));
    expect(findings()).toHaveLength(1);
  });
});

describe('the walker', () => {
  it('reading an old entry is a finding after the contract point', () => {
    const platform = tiny((p) => {
      p.mmu.walkerReads = 'memory';
      p.mmu.pageTables = 'clean';
    });
    const { machine, checker, a, b, kinds } = checked({ keepGoing: true }, platform);
    const mapper = new Mapper(machine);
    const ptePa = mapper.map(VA, PA);
    complete(b.setContext(mapper.root, 1));
    // The kernel forgot to clean: its new entry sits dirty in a cache that the walker does not read.
    complete(a.storePhysical(ptePa, (0x2000 | PTE.VALID) >>> 0));
    checker.contract(a, ptePa);
    complete(b.load(VA));
    expect(kinds()).toContain('walker-old-entry');
  });
});

describe('findings', () => {
  it('stop the run, unless told to go on; the first ones are kept, all are counted', () => {
    const stopping = checked({});
    stopping.checker.violated(stopping.a.hw, 3, 1, 2);
    expect(stopping.machine.state.global[0]).not.toBe(0);
    const { machine, checker, a, findings } = checked();
    for (let i = 0; i < FINDING.ENTRIES + 10; i++) checker.violated(a.hw, i, 0, 0);
    expect(machine.state.global[0]).toBe(0);
    expect(Checker.findings(machine.state).total).toBe(FINDING.ENTRIES + 10);
    expect(findings().map(({ detail }) => detail)).toEqual([...Array(FINDING.ENTRIES).keys()]);
  });

  it('survive with their numbers as they are', () => {
    const { checker, a, findings } = checked();
    checker.violated(a.hw, 0xffff_ffff, 2 ** 52, -1);
    expect(findings()[0]).toMatchObject({
      kind: 'invariant',
      detail: 0xffff_ffff,
      got: 2 ** 52,
      expected: -1,
    });
    // What does not apply is -1, never something left from an earlier finding.
    expect(findings()[0]).toMatchObject({ va: -1, pa: -1, pte: -1, other: -1 });
  });

  it('are told to whoever listens, one by one', () => {
    const { checker, a } = checked();
    const heard: string[] = [];
    checker.onFinding = ({ kind, detail }) => heard.push(`${kind} ${detail}`);
    checker.violated(a.hw, 1, 0, 0);
    checker.violated(a.hw, 2, 0, 0);
    expect(heard).toEqual(['invariant 1', 'invariant 2']);
  });
});

describe('a correct program', () => {
  it.each([1, 2, 3, 4, 5])('is clean in any order of its steps, seed %i', (seed) => {
    const platform = tiny((p) => {
      p.writeBufferEntries = 4;
      p.agents = ['drain', 'evict'];
    });
    const program = function* (cpu: Cpu) {
      for (let i = 0; i < 40; i++) {
        yield* cpu.storePhysical(PA + ((i * 7) % 16) * 4, i);
        yield* cpu.loadPhysical(PA + ((i * 5) % 16) * 4);
        if (i % 8 === 0) yield* cpu.modifyPhysical(PA + 64, (n) => n + 1);
      }
    };
    const { result } = runPrograms(platform, [program, program, program], {
      scheduler: new RandomWalk(seed),
    });
    expect([result.outcome, result.findings]).toEqual(['finished', []]);
  });
});
