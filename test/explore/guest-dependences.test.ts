/**
 * Dependences between a guest and the host that invalidates, each on its own: a program of a few steps whose end depends
 * on an order, the reduced search that finds all its ends, and the same search without the events that say so, which
 * does not. The latter is what makes the former a test.
 */
import { describe, expect, it } from 'vitest';
import { Dpor } from '../../src/explore/dpor.ts';
import { Execution } from '../../src/explore/execution.ts';
import { type Footprint, Footprints } from '../../src/explore/footprint.ts';
import type { Job } from '../../src/hosts/job.ts';
import { PTE } from '../../src/machine/attributes.ts';
import { type Cpu, SegmentationFault, type Steps } from '../../src/machine/cpu.ts';
import { EVENT, EVENT_WORDS, EventLog, TLBI_KINDS } from '../../src/machine/events.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { PlatformInput } from '../../src/machine/platform.ts';
import { TLBI_GUESTS, TLBI_IPA, TLBI_VMID, TLBI_VMID_STAGE1 } from '../../src/machine/tlb.ts';
import type { Workload } from '../../src/program/workload.ts';
import { searchFully } from '../support/full-search.ts';
import { entryOf, guestOn, STAGE2_RIGHTS } from '../support/guests.ts';
import { changed, complete, Mapper } from '../support/machine.ts';
import { smallPlatforms } from '../support/small-platforms.ts';

const VA = 0x0040_0000;
const NOWHERE = 0x0080_5000;
const [IPA, IPA2] = [0x5000, 0x8000];
/** Frames that the page at IPA is in, one and then the other; their first words say which. */
const [FRAME, OTHER] = [0x9000, 0xa000];
/** Root tables of the guest, the table below, which it has twice, and the table of stage 2 and of the host. */
const [ROOT, BELOW, COPY, ROOT2, STAGE2, HOST] = [0x1000, 0x2000, 0x3000, 0x6000, 0xb000, 0xe000];

/** What a case has to work with. */
interface Layout {
  readonly machine: Machine;
  readonly stage2: Mapper;
  /** Table words of stage 2, for the page at IPA and for the guest's lower table. */
  readonly leaf: number;
  readonly belowLeaf: number;
}

interface Case {
  readonly name: string;
  readonly platform?: (p: PlatformInput) => void;
  /** Lays out what this case alone has. */
  readonly layout?: (on: Layout) => void;
  /** Before the first step that can be chosen. */
  readonly before: (cpu: Cpu, on: Layout) => void;
  readonly programs: readonly ((cpu: Cpu, on: Layout, see: (value: number) => void) => Steps)[];
  /** Speculative walks, and what for; default: none, VA. */
  readonly walks?: number;
  readonly speculation?: number;
  /** What is left in memory that counts as part of the end. */
  readonly left?: readonly number[];
  /** Events that the other search does not know of. */
  readonly hidden: (kind: number, a: number) => boolean;
  readonly ends: readonly string[];
}

const guest = (mmuOn: boolean, rootIpa = ROOT) =>
  entryOf(STAGE2, { registers: { ...guestOn, rootIpa, mmuOn } });

/** CPU 0 runs the guest and has used the page; of that only `kind` is gone again. */
function warmBut(kind: number | undefined) {
  return (cpu: Cpu) => {
    if (cpu.index !== 0) return;
    complete(cpu.enterGuest(guest(false)));
    complete(cpu.load(IPA));
    complete(cpu.exitGuest());
    if (kind !== undefined) complete(cpu.tlbiLocal(kind, IPA, 1, 1));
    complete(cpu.enterGuest(guest(false)));
  };
}

const loadsOnce = function* (cpu: Cpu, _: Layout, see: (value: number) => void) {
  see(yield* cpu.load(IPA));
};

