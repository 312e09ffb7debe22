import { describe, expect, it } from 'vitest';
import { arm64Bitmap } from '../../../src/kernel/asid/arm64-bitmap.ts';
import type { Arm64Words } from '../../../src/kernel/asid/arm64-words.ts';
import type { Machine } from '../../../src/machine/machine.ts';
import { COUNT, CTL } from '../../../src/machine/registers.ts';
import { neoverse } from '../../../src/platforms/neoverse.ts';
import { x86_64 } from '../../../src/platforms/x86-64.ts';
import { usePage } from '../../../src/scenarios/asid/tagged-tasks.ts';
import { runTagged, type TaggedProgram, unmapPage, wordAt } from '../../support/tagged.ts';

const SEEDS = Array.from({ length: 60 }, (_, i) => i + 1);
const ALL = 0xffff_ffff;

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

interface Run {
  readonly programs: readonly TaggedProgram[];
  readonly numbers?: readonly number[];
  readonly asids?: number;
}

/** Runs without a finding; what the allocator's words are then. */
function stateAfter({ programs, numbers = [1, 2, 3, 0], asids = 3 }: Run) {
  const run = runTagged(arm64Bitmap, { platform: neoverse, programs, numbers, asids });
  const { result, rollovers, machine, layout } = run;
  expect([result.outcome, result.error, result.findings]).toEqual(['finished', undefined, []]);
  const contexts = layout.spaces.map(({ contextPa }) => wordAt(machine, contextPa));
  return { rollovers, machine, contexts, words: wordsOf(machine, layout.words) };
}

function wordsOf(machine: Machine, words: Arm64Words) {
  return {
    generation: wordAt(machine, words.generationPa),
    map: wordAt(machine, words.mapPa),
    active: words.activePa.map((pa) => wordAt(machine, pa)),
    reserved: words.reservedPa.map((pa) => wordAt(machine, pa)),
    pending: wordAt(machine, words.pendingPa),
  };
}

describe('the arm64 allocator', () => {
  it('takes the fast path to a number of this generation', () => {
    const seen: number[] = [];
    const { rollovers, machine, words } = stateAfter({ programs: [runAll([1, 2, 0, 1], seen)] });
    expect(seen).toEqual([2, 3, 1, 2]);
    expect(rollovers).toEqual([]);
    expect(words).toEqual({ generation: 0x100, map: 0b1110, active: [0x102], reserved: [0], pending: 0 });
    expect(machine.state.cpus[0].counters[COUNT.tlbInvalidates]).toBe(0);
  });

  it('carries the number that runs over into the next generation', () => {
    const seen: number[] = [];
    const { rollovers, machine, contexts, words } = stateAfter({ programs: [runAll([1, 3], seen)] });
    expect(seen).toEqual([2, 1]);
    expect(rollovers).toEqual([1]);
    expect(contexts).toEqual([0x101, 0x102, 0x103, 0x201]);
    const [active, reserved] = [[0x201], [0x102]];
    expect(words).toEqual({ generation: 0x200, map: 0b0110, active, reserved, pending: ALL - 1 });
    expect(machine.state.cpus[0].counters[COUNT.tlbInvalidates]).toBe(1);
  });

  it('renews a number that was reserved, takes a new one for one that has gone, and rolls over again', () => {
    const seen: number[] = [];
    const { rollovers, contexts, words } = stateAfter({ programs: [runAll([1, 3, 1, 0, 2], seen)] });
    expect(seen).toEqual([2, 1, 2, 3, 1]);
    expect(rollovers).toEqual([1, 2]);
    expect(contexts).toEqual([0x203, 0x202, 0x301, 0x201]);
    expect(words).toMatchObject({ generation: 0x300, map: 0b1010, active: [0x301], reserved: [0x203] });
  });

  it('gives a space its old number again if that is free', () => {
    const seen: number[] = [];
    const run = { numbers: [1, 2, 3, 4, 0], asids: 4, programs: [runAll([4, 2], seen)] };
    const { contexts, words } = stateAfter(run);
    expect(seen).toEqual([2, 3]);
    expect(contexts).toEqual([0x101, 0x102, 0x203, 0x104, 0x202]);
    expect(words.map).toBe(0b1110);
  });

  /** CPU 0 runs the turns while CPU 1 stays in space 1, which it then switches to again, or not. */
  function beside(turns: readonly number[], comesBack: boolean) {
    let isDone = false;
    const first: TaggedProgram = function* (cpu, room) {
      yield* runAll(turns)(cpu, room);
      isDone = true;
    };
    const second: TaggedProgram = function* (cpu, room) {
      while (!isDone) yield* cpu.compute(1);
      if (comesBack) yield* runAll([1])(cpu, room);
    };
    return stateAfter({ programs: [first, second] });
  }

  it('interrupts nobody at a rollover: the other CPU must flush when it switches next', () => {
    const { machine, words } = beside([3], false);
    expect(words).toMatchObject({ active: [0x203, 0], reserved: [0x101, 0x102], pending: ALL - 1 });
    const [one, other] = machine.state.cpus;
    expect(one.counters[COUNT.ipisSent]).toBe(0);
    expect([one.counters[COUNT.tlbInvalidates], other.counters[COUNT.tlbInvalidates]]).toEqual([1, 0]);
  });

  it('flushes on the slow path, once, and brings the reserved number up to date', () => {
    const { machine, contexts, words } = beside([3], true);
    expect(contexts[1]).toBe(0x202);
    expect(words).toMatchObject({ active: [0x203, 0x202], reserved: [0x101, 0x202], pending: ALL - 3 });
    expect(machine.state.cpus[1].counters[COUNT.tlbInvalidates]).toBe(1);
  });

  it('keeps the number of a CPU that has not switched since the last rollover', () => {
    const { rollovers, contexts, words } = beside([3, 2], false);
    expect(rollovers).toEqual([1, 2]);
    expect(words).toMatchObject({ generation: 0x300, active: [0x301, 0], reserved: [0x203, 0x102] });
    expect(contexts).toEqual([0x101, 0x102, 0x301, 0x203]);
  });

  it.each([
    ['broadcasts', neoverse],
    ['cross calls', x86_64],
  ])('flushes a page by %s while numbers change', (_, platform) => {
    for (const seed of SEEDS) {
      const programs: TaggedProgram[] = [(cpu, room) => unmapPage(cpu, room, 2), runAll([2, 3, 0, 2])];
      const numbers = [1, 2, 3, 0];
      const { result } = runTagged(arm64Bitmap, { platform, programs, numbers, asids: 3, seed });
      const { outcome, error, findings } = result;
      expect([seed, outcome, error, findings]).toEqual([seed, 'finished', undefined, []]);
    }
  });
});
