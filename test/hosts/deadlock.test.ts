import { afterAll, describe, expect, it } from 'vitest';
import { nobodyCanMove, waitCycle } from '../../src/hosts/deadlock.ts';
import type { Job } from '../../src/hosts/job.ts';
import { runLockstep } from '../../src/hosts/lockstep.ts';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import { ThreadsHost } from '../../src/hosts/threads.ts';
import {
  CTL,
  RUN_BARRIER,
  RUN_FINISHED,
  RUN_IDLE,
  RUN_RUNNING,
  RUN_WATCH,
} from '../../src/machine/registers.ts';
import type { MachineState } from '../../src/machine/state.ts';
import { platforms } from '../../src/platforms/index.ts';
import { changed, machineOf, tiny } from '../support/machine.ts';
import { createWorkload, jobOf } from '../support/programs.ts';

/** Words of a CPU’s control block, by name. */
type Words = Partial<Record<Exclude<keyof typeof CTL, 'WORDS'>, number>>;

/** Processors in the states that these words describe. */
function standing(...all: readonly Words[]): MachineState {
  const { state } = machineOf(tiny(), all.length);
  for (const [i, words] of all.entries()) {
    for (const [name, word] of Object.entries(words)) state.cpus[i].ctl[CTL[name as keyof Words]] = word;
  }
  return state;
}

const waiting = (words: Words = {}): Words => ({ RUN: RUN_WATCH, ...words });
const from = (cpu: number, words: Words = {}) => waiting({ WAITS_FOR: cpu + 1, ...words });
const handlerOf = (cpu: number, words: Words = {}) => waiting({ WAITS_FOR: -(cpu + 1), ...words });
const masked: Words = { IRQ_MASKED: 1 };

describe('nobody can move', () => {
  it.each<[string, boolean, Words]>([
    ['ended', true, { RUN: RUN_FINISHED }],
    ['running', false, { RUN: RUN_RUNNING }],
    ['waiting for a store', true, waiting()],
    ['waiting for a store that has come', false, waiting({ WATCH_HIT: 1 })],
    ['at a barrier', true, { RUN: RUN_BARRIER, OUTSTANDING: 1 }],
    ['at a barrier that is done', false, { RUN: RUN_BARRIER, OUTSTANDING: 0 }],
    ['asleep', true, { RUN: RUN_IDLE }],
    ['asleep, an interrupt under way', false, { RUN: RUN_IDLE, IRQ_IN_FLIGHT: 1 }],
    ['asleep, interrupted', false, { RUN: RUN_IDLE, IRQ_PENDING: 1 }],
    // It goes on all the same: no handler runs, but the sleep is over.
    ['asleep, interrupted and masked', false, { RUN: RUN_IDLE, IRQ_PENDING: 1, ...masked }],
    ['waiting, interrupted, without handlers', true, waiting({ IRQ_PENDING: 1, NO_VECTORS: 1 })],
    ['waiting, interrupted and masked', true, waiting({ IRQ_PENDING: 1, ...masked })],
    // A store may come while the line is looked at for the last time: nobody clears the mark.
    ['asleep, after a wait that a store ended late', true, { RUN: RUN_IDLE, WATCH_HIT: 1 }],
    ['at a barrier, after such a wait', true, { RUN: RUN_BARRIER, OUTSTANDING: 1, WATCH_HIT: 1 }],
    ['ended, after such a wait', true, { RUN: RUN_FINISHED, WATCH_HIT: 1 }],
  ])('with one %s: %s', (_, expected, words) => {
    expect(nobodyCanMove(standing(waiting(), words))).toBe(expected);
  });
});