/** The host moves the page and invalidates as told; nobody waits for it. */
const moves = (...kinds: number[]) =>
  function* (cpu: Cpu, { leaf }: Layout) {
    yield* cpu.storePhysical(leaf, OTHER | STAGE2_RIGHTS | PTE.VALID);
    for (const kind of kinds) yield* cpu.tlbiBroadcast(kind, IPA, 1, 1);
  };

const invalidates = (kind: number) => (event: number, a: number) =>
  event === EVENT.TLBI && a % TLBI_KINDS === kind;
const contexts = (event: number) => event === EVENT.GUEST_CONTEXT;

const noIpaCache = (p: PlatformInput) => {
  delete p.virtualization!.ipaCache;
};

/** The guest's walk goes by one copy of its lower table, or by the other, or, cancelled in between, by both. */
const cancels = (name: string, kind: number): Case => ({
  name: `${name} that comes into a walk, which then starts again and does not fill`,
  platform: (p) => {
    p.mmu.accessedDirty = 'hardware';
    noIpaCache(p);
    // What has led to the table an invalidate by intermediate address leaves there.
    delete p.mmu.walkCache;
  },
  layout: ({ machine, leaf }) => machine.poke(leaf, 0),
  before: (cpu) => cpu.index === 0 && complete(cpu.enterGuest(guest(true))),
  programs: [
    function* (cpu, _, see) {
      see(yield* cpu.load(VA));
    },
    function* (cpu, { belowLeaf }) {
      yield* cpu.storePhysical(belowLeaf, COPY | STAGE2_RIGHTS | PTE.VALID);
      yield* cpu.tlbiBroadcast(kind, BELOW, 1, 1);
    },
  ],
  left: [BELOW, COPY],
  hidden: invalidates(kind),
  ends: ['-1 ++', '-1 +-', '-1 -+'],
});

