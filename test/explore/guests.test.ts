/** Partial-order reduction with guests: it reaches every end that all schedules reach. */
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { Dpor } from '../../src/explore/dpor.ts';
import { Execution } from '../../src/explore/execution.ts';
import { Footprints } from '../../src/explore/footprint.ts';
import type { Job } from '../../src/hosts/job.ts';
import { PTE } from '../../src/machine/attributes.ts';
import { type Cpu, SegmentationFault, type Steps } from '../../src/machine/cpu.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { Platform } from '../../src/machine/platform.ts';
import { TLBI_IPA, TLBI_VMID, TLBI_VMID_STAGE1 } from '../../src/machine/tlb.ts';
import type { Workload } from '../../src/program/workload.ts';
import { searchFully } from '../support/full-search.ts';
import { entryOf, guestOn, STAGE2_RIGHTS } from '../support/guests.ts';
import { changed, complete, Mapper, vectorsWith } from '../support/machine.ts';
import { smallPlatforms } from '../support/small-platforms.ts';

type Op =
  | { readonly op: 'load' | 'store' | 'off' | 'exit' }
  | { readonly op: 'unmap' | 'move' | 'contract' | 'dsb' | 'ipi' }
  | { readonly op: 'tlbi'; readonly kind: number; readonly isLocal: boolean };

interface Program {
  /** CPU 0 runs a guest, CPU 1 is the host. */
  readonly guest: readonly Op[];
  readonly host: readonly Op[];
  readonly mmuOn: boolean;
  readonly warm: boolean;
  readonly walk: number;
}

const [VA, IPA, FRAME, OTHER] = [0x0040_0000, 0x5000, 0x9000, 0xa000];
const MOST_SCHEDULES = 800;

const platforms: Record<string, Platform> = {
  buffered: smallPlatforms.neoverse,
  unbuffered: smallPlatforms.unbuffered,
};
for (const [name, platform] of Object.entries(platforms)) {
  platforms[name] = changed(platform, (p) => {
    p.mmu.accessedDirty = 'ignored';
    const levels = [
      { bits: 10, leaf: true },
      { bits: 10, leaf: true },
    ];
    p.virtualization = { ...p.virtualization!, stage2Levels: levels, ipaCache: { entries: 4 } };
  });
}

class Run {
  readonly execution: Execution;
  private readonly seen: number[] = [];
  private machine: Machine | undefined;

