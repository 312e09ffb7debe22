import { describe, expect, it } from 'vitest';
import { runLockstep } from '../../src/hosts/lockstep.ts';
import { ClockFirst } from '../../src/hosts/schedulers/clock-first.ts';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import { RoundRobin } from '../../src/hosts/schedulers/round-robin.ts';
import type { Scheduler } from '../../src/hosts/schedulers/scheduler.ts';
import { platforms } from '../../src/platforms/index.ts';
import type { Workload } from '../../src/program/workload.ts';
import { resolveParameters } from '../../src/scenarios/scenario.ts';
import { tlbShootdown } from '../../src/scenarios/tlb-shootdown/scenario.ts';
import { createWorkload as createShootdown } from '../../src/scenarios/tlb-shootdown/workload.ts';
import { type Program, runPrograms, Scripted, tiny, vectorsWith } from '../support/machine.ts';
import { createWorkload, jobOf } from '../support/programs.ts';

const { neoverse } = platforms;
const schedulers: Record<string, (seed: number) => Scheduler> = {
  random: (seed) => new RandomWalk(seed),
  clock: () => new ClockFirst(),
  'round-robin': () => new RoundRobin(),
};

function run(
  program: string,
  changes: Parameters<typeof jobOf>[3] = {},
  scheduler: Scheduler = new RoundRobin(),
) {
  const job = jobOf(program, neoverse, 2, changes);
  return runLockstep(job, createWorkload(job.source.parameters), scheduler);
}

function shootdown(seed: number, scheduler: Scheduler) {
  const parameters = { ...resolveParameters(tlbShootdown, {}), variant: 'broadcast' };
  const job = { ...jobOf('', neoverse, 4, { seed }), source: { module: '', parameters } };
  return runLockstep(job, createShootdown(parameters) as Workload, scheduler);
}

describe('a run', () => {
  it.each(Object.keys(schedulers))('is the same to the last digit for the same seed: %s', (name) => {
    const [one, again] = [1, 2].map(() => JSON.stringify(shootdown(7, schedulers[name](7))));
    expect(again).toBe(one);
  });

  it('is another one for another seed', () => {
    const [one, other] = [1, 2].map((seed) => JSON.stringify(shootdown(seed, new RandomWalk(seed))));
    expect(other).not.toBe(one);
  });

  it('runs the choices of a script, and says which one is not enabled', () => {
    const seen: number[] = [];
    const program: Program = function* (cpu) {
      for (let i = 0; i < 3; i++) {
        yield* cpu.compute(1);
        seen.push(cpu.index);
      }
    };
    runPrograms(tiny(), [program, program], { scheduler: new Scripted([1, 1, 0, 1, 0]) });
    expect(seen.slice(0, 3)).toEqual([1, 1, 0]);
    const wrong = runPrograms(tiny(), [(cpu) => cpu.compute(1), program], {
      scheduler: new Scripted([0, 0, 0]),
    });
    expect(wrong.result.error).toContain('choice 2 of the script: CPU 0 is not ready');
  });
});

