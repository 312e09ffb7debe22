/** That a complete search which reaches a state nowhere proves that it cannot be reached. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Dpor } from '../../src/explore/dpor.ts';
import { Execution } from '../../src/explore/execution.ts';
import { footprintsOf } from '../../src/explore/shard.ts';
import type { Job } from '../../src/hosts/job.ts';
import type { Steps } from '../../src/machine/cpu.ts';
import type { ProgramContext, Workload } from '../../src/program/workload.ts';
import { searchFully } from '../support/full-search.ts';
import { smallPlatforms } from '../support/small-platforms.ts';

const MOST_SCHEDULES = 3000;
const STATES = ['a', 'b'] as const;
type State = (typeof STATES)[number];

type Op =
  | { readonly op: 'enter'; readonly state: State }
  | { readonly op: 'leave'; readonly state: State }
  | { readonly op: 'within'; readonly state: State }
  | { readonly op: 'store'; readonly word: number }
  | { readonly op: 'load'; readonly word: number }
  /** The state is reached if the word has been stored to. */
  | { readonly op: 'saw'; readonly word: number; readonly state: State };

const state = fc.constantFrom(...STATES);
const word = fc.constantFrom(0, 1);
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.record({ op: fc.constantFrom('enter', 'leave', 'within'), state }) as fc.Arbitrary<Op>,
  fc.record({ op: fc.constantFrom('store', 'load'), word }) as fc.Arbitrary<Op>,
  fc.record({ op: fc.constant('saw'), word, state }),
);

function* perform({ cpu, checker }: ProgramContext<unknown>, ops: readonly Op[]): Steps {
  for (const each of ops) {
    if (each.op === 'enter') checker?.enters(each.state);
    else if (each.op === 'leave') checker?.leaves(each.state);
    else if (each.op === 'within') checker?.reachedWithin(each.state);
    else if (each.op === 'store') yield* cpu.storePhysical(0x3000 + each.word * 64, 1);
    else if (each.op === 'load') yield* cpu.loadPhysical(0x3000 + each.word * 64);
    else if ((yield* cpu.loadPhysical(0x3000 + each.word * 64)) === 1) checker?.reached(each.state);
  }
}

function executionOf(platform: string, programs: readonly (readonly Op[])[]): Execution {
  const workload: Workload = {
    reachable: STATES,
    setup: () => 0,
    start: (context) => ({ program: perform(context, programs[context.cpu.index]), vectors: null }),
  };
  const job: Job = {
    platform: smallPlatforms[platform],
    cpus: programs.length,
    source: { module: '', parameters: {} },
    seed: 1,
    checked: true,
    quantumCycles: 1e9,
    maxSteps: 1000,
    maxSeconds: 60,
  };
  return new Execution(job, workload, { walk: 0, prefetch: 0, evict: 0 });
}

it('every combination of states that some schedule reaches, a schedule of the reduced search does', () => {
  let compared = 0;
  let reaching = 0;
  const program = fc.array(op, { minLength: 1, maxLength: 4 });
  const platform = fc.constantFrom(...Object.keys(smallPlatforms));
  const check = (name: string, programs: readonly (readonly Op[])[]) => {
    const on = executionOf(name, programs);
    const all = new Set<number>();
    if (searchFully(on, MOST_SCHEDULES, () => all.add(on.reachedBits)) === undefined) return;
    const some = new Set<number>();
    const onRun = () => {
      some.add(on.reachedBits);
      return true;
    };
    const { complete } = new Dpor(on, { maxRuns: 1e6, footprints: footprintsOf(on, false), onRun }).run();
    expect(complete).toBe(true);
    expect([...some].sort()).toEqual([...all].sort());
    compared++;
    if (all.size > 1) reaching++;
  };
  fc.assert(fc.property(platform, fc.array(program, { minLength: 2, maxLength: 2 }), check), {
    numRuns: 300,
    seed: 20,
  });
  // Enough of them are small enough, and in enough of those it depends on the schedule.
  expect(compared).toBeGreaterThan(150);
  expect(reaching).toBeGreaterThan(20);
});