describe('a cycle of waits', () => {
  it.each<[string, number[] | undefined, Words[]]>([
    ['two for each other', [0, 1], [from(1), from(0)]],
    ['three in a ring', [0, 1, 2], [from(1), from(2), from(0)]],
    ['of others, that this one waits for', [1, 2], [from(1), from(2), from(1)]],
    ['for itself', [0], [from(0)]],
    ['for one that runs', undefined, [from(1), { RUN: RUN_RUNNING }]],
    ['for nobody in particular', undefined, [from(1), waiting()]],
    ['one has been answered', undefined, [from(1), from(0, { WATCH_HIT: 1 })]],
    ['one still stores', undefined, [from(1), from(0, { STORES_IN: 2, STORES_OUT: 1 })]],
    ['one has an interrupt coming', undefined, [from(1), from(0, { IRQ_IN_FLIGHT: 1 })]],
    ['one has an interrupt', undefined, [from(1), from(0, { IRQ_PENDING: 1 })]],
    ['one has an interrupt masked', [0, 1], [from(1), from(0, { IRQ_PENDING: 1, ...masked })]],
    ['one has an interrupt and no handler', [0, 1], [from(1), from(0, { IRQ_PENDING: 1, NO_VECTORS: 1 })]],
    ['for a handler that there is not', [0, 1], [handlerOf(1), from(0, { NO_VECTORS: 1 })]],
    [
      'for handlers, three masked',
      [0, 1, 2],
      [handlerOf(1, masked), handlerOf(2, masked), handlerOf(0, masked)],
    ],
    [
      'for handlers, two of three masked',
      undefined,
      [handlerOf(1, masked), handlerOf(2, masked), handlerOf(0)],
    ],
    ['for a handler, masked where it would run', [0, 1], [handlerOf(1), from(0, masked)]],
    ['for a handler that may run', undefined, [handlerOf(1, masked), from(0)]],
  ])('%s', (_, expected, words) => {
    expect(waitCycle(standing(...words), 0)).toEqual(expected);
  });

  it('goes through the holder of a lock', () => {
    const held = (lock: number) => waiting({ WAITS_FOR_HOLDER: lock + 1 });
    const state = standing(held(7), held(8));
    expect(waitCycle(state, 0)).toBeUndefined();
    state.holders[7] = 2;
    expect(waitCycle(state, 0)).toBeUndefined();
    state.holders[8] = 1;
    expect(waitCycle(state, 0)).toEqual([0, 1]);
  });
});

const x86 = platforms['x86-64'];
/** Interrupts arrive at once, so that none is under way to a CPU that has not noticed its own yet. */
const prompt = changed(x86, (p) => {
  p.agents = p.agents.filter((name) => name !== 'ipi');
});
const lockstep = (job: Job) =>
  runLockstep(job, createWorkload(job.source.parameters), new RandomWalk(job.seed));

describe.each(['lockstep', 'threads'])('on %s', (name) => {
  const host = new ThreadsHost();
  afterAll(() => host.close());
  const run = async (job: Job) => (name === 'threads' ? host.run(job) : lockstep(job));

  it.each([2, 3, 4])('a CPU that sleeps with interrupts masked wakes up, with CPUs: %i', async (cpus) => {
    for (let seed = 1; seed <= 10; seed++) {
      for (const serialized of [false, true]) {
        const { outcome, error } = await run(jobOf('naps', prompt, cpus, { seed, serialized }));
        expect([seed, serialized, outcome, error]).toEqual([seed, serialized, 'finished', undefined]);
      }
    }
  });

  it.each([3, 4])('a ring of masked calls is found, with CPUs: %i', async (cpus) => {
    for (const platform of [x86, prompt]) {
      const { outcome, findings, unfinished } = await run(jobOf('ring', platform, cpus));
      expect([outcome, findings[0]]).toMatchObject(['deadlock', { kind: 'deadlock', detail: 3 }]);
      const masked = unfinished.filter(({ cpu }) => cpu < 3).map(({ interruptsMasked }) => interruptsMasked);
      expect(masked).toEqual([true, true, true]);
    }
  });

  it('an interrupt that nobody takes holds nobody up', async () => {
    for (const platform of [x86, prompt]) {
      const { outcome, error } = await run(jobOf('deaf', platform, 3, { maxSeconds: 5 }));
      expect([outcome, error]).toEqual(['finished', undefined]);
    }
  });

  it('an interrupt that nobody takes hides no deadlock', async () => {
    for (const platform of [x86, prompt]) {
      const { outcome, findings } = await run(jobOf('deaf-cycle', platform, 3, { maxSeconds: 5 }));
      expect([outcome, findings[0]]).toMatchObject(['deadlock', { kind: 'deadlock', detail: 2 }]);
    }
  });

  it.each([2, 3])('a lost interrupt is found when all sleep, with CPUs: %i', async (cpus) => {
    const { outcome, unfinished } = await run(jobOf('lost', x86, cpus));
    expect([outcome, unfinished.map(({ cpu }) => cpu)]).toEqual(['deadlock', [0, 1]]);
  });
});