describe('a deadlock', () => {
  it('of two CPUs that name each other is found though others could go on', () => {
    const program: Program = function* (cpu) {
      if (cpu.index === 2) for (;;) yield* cpu.compute(1);
      const other = 1 - cpu.index;
      yield* cpu.waitUntil(0x1000 + other * 16, (n) => n === 1, { why: 'the other', from: other });
    };
    const { result } = runPrograms(tiny(), [program, program, program], { vectors: () => vectorsWith() });
    expect(result.outcome).toBe('deadlock');
    expect(result.findings).toHaveLength(1);
    expect(result.findings[0]).toMatchObject({ kind: 'deadlock', detail: 2 });
    const { cpu, other } = result.findings[0];
    expect([cpu, other].sort()).toEqual([0, 1]);
    const waiting = result.unfinished.filter(({ waitingFor }) => waitingFor === 'the other');
    expect(waiting.map((u) => u.cpu)).toEqual([0, 1]);
  });

  it('is one where nobody is named as well: nothing is enabled', () => {
    for (const name of Object.keys(schedulers)) {
      const result = run('nobody', {}, schedulers[name](1));
      expect(result.outcome).toBe('deadlock');
      expect(result.unfinished.map(({ cpu, waitingFor }) => [cpu, waitingFor])).toEqual([
        [0, 'nobody'],
        [1, 'nobody'],
      ]);
    }
  });

  it('is found by an unchecked run too, as an outcome without a finding', () => {
    const result = run('cycle', { checked: false });
    expect([result.outcome, result.findingCount]).toEqual(['deadlock', 0]);
  });

  it('is not one while an interrupt may still break it', () => {
    const programs: Program[] = [
      function* (cpu) {
        yield* cpu.waitUntil(0x1000, (n) => n === 1, { why: 'the handler', from: 1 });
      },
      function* (cpu) {
        yield* cpu.sendIpi(1, 0);
        yield* cpu.waitUntil(0x1010, (n) => n === 1, { why: 'the other', from: 0 });
      },
    ];
    const breaks = vectorsWith(function* (cpu) {
      yield* cpu.storePhysical(0x1000, 1);
      yield* cpu.storePhysical(0x1010, 1);
    });
    const platform = tiny((p) => {
      p.agents = ['ipi'];
      p.writeBufferEntries = 2;
    });
    const { result } = runPrograms(platform, programs, { vectors: () => breaks });
    expect(result.outcome).toBe('finished');
  });

  it('is not one while somebody else may still send the interrupt that both need', () => {
    const waits: Program = function* (cpu) {
      const other = 1 - cpu.index;
      yield* cpu.waitUntil(0x1000 + other * 16, (n) => n === 1, { why: 'the answer', handler: other });
    };
    const sends: Program = function* (cpu) {
      for (let i = 0; i < 50; i++) yield* cpu.compute(1);
      for (const target of [0, 1]) yield* cpu.sendIpi(target, 0);
    };
    const answers = vectorsWith(function* (cpu) {
      yield* cpu.storePhysical(0x1000 + cpu.index * 16, 1);
    });
    const { result } = runPrograms(tiny(), [waits, waits, sends], { vectors: () => answers });
    expect(result.outcome).toBe('finished');
    const nobody = runPrograms(tiny(), [waits, waits], { vectors: () => answers });
    expect(nobody.result.outcome).toBe('deadlock');
  });

  it('is one when that interrupt is masked', () => {
    const program: Program = function* (cpu) {
      cpu.maskInterrupts();
      const other = 1 - cpu.index;
      yield* cpu.sendIpi(other, 0);
      yield* cpu.waitUntil(0x1000 + cpu.index * 16, (n) => n === 1, { why: 'the answer', handler: other });
    };
    const answers = vectorsWith(function* (cpu) {
      yield* cpu.storePhysical(0x1000 + (1 - cpu.index) * 16, 1);
    });
    const { result } = runPrograms(tiny(), [program, program], { vectors: () => answers });
    expect(result.outcome).toBe('deadlock');
    expect(result.unfinished.every(({ interruptsMasked }) => interruptsMasked)).toBe(true);
  });

  it('is none for a CPU without vectors that has an interrupt pending', () => {
    const programs: Program[] = [
      function* (cpu) {
        yield* cpu.sendIpi(1, 0);
        yield* cpu.storePhysical(0x1000, 1);
      },
      function* (cpu) {
        yield* cpu.wfi();
        yield* cpu.waitUntil(0x1000, (n) => n === 1, { why: 'the flag' });
      },
    ];
    expect(runPrograms(tiny(), programs).result.outcome).toBe('finished');
  });
});

