import { describe, expect, it } from 'vitest';
import { armIpi } from '../../../src/kernel/asid/arm-ipi.ts';
import { COUNT, CTL } from '../../../src/machine/registers.ts';
import { arm11mpcore } from '../../../src/platforms/arm11mpcore.ts';
import { cortexA9 } from '../../../src/platforms/cortex-a9.ts';
import { usePage } from '../../../src/scenarios/asid/tagged-tasks.ts';
import { runTagged, type TaggedProgram, unmapPage, wordAt } from '../../support/tagged.ts';

const SEEDS = Array.from({ length: 60 }, (_, i) => i + 1);
const platform = cortexA9;
const numbers = [1, 2, 3, 0];
const asids = 3;

/** Runs spaces one after the other, and notes the register after each switch. */
function runAll(turns: readonly number[], seen: number[] = []): TaggedProgram {
  return function* (cpu, { allocator, spaces, checker }) {
    for (const turn of turns) {
      yield* allocator.switchMm(cpu, spaces[turn]);
      seen.push(cpu.hw.ctl[CTL.ASID]);
      yield* usePage(cpu, spaces[turn], checker);
    }
  };
}

describe('the ARM allocator', () => {
  it('switches to a number of this generation without more ado', () => {
    const seen: number[] = [];
    const programs = [runAll([2, 1, 0, 2], seen)];
    const { result, rollovers, machine, layout } = runTagged(armIpi, {
      platform,
      programs,
      numbers,
      asids,
    });
    expect([result.outcome, result.error, result.findings]).toEqual(['finished', undefined, []]);
    expect(seen).toEqual([3, 2, 1, 3]);
    expect(rollovers).toEqual([]);
    expect(wordAt(machine, layout.words.lastPa)).toBe(0x103);
    expect(machine.state.cpus[0].counters[COUNT.tlbInvalidates]).toBe(0);
  });

  it('hands numbers out in order, and begins a generation when there are none', () => {
    const seen: number[] = [];
    const programs = [runAll([3, 0, 1, 2, 3], seen)];
    const { result, rollovers, machine, layout } = runTagged(armIpi, {
      platform,
      programs,
      numbers,
      asids,
    });
    expect([result.outcome, result.error, result.findings]).toEqual(['finished', undefined, []]);
    // The CPU that rolls over takes its own index + 1.
    expect(seen).toEqual([1, 2, 3, 1, 2]);
    expect(rollovers).toEqual([1, 2]);
    const contexts = layout.spaces.map(({ contextPa }) => wordAt(machine, contextPa));
    expect(contexts).toEqual([0x202, 0x203, 0x301, 0x302]);
    expect(wordAt(machine, layout.words.lastPa)).toBe(0x302);
    expect(machine.state.cpus[0].counters[COUNT.tlbInvalidates]).toBe(2);
  });

  it('makes the other CPU take a new number for what it runs, and flush', () => {
    let isDone = false;
    const first: TaggedProgram = function* (cpu, room) {
      yield* runAll([3, 2])(cpu, room);
      isDone = true;
    };
    const second: TaggedProgram = function* (cpu) {
      while (!isDone) yield* cpu.compute(1);
    };
    const programs = [first, second];
    const { result, rollovers, machine, layout } = runTagged(armIpi, {
      platform,
      programs,
      numbers,
      asids,
    });
    expect([result.outcome, result.error, result.findings]).toEqual(['finished', undefined, []]);
    expect(rollovers).toEqual([1]);
    const contexts = layout.spaces.map(({ contextPa }) => wordAt(machine, contextPa));
    expect(contexts).toEqual([0x101, 0x202, 0x203, 0x201]);
    expect(wordAt(machine, layout.words.lastPa)).toBe(0x203);
    const [one, other] = machine.state.cpus;
    expect(other.ctl[CTL.ASID]).toBe(2);
    expect([one.counters[COUNT.ipisSent], other.counters[COUNT.ipisSent]]).toEqual([1, 0]);
    expect([one.counters[COUNT.tlbInvalidates], other.counters[COUNT.tlbInvalidates]]).toEqual([1, 1]);
  });

  it('gives two CPUs in one space the same number', () => {
    for (const seed of SEEDS) {
      const programs = [runAll([3, 2, 3]), runAll([3, 2, 3])];
      const { result } = runTagged(armIpi, { platform, programs, numbers, asids, seed });
      expect([seed, result.outcome, result.error, result.findings]).toEqual([
        seed,
        'finished',
        undefined,
        [],
      ]);
    }
  });

  // CPU 2 has run space 4, whose number CPU 1 gets for space 1 at the rollover, of which CPU 2 has not heard yet.
  it.each([
    ['breaks a rule', 1, ['invariant']],
    ['keeps to the rules', 2, []],
  ])('%s if the third CPU switches to space %i before the IPI comes', (_, last, expected) => {
    let isReady = false;
    let isDone = false;
    const first: TaggedProgram = function* (cpu, room) {
      while (!isReady) yield* cpu.compute(1);
      yield* runAll([3])(cpu, room);
    };
    const second: TaggedProgram = function* (cpu) {
      while (!isDone) yield* cpu.compute(1);
    };
    const third: TaggedProgram = function* (cpu, room) {
      yield* runAll([4])(cpu, room);
      cpu.maskInterrupts();
      isReady = true;
      while (room.machine.state.cpus[1].ctl[CTL.ASID] !== 2) yield* cpu.compute(1);
      cpu.unmaskInterrupts();
      yield* runAll([last])(cpu, room);
      isDone = true;
    };
    const run = { platform, numbers: [1, 3, 4, 0, 2], asids: 4, programs: [first, second, third] };
    const { result } = runTagged(armIpi, run);
    expect(result.error).toBeUndefined();
    expect(result.findings.map(({ kind }) => kind)).toEqual(expected);
  });

  it.each([
    ['broadcasts', cortexA9],
    ['cross calls', arm11mpcore],
  ])('flushes a page by %s while numbers change', (_, on) => {
    for (const seed of SEEDS) {
      const programs: TaggedProgram[] = [(cpu, room) => unmapPage(cpu, room, 2), runAll([2, 3, 0, 2])];
      const { result } = runTagged(armIpi, { platform: on, programs, numbers, asids, seed });
      expect([seed, result.outcome, result.error, result.findings]).toEqual([
        seed,
        'finished',
        undefined,
        [],
      ]);
    }
  });
});