const cases: Case[] = [
  {
    name: 'an invalidate by intermediate address before or after a walk that starts from what is remembered',
    before: warmBut(TLBI_VMID_STAGE1),
    programs: [loadsOnce, moves(TLBI_IPA)],
    hidden: invalidates(TLBI_IPA),
    ends: ['1', '2'],
  },
  {
    name: 'the same and one of stage 1 after it, as KVM does: a walk may come in between',
    before: (cpu, on) => {
      warmBut(TLBI_VMID_STAGE1)(cpu);
      if (cpu.index !== 0) return;
      // Another page has been moved: the TLB alone has where it was.
      complete(cpu.load(IPA2));
      complete(cpu.exitGuest());
      complete(cpu.storePhysical(on.stage2.entryAt(IPA2), OTHER | STAGE2_RIGHTS | PTE.VALID));
      complete(cpu.tlbiLocal(TLBI_IPA, IPA2, 1, 1));
      complete(cpu.enterGuest(guest(false)));
    },
    programs: [
      function* (cpu, _, see) {
        see(yield* cpu.load(IPA));
        see(yield* cpu.load(IPA2));
      },
      moves(TLBI_IPA, TLBI_VMID_STAGE1),
    ],
    hidden: invalidates(TLBI_IPA),
    ends: ['1 1', '1 2', '2 1', '2 2'],
  },
  {
    name: 'an invalidate of stage 1 before or after a use',
    platform: noIpaCache,
    before: warmBut(undefined),
    programs: [loadsOnce, moves(TLBI_VMID_STAGE1)],
    hidden: invalidates(TLBI_VMID_STAGE1),
    ends: ['1', '2'],
  },
  ...(
    [
      ['the VMID', TLBI_VMID],
      ['all guests', TLBI_GUESTS],
    ] as const
  ).map(
    ([name, kind]): Case => ({
      name: `an invalidate of ${name} before or after a use`,
      before: warmBut(undefined),
      programs: [loadsOnce, moves(kind)],
      hidden: invalidates(kind),
      ends: ['1', '2'],
    }),
  ),
  {
    name: 'an invalidate of the VMID before or after a walk that starts from what is remembered',
    before: warmBut(TLBI_VMID_STAGE1),
    programs: [loadsOnce, moves(TLBI_VMID)],
    hidden: invalidates(TLBI_VMID),
    ends: ['1', '2'],
  },
  cancels('an invalidate by intermediate address', TLBI_IPA),
  cancels('an invalidate of stage 1', TLBI_VMID_STAGE1),
  cancels('an invalidate of the VMID', TLBI_VMID),
  cancels('an invalidate of all guests', TLBI_GUESTS),
  {
    name: 'a new root under an old ASID, before or after a speculative walk',
    before: (cpu) => cpu.index === 0 && complete(cpu.enterGuest(guest(true))),
    programs: [
      function* (cpu, _, see) {
        yield* cpu.guestContext(ROOT2, 1);
        see(yield* cpu.load(VA));
      },
    ],
    walks: 1,
    hidden: contexts,
    ends: ['1', '2'],
  },
  {
    name: 'the same by an exit and an entry',
    before: (cpu) => {
      if (cpu.index !== 0) return;
      complete(cpu.setContext(HOST, 1));
      complete(cpu.enterGuest(guest(true)));
    },
    programs: [
      function* (cpu, _, see) {
        yield* cpu.exitGuest();
        yield* cpu.enterGuest(guest(true, ROOT2));
        see(yield* cpu.load(VA));
      },
    ],
    walks: 1,
    hidden: contexts,
    ends: ['1', '2'],
  },
  {
    name: 'a new root, before or after a speculative walk that leaves nothing but what leads to a table',
    layout: ({ machine }) => {
      // What is a table to the one root is a page to the other; as a table it has no entry for the walk.
      machine.poke(ROOT + (NOWHERE >>> 22) * 4, IPA | PTE.VALID | PTE.TABLE);
      machine.poke(ROOT2 + 4096, IPA | PTE.VALID | PTE.WRITE);
    },
    before: (cpu) => cpu.index === 0 && complete(cpu.enterGuest(guest(true))),
    programs: [
      function* (cpu, on, see) {
        yield* cpu.guestContext(ROOT2, 1);
        yield* moves()(cpu, on);
        see(yield* cpu.load(VA));
      },
    ],
    walks: 1,
    speculation: NOWHERE,
    hidden: contexts,
    ends: ['1', '2'],
  },
  {
    name: 'an entry into a guest before or after another CPU looks for a common entry',
    platform: (p) => {
      p.mmu.tlb.commonNotPrivate = true;
    },
    before: (cpu) => {
      complete(cpu.setContext(HOST, 1));
      complete(cpu.setCommon(true));
      if (cpu.index !== 0) return;
      complete(cpu.load(VA));
      // The tables say something else by now, and nobody has invalidated anything.
      complete(cpu.storePhysical(HOST + 4096, OTHER | PTE.VALID | PTE.WRITE));
    },
    programs: [
      function* (cpu) {
        yield* cpu.enterGuest(guest(true));
      },
      function* (cpu, _, see) {
        see(yield* cpu.load(VA));
      },
    ],
    hidden: contexts,
    ends: ['1', '2'],
  },
];

/** Does not know of some events. */
class Blind extends Footprints {
  hides: Case['hidden'] = () => false;

  override of(choice: number, log: EventLog, from: number): Footprint {
    const known = new EventLog();
    for (let at = from; at < log.length; at += EVENT_WORDS) {
      const [kind, cpu, a, b, c] = log.words.subarray(at, at + EVENT_WORDS);
      if (!this.hides(kind, a)) known.push(kind, cpu, a, b, c);
    }
    return super.of(choice, known, 0);
  }
}