  constructor(platform: Platform, program: Program) {
    const workload: Workload<{ leaf: number; root: number; stage2: number }> = {
      setup: (machine) => {
        this.machine = machine;
        const stage1 = new Mapper(machine, 0xb000);
        const stage2 = new Mapper(machine, 0xd000);
        stage1.map(VA, IPA);
        for (const page of [0xb000, 0xc000]) stage2.map(page, page, STAGE2_RIGHTS);
        return { leaf: stage2.map(IPA, FRAME, STAGE2_RIGHTS), root: stage1.root, stage2: stage2.root };
      },
      start: ({ cpu, checker, layout }) => {
        const registers = { ...guestOn, rootIpa: layout.root, mmuOn: program.mmuOn };
        const va = program.mmuOn ? VA : IPA;
        if (cpu.index === 0) {
          this.seen.length = 0;
          complete(cpu.enterGuest(entryOf(layout.stage2, { registers })));
          if (program.warm) complete(cpu.load(va));
        }
        const { seen } = this;
        function* perform(on: Cpu, ops: readonly Op[]): Steps {
          for (const op of ops) {
            try {
              if (op.op === 'load') seen.push(yield* on.load(va));
              else if (op.op === 'store') yield* on.store(va, 7);
              else if (op.op === 'off') yield* on.guestControl({ mmuOn: true, cachesOn: false });
              else if (op.op === 'exit') yield* on.exitGuest();
              else if (op.op === 'unmap') yield* on.storePhysical(layout.leaf, 0);
              else if (op.op === 'move')
                yield* on.storePhysical(layout.leaf, OTHER | STAGE2_RIGHTS | PTE.VALID);
              else if (op.op === 'contract') {
                yield 0;
                checker?.contract(on, layout.leaf);
              } else if (op.op === 'dsb') yield* on.dsb();
              else if (op.op === 'ipi') yield* on.sendIpi(0, 1);
              else if (op.op !== 'tlbi') throw new Error(`no ${op.op}`);
              else if (op.isLocal) yield* on.tlbiLocal(op.kind, op.kind === TLBI_IPA ? IPA : 0, 1, 1);
              else yield* on.tlbiBroadcast(op.kind, op.kind === TLBI_IPA ? IPA : 0, 1, 1);
            } catch (error) {
              if (!(error instanceof SegmentationFault)) throw error;
              seen.push(-1);
            }
          }
          if (on.inGuest) yield* on.exitGuest();
        }
        return {
          program: perform(cpu, cpu.index === 0 ? program.guest : program.host),
          vectors: vectorsWith(function* (on) {
            yield* on.storePhysical(0x800, 1);
          }),
        };
      },
      speculation: () => [program.mmuOn ? VA : IPA],
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
    this.execution = new Execution(job, workload, { walk: program.walk, prefetch: 0, evict: 0 });
  }

  ending(): string {
    const { outcome, findings, error } = this.execution.result();
    const found = findings
      .map(({ kind, cpu, va, pa, stage }) => `${kind} ${cpu} ${va} ${pa} ${stage}`)
      .sort();
    const shadow = this.machine?.state.shadow;
    const values = [FRAME, OTHER, 0x800].map((pa) => shadow?.value[pa >>> 2]);
    return JSON.stringify([outcome, found, this.seen, values, error]);
  }
}

const sums = { compared: 0, all: 0, reduced: 0, several: 0 };

function compare(platform: Platform, program: Program, most = MOST_SCHEDULES): void {
  const run = new Run(platform, program);
  const expected = new Set<string>();
  const all = searchFully(run.execution, most, () => expected.add(run.ending()));
  if (all === undefined) return;
  // Uncached accesses of the guest make caches visible.
  const footprints = new Footprints(
    platform,
    false,
    !program.mmuOn || program.guest.some(({ op }) => op === 'off'),
  );
  const reached = new Set<string>();
  const onRun = () => {
    reached.add(run.ending());
    return true;
  };
  const search = new Dpor(run.execution, { maxRuns: 4 * all + 10, footprints, onRun }).run();
  expect(search.complete).toBe(true);
  expect([...reached].sort()).toEqual([...expected].sort());
  sums.compared++;
  sums.all += all;
  sums.reduced += search.runs;
  if (expected.size > 1) sums.several++;
}

const access: fc.Arbitrary<Op> = fc.constantFrom({ op: 'load' }, { op: 'load' }, { op: 'store' });
const invalidate: fc.Arbitrary<Op> = fc.record({
  op: fc.constant('tlbi' as const),
  kind: fc.constantFrom(TLBI_IPA, TLBI_VMID_STAGE1, TLBI_VMID),
  isLocal: fc.boolean(),
});
const hostOp: fc.Arbitrary<Op> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<Op>({ op: 'unmap' }, { op: 'move' }) },
  { weight: 3, arbitrary: invalidate },
  { weight: 2, arbitrary: fc.constantFrom<Op>({ op: 'contract' }, { op: 'dsb' }, { op: 'ipi' }) },
);
const program: fc.Arbitrary<Program> = fc.record({
  guest: fc
    .tuple(
      fc.array(
        fc.oneof({ weight: 3, arbitrary: access }, { weight: 1, arbitrary: fc.constant<Op>({ op: 'off' }) }),
        { maxLength: 1 },
      ),
      access,
    )
    .map(([first, last]) => [...first, last]),
  host: fc.array(hostOp, { minLength: 1, maxLength: 3 }),
  mmuOn: fc.boolean(),
  warm: fc.boolean(),
  walk: fc.constantFrom(0, 0, 1),
});

describe('partial-order reduction with guests', () => {
  afterAll(() => {
    expect(sums.compared).toBeGreaterThan(25);
    expect(sums.several).toBeGreaterThan(7);
    expect(sums.reduced * 20).toBeLessThan(sums.all);
  });

  it.each(Object.keys(platforms))('reaches what all schedules reach: %s', (name) => {
    fc.assert(
      fc.property(program, (each) => {
        const guest = each.mmuOn ? each.guest : each.guest.filter(({ op }) => op !== 'off');
        compare(platforms[name], { ...each, guest });
      }),
      { numRuns: 30, seed: 8 },
    );
  });

  const stage1First = [TLBI_VMID_STAGE1, TLBI_IPA].map((kind): Op => ({ op: 'tlbi', kind, isLocal: false }));
  it('finds the run in which the guest makes an entry again before what it is made from goes', () => {
    const run = new Run(platforms.unbuffered, {
      guest: [{ op: 'load' }, { op: 'load' }],
      host: [{ op: 'unmap' }, ...stage1First, { op: 'dsb' }, { op: 'contract' }],
      mmuOn: false,
      warm: true,
      walk: 0,
    });
    const reached = new Set<string>();
    const onRun = () => {
      reached.add(run.ending());
      return true;
    };
    const footprints = new Footprints(platforms.unbuffered, false, true);
    expect(new Dpor(run.execution, { maxRuns: 20_000, footprints, onRun }).run().complete).toBe(true);
    const found = [...reached].filter((ending) => ending.includes('stale-translation'));
    expect(found.length).toBeGreaterThan(0);
    expect(found.length).toBeLessThan(reached.size);
  });
});
