import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClockFirst } from '../../src/hosts/schedulers/clock-first.ts';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import { type SpinLock, spinLock, spinUnlock } from '../../src/kernel/spin-lock.ts';
import { platforms } from '../../src/platforms/index.ts';
import { type Program, runPrograms, tiny, vectorsWith } from '../support/machine.ts';

const lock: SpinLock = { pa: 0x1000, ghost: 0, name: 'test' };
const COUNTER = 0x1100;
const multiprocessors = Object.values(platforms).filter(({ maxCpus }) => maxCpus > 2);

describe('a spin lock', () => {
  it('lets one CPU in at a time, whatever the schedule', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(...multiprocessors, tiny()), (seed, platform) => {
        let inside = 0;
        const program: Program = function* (cpu) {
          for (let i = 0; i < 5; i++) {
            yield* spinLock(cpu, lock, false);
            expect(++inside).toBe(1);
            const old = yield* cpu.loadPhysical(COUNTER);
            yield* cpu.compute(2);
            yield* cpu.storePhysical(COUNTER, old + 1);
            inside--;
            yield* spinUnlock(cpu, lock, false);
          }
        };
        const { result, machine } = runPrograms(platform, [program, program, program], {
          scheduler: new RandomWalk(seed),
          vectors: () => vectorsWith(),
        });
        expect([result.outcome, result.error]).toEqual(['finished', undefined]);
        expect(machine.port.load(machine.state.cpus[0], COUNTER, COUNTER, 4, 0)).toBe(15);
        expect(machine.state.holders[lock.ghost]).toBe(0);
      }),
      { numRuns: 20 },
    );
  });

  it('serves in the order of arrival', () => {
    const served: number[] = [];
    const arrives = (after: number): Program =>
      function* (cpu) {
        yield* cpu.compute(after);
        yield* spinLock(cpu, lock, false);
        served.push(cpu.index);
        yield* cpu.compute(100_000);
        yield* spinUnlock(cpu, lock, false);
      };
    const programs = [30_000, 10_000, 20_000, 1].map(arrives);
    runPrograms(tiny(), programs, { scheduler: new ClockFirst() });
    expect(served).toEqual([3, 1, 2, 0]);
  });

  it('hands the time on with the lock', () => {
    const entered: number[] = [];
    const program: Program = function* (cpu) {
      yield* spinLock(cpu, lock, false);
      entered.push(cpu.clock);
      yield* cpu.compute(10_000);
      yield* spinUnlock(cpu, lock, false);
    };
    // In any order of steps nobody enters before the one before has left.
    for (const seed of [1, 2, 3, 4, 5]) {
      entered.length = 0;
      runPrograms(tiny(), [program, program, program], { scheduler: new RandomWalk(seed) });
      const length = 10_000 * tiny().costs.instructionCycles;
      expect(entered[1] - entered[0]).toBeGreaterThanOrEqual(length);
      expect(entered[2] - entered[1]).toBeGreaterThanOrEqual(length);
    }
  });

  it('publishes what was stored under it, past a write buffer', () => {
    const platform = tiny((p) => {
      p.writeBufferEntries = 8;
      p.agents = ['drain'];
    });
    const seen: number[] = [];
    const program: Program = function* (cpu) {
      yield* spinLock(cpu, lock, false);
      const old = yield* cpu.loadPhysical(COUNTER + 64);
      seen.push(old);
      for (let i = 0; i < 6; i++) yield* cpu.storePhysical(COUNTER + i * 16, old + 1);
      yield* spinUnlock(cpu, lock, false);
    };
    for (const seed of [1, 2, 3, 4, 5]) {
      seen.length = 0;
      runPrograms(platform, [program, program, program], { scheduler: new RandomWalk(seed) });
      expect(seen).toEqual([0, 1, 2]);
    }
  });

  it('that is never released is a deadlock that names its holder', () => {
    const programs: Program[] = [
      function* (cpu) {
        yield* spinLock(cpu, lock, false);
        yield* cpu.waitUntil(0x1200, (n) => n === 1, { why: 'CPU 1', from: 1 });
      },
      function* (cpu) {
        yield* cpu.compute(50);
        yield* spinLock(cpu, lock, false);
        yield* cpu.storePhysical(0x1200, 1);
      },
      function* (cpu) {
        for (;;) yield* cpu.compute(1);
      },
    ];
    const { result } = runPrograms(tiny(), programs, { vectors: () => vectorsWith() });
    expect(result.outcome).toBe('deadlock');
    const waits = result.unfinished.map(({ cpu, waitingFor }) => [cpu, waitingFor]);
    expect(waits.slice(0, 2)).toEqual([
      [0, 'CPU 1'],
      [1, 'the test lock'],
    ]);
  });
});