function searched(each: Case) {
  const platform = changed(smallPlatforms.unbuffered, (p) => {
    p.mmu.accessedDirty = 'ignored';
    const levels = [
      { bits: 10, leaf: true },
      { bits: 10, leaf: true },
    ];
    p.virtualization = { ...p.virtualization!, stage2Levels: levels, ipaCache: { entries: 8 } };
    each.platform?.(p);
  });
  const seen: number[] = [];
  let set: Layout | undefined;
  const workload: Workload<null> = {
    setup: (machine) => {
      const stage2 = new Mapper(machine, STAGE2);
      for (const page of [ROOT, COPY, ROOT2, ROOT2 + 4096, OTHER]) stage2.map(page, page, STAGE2_RIGHTS);
      const belowLeaf = stage2.map(BELOW, BELOW, STAGE2_RIGHTS);
      const leaf = stage2.map(IPA, FRAME, STAGE2_RIGHTS);
      stage2.map(IPA2, FRAME, STAGE2_RIGHTS);
      // Both ways to the page, and two more roots: the guest's other one, and the host's.
      for (const [root, table, to] of [
        [ROOT, BELOW, IPA],
        [ROOT, COPY, IPA],
        [ROOT2, ROOT2 + 4096, OTHER],
        [HOST, HOST + 4096, FRAME],
      ]) {
        machine.poke(root + (VA >>> 22) * 4, (root === ROOT ? BELOW : table) | PTE.VALID | PTE.TABLE);
        machine.poke(table + ((VA >>> 12) & 1023) * 4, to | PTE.VALID | PTE.WRITE);
      }
      machine.poke(FRAME, 1);
      machine.poke(OTHER, 2);
      set = { machine, stage2, leaf, belowLeaf };
      each.layout?.(set);
      return null;
    },
    start: ({ cpu }) => {
      const on = set!;
      if (cpu.index === 0) seen.length = 0;
      each.before(cpu, on);
      return {
        program: caught(
          each.programs[cpu.index]?.(cpu, on, (value) => seen.push(value)),
          seen,
        ),
        vectors: null,
      };
    },
    speculation: () => [each.speculation ?? VA],
  };
  const job: Job = {
    platform,
    cpus: 2,
    source: { module: '', parameters: {} },
    seed: 1,
    checked: true,
    keepGoing: true,
    quantumCycles: 1e9,
    maxSteps: 2000,
    maxSeconds: 60,
  };
  const execution = new Execution(job, workload, { walk: each.walks ?? 0, prefetch: 0, evict: 0 });
  const end = () => {
    const { outcome, error } = execution.result();
    if (outcome !== 'finished') throw new Error(`${each.name}: ${outcome} ${error ?? ''}`);
    const value = set!.machine.state.shadow!.value;
    const bits = each.left?.map((page) => (value[page >>> 2] & PTE.ACCESSED ? '+' : '-')) ?? [];
    return [...seen, ...(bits.length > 0 ? [bits.join('')] : [])].join(' ');
  };
  return { platform, execution, end };
}

function* caught(program: Steps | undefined, seen: number[]): Steps {
  if (!program) return;
  try {
    yield* program;
  } catch (error) {
    if (!(error instanceof SegmentationFault)) throw error;
    seen.push(-1);
  }
}

function reached(each: Case, hides: Case['hidden']): { ends: string[]; runs: number } {
  const { platform, execution, end } = searched(each);
  const footprints = new Blind(platform, false, true);
  footprints.hides = hides;
  const ends = new Set<string>();
  const onRun = () => {
    ends.add(end());
    return true;
  };
  const search = new Dpor(execution, { maxRuns: 5000, footprints, onRun }).run();
  expect(search.complete).toBe(true);
  return { ends: [...ends].sort(), runs: search.runs };
}

describe('the reduced search knows of', () => {
  it.each(cases)('$name', (each) => {
    const { execution, end } = searched(each);
    const all = new Set<string>();
    const schedules = searchFully(execution, 5000, () => all.add(end()));
    expect(schedules, 'too many schedules to hold the reduced search against').toBeDefined();
    expect([...all].sort()).toEqual([...each.ends].sort());
    const known = reached(each, () => false);
    expect(known.ends).toEqual([...each.ends].sort());
    expect(known.runs).toBeLessThan(schedules!);
    const blind = reached(each, each.hidden);
    expect(blind.ends.length).toBeLessThan(each.ends.length);
  });
});
