import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RunResult } from '../../src/hosts/job.ts';
import { runLockstep } from '../../src/hosts/lockstep.ts';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import { type Mutation, mutations } from '../../src/machine/mutations.ts';
import {
  createWorkload,
  type Mode,
  NOTE,
  organisationNamed,
  organisations,
  randomCoherencyJob,
} from '../../src/scenarios/random-coherency/index.ts';

interface Options {
  readonly accesses: number;
  readonly seed: number;
  readonly mutation?: Mutation;
}

function run(name: string, mode: Mode, { accesses, seed, mutation }: Options): RunResult {
  const job = {
    ...randomCoherencyJob(organisationNamed(name), mode, accesses, seed),
    maxSteps: Number.MAX_SAFE_INTEGER,
    maxSeconds: 120,
    ...(mutation && { mutation }),
  };
  return runLockstep(job, createWorkload(job.source.parameters), new RandomWalk(seed));
}

/** Accesses that a run has made, finished or not. */
function accessesOf({ cpus }: RunResult): number {
  return cpus.reduce((sum, { counters: c }) => sum + c.loads + c.stores + c.atomics + c.fetches, 0);
}

const names = (mode: Mode) => organisations.filter((o) => o.modes.includes(mode)).map((o) => o.name);

describe('the organisations', () => {
  it('pair every protocol with every cache organisation that it can have', () => {
    expect(organisations).toHaveLength(54);
    expect(new Set(organisations.map((o) => o.name)).size).toBe(54);
    for (const protocol of ['msi', 'mesi', 'moesi', 'none']) {
      const own = organisations.filter((o) => o.platform.coherence === protocol);
      const values = (of: (o: (typeof own)[number]) => unknown) => new Set(own.map(of)).size;
      expect(values((o) => o.platform.mmu.tlb.data.replacement)).toBeGreaterThan(1);
      expect(values((o) => o.platform.l1d.replacement)).toBe(3);
      expect(values((o) => o.platform.writeBufferEntries)).toBe(3);
      expect(values((o) => o.platform.mmu.walkerReads)).toBe(3);
    }
  });

  it('names them when asked for one that is not there', () => {
    expect(() => organisationNamed('firefly')).toThrow(/no organisation 'firefly'; there are msi-pipt, /);
  });
});

describe('what hardware keeps coherent', () => {
  it.each(names('coherent'))('%s: no finding', (name) => {
    const result = run(name, 'coherent', { accesses: 20_000, seed: 7 });
    expect(result.findings).toEqual([]);
    expect(result.error).toBeUndefined();
    expect(result.outcome).toBe('finished');
    expect(accessesOf(result)).toBeGreaterThanOrEqual(20_000);
  });
});

describe('what software keeps coherent', () => {
  it.each(names('software'))('%s: the findings that the model predicts', (name) => {
    const result = run(name, 'software', { accesses: 12_000, seed: 3 });
    expect(result.error).toBeUndefined();
    expect(result.outcome).toBe('finding');
    expect(result.cpus[0].notes[NOTE.PREDICTED]).toBe(result.findingCount);
  });

  it('whatever the mix and the organisation', () => {
    const organisation = fc.constantFrom(...names('software'));
    fc.assert(
      fc.property(organisation, fc.integer({ min: 1, max: 1 << 24 }), (name, seed) => {
        const { error } = run(name, 'software', { accesses: 400, seed });
        expect(error).toBeUndefined();
      }),
      { numRuns: 150 },
    );
  });
});

/** Where each deliberate bug matters, and in which mode. */
const canaries: Readonly<Record<Mutation, readonly [organisation: string, mode: Mode]>> = {
  'lost-invalidate': ['mesi-pipt', 'coherent'],
  'upgrade-forgets-sharer': ['msi-pipt', 'coherent'],
  'missing-write-back': ['moesi-pipt', 'coherent'],
  'victim-wrong-place': ['mesi-pipt', 'coherent'],
  'snoop-keeps-exclusive': ['mesi-shared', 'coherent'],
  'snoop-misses-dirty-l2': ['moesi-l2', 'coherent'],
  'snoop-stale-data': ['moesi-pipt', 'coherent'],
  'forward-misses-buffer': ['mesi-vivt-asid', 'coherent'],
  'barrier-skips-buffer': ['mesi-vivt-asid', 'coherent'],
  'atomic-not-exclusive': ['mesi-l2', 'coherent'],
  'byte-store-widens': ['msi-write-through', 'coherent'],
  'clean-forgets-l1': ['mesi-shared', 'coherent'],
  // A snoop of one colour is enough as long as software keeps aliases to one.
  'alias-snoop-first-colour': ['mesi-vipt-alias', 'software'],
  'tlbi-ignores-global': ['mesi-pipt', 'coherent'],
  'tlbi-skips-second-level': ['mesi-l2', 'coherent'],
  'tlbi-walk-survives': ['mesi-l2-write-through', 'coherent'],
  'dsb-ignores-broadcast': ['mesi-shared', 'coherent'],
  'eviction-keeps-l1': ['moesi-l2', 'coherent'],
  'store-forgets-icache': ['mesi-pipt', 'coherent'],
  'monitor-survives-snoop': ['mesi-shared', 'coherent'],
  'tlb-ignores-asid': ['mesi-pipt', 'coherent'],
};
const seeds = [1, 2, 3, 4, 5];
/** Increments are counted when the run has ended, so that a shorter run is as good. */
const accessesOfCanary = (mutation: Mutation) => (mutation === 'monitor-survives-snoop' ? 40_000 : 1_000_000);

describe('a deliberate bug is caught within a million accesses from every seed', () => {
  it.each(Object.keys(mutations) as Mutation[])('%s', (mutation) => {
    const [name, mode] = canaries[mutation];
    for (const seed of seeds) {
      const result = run(name, mode, { accesses: accessesOfCanary(mutation), seed, mutation });
      // Software mode goes on after a finding: there, to be caught is to differ from the model.
      const isCaught =
        mode === 'coherent' ? result.findingCount > 0 : /^ModelDifference/.test(result.error ?? '');
      expect(isCaught, `seed ${seed}: ${result.outcome} ${result.error}`).toBe(true);
      expect(accessesOf(result)).toBeLessThanOrEqual(1_000_000);
    }
  });

  it('and where it is caught, a machine without it is clean', () => {
    const pairs = new Map(Object.values(canaries).map((pair) => [pair.join(), pair]));
    for (const [name, mode] of pairs.values()) {
      const result = run(name, mode, { accesses: 30_000, seed: 1 });
      expect(result.error).toBeUndefined();
      if (mode === 'coherent') expect(result.outcome).toBe('finished');
    }
  });
});