describe('a run that does not end by itself', () => {
  it('ends at the limit of its steps', () => {
    const result = run('forever', { maxSteps: 1000 });
    expect([result.outcome, result.steps]).toEqual(['step-limit', 1000]);
    expect(result.unfinished.map(({ cpu }) => cpu)).toEqual([0, 1]);
  });

  it('has finished if its last step is the last one allowed', () => {
    const { steps } = run('nothing');
    expect(run('nothing', { maxSteps: steps }).outcome).toBe('finished');
  });

  it('ends at the limit of its time', () => {
    expect(run('forever', { maxSteps: Number.MAX_SAFE_INTEGER, maxSeconds: 0.05 }).outcome).toBe(
      'time-limit',
    );
  });

  it('ends with the first finding, or goes on when told', () => {
    const parameters = { ...resolveParameters(tlbShootdown, {}), variant: 'none' };
    const job = { ...jobOf('', neoverse, 4), source: { module: '', parameters } };
    const first = runLockstep(job, createShootdown(parameters) as Workload, new RandomWalk(1));
    const all = runLockstep(
      { ...job, keepGoing: true },
      createShootdown(parameters) as Workload,
      new RandomWalk(1),
    );
    expect([first.outcome, first.findingCount]).toEqual(['finding', 1]);
    expect(all.outcome).toBe('finding');
    expect(all.findingCount).toBeGreaterThan(1);
    expect(all.findings[0]).toEqual(first.findings[0]);
    expect(all.unfinished).toEqual([]);
  });
});

describe('what a program throws', () => {
  it('is the error of the run', () => {
    const result = run('throws');
    expect(result.outcome).toBe('error');
    expect(result.error).toMatch(/^Error: a mistake of the program\n/);
    expect(result.unfinished.map(({ cpu }) => cpu)).toContain(0);
  });

  it('is one when it comes after all have ended', () => {
    const { result } = runPrograms(tiny(), [function* () {}], {
      finish() {
        throw new Error('not what was expected');
      },
    });
    expect(result.error).toContain('not what was expected');
    expect([result.outcome, result.unfinished]).toEqual(['error', []]);
  });
});

describe('schedulers', () => {
  it('round-robin takes CPUs in turn', () => {
    const seen: number[] = [];
    const program: Program = function* (cpu) {
      for (let i = 0; i < 5; i++) {
        yield* cpu.compute(1);
        seen.push(cpu.index);
      }
    };
    runPrograms(tiny(), [program, program, program], { scheduler: new RoundRobin() });
    expect(seen.slice(0, 6)).toEqual([0, 1, 2, 0, 1, 2]);
  });

  it('random gives every CPU its turn, and agents too', () => {
    const drained: number[] = [];
    const platform = tiny((p) => {
      p.writeBufferEntries = 8;
      p.agents = ['drain'];
    });
    const program: Program = function* (cpu) {
      for (let i = 0; i < 30; i++) {
        yield* cpu.storePhysical(0x1000 + i * 4, i);
        drained.push(cpu.hw.buffered);
      }
    };
    const { result } = runPrograms(platform, [program, program], { scheduler: new RandomWalk(2) });
    expect(result.outcome).toBe('finished');
    // Sometimes the buffer has run empty in between, sometimes it has filled.
    expect(Math.min(...drained)).toBe(1);
    expect(Math.max(...drained)).toBeGreaterThan(2);
  });

  it('none of them leaves a store in a buffer while somebody waits for it', () => {
    const programs: Program[] = [
      function* (cpu) {
        yield* cpu.storePhysical(0x1000, 1);
        yield* cpu.waitUntil(0x1010, (n) => n === 1, { why: 'the answer' });
      },
      function* (cpu) {
        yield* cpu.waitUntil(0x1000, (n) => n === 1, { why: 'the question' });
        yield* cpu.storePhysical(0x1010, 1);
        yield* cpu.wfi();
      },
    ];
    const wakes: Program = function* (cpu) {
      yield* cpu.waitUntil(0x1010, (n) => n === 1, { why: 'the answer' });
      yield* cpu.sendIpi(1, 0);
    };
    // No agents: the platform's stores drain by themselves all the same.
    const platform = tiny((p) => {
      p.writeBufferEntries = 4;
    });
    for (const name of Object.keys(schedulers)) {
      const { result } = runPrograms(platform, [...programs, wakes], {
        scheduler: schedulers[name](3),
        vectors: () => vectorsWith(),
      });
      expect([name, result.outcome]).toEqual([name, 'finished']);
    }
  });
});
