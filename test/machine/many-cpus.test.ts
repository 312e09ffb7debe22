import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClockFirst } from '../../src/hosts/schedulers/clock-first.ts';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import { agentOfAction, decodeAction, encodeAction, FIRST_ACTION } from '../../src/machine/agents.ts';
import { agentNames } from '../../src/machine/platform.ts';
import { type Program, runPrograms, tiny, vectorsWith } from '../support/machine.ts';

const CPUS = 100;
const FLAG = 0x1000;
const COUNT = 0x2000;
const many = tiny((p) => {
  p.maxCpus = 128;
  p.writeBufferEntries = 4;
  p.agents.push('drain', 'ipi');
});

describe('the number of a choice', () => {
  const action = fc.tuple(fc.constantFrom(...agentNames), fc.nat(127), fc.nat(65_535));

  it('says agent, CPU and parameter, of any CPU', () => {
    fc.assert(
      fc.property(action, ([agent, cpu, parameter]) => {
        const choice = encodeAction(agent, cpu, parameter);
        expect(choice).toBeGreaterThanOrEqual(FIRST_ACTION);
        expect(decodeAction(choice)).toEqual({ agent, cpu, parameter });
        expect(agentOfAction(choice)).toBe(agent);
      }),
    );
  });

  it('is what it was for the first 64 CPUs: recordings name them so', () => {
    fc.assert(
      fc.property(fc.constantFrom(...agentNames), fc.nat(63), fc.nat(65_535), (agent, cpu, parameter) => {
        const before = ((1 + agentNames.indexOf(agent)) * 64 + cpu) * 65_536 + parameter;
        expect(encodeAction(agent, cpu, parameter)).toBe(before);
      }),
    );
  });

  it('is one for each', () => {
    fc.assert(
      fc.property(action, action, (a, b) => {
        expect(encodeAction(...a) === encodeAction(...b)).toBe(a.join() === b.join());
      }),
    );
  });
});

describe.each([
  ['smallest clock first', new ClockFirst()],
  ['random', new RandomWalk(7)],
])('%s: a hundred CPUs', (_, scheduler) => {
  it('lose no addition, and all see a store of one of them', () => {
    const seen: number[] = [];
    const program: Program = function* (cpu) {
      yield* cpu.modifyPhysical(COUNT, (n) => n + 1);
      if (cpu.index === 0) {
        yield* cpu.waitUntil(COUNT, (n) => n === CPUS, { why: 'the others' });
        yield* cpu.storePhysical(FLAG, 42);
      } else seen.push(yield* cpu.waitUntil(FLAG, (n) => n !== 0, { why: 'the flag', from: 0 }));
    };
    const programs = Array.from({ length: CPUS }, () => program);
    const { result } = runPrograms(many, programs, { scheduler });
    expect(result.outcome).toBe('finished');
    expect(seen).toEqual(Array.from({ length: CPUS - 1 }, () => 42));
  });

  it('get interrupts from each other', () => {
    const taken: number[] = [];
    const vectors = () =>
      vectorsWith(function* (cpu) {
        taken.push(cpu.index);
        yield* cpu.modifyPhysical(COUNT, (n) => n + 1);
      });
    const program: Program = function* (cpu) {
      yield* cpu.sendIpi(CPUS - 1 - cpu.index, 2);
      // A run is over when all programs are, whatever is still on its way.
      yield* cpu.waitUntil(COUNT, (n) => n === CPUS, { why: 'all interrupts to be taken' });
    };
    const programs = Array.from({ length: CPUS }, () => program);
    const { result } = runPrograms(many, programs, { scheduler, vectors });
    expect(result.outcome).toBe('finished');
    expect(taken.sort((a, b) => a - b)).toEqual(Array.from({ length: CPUS }, (_, i) => i));
  });
});
