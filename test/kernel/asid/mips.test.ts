import { describe, expect, it } from 'vitest';
import { bootThreads, mips } from '../../../src/kernel/asid/mips.ts';
import { COUNT, CTL } from '../../../src/machine/registers.ts';
import { r4000 } from '../../../src/platforms/r4000.ts';
import { x86_64 } from '../../../src/platforms/x86-64.ts';
import { usePage } from '../../../src/scenarios/asid/tagged-tasks.ts';
import { runTagged, type TaggedProgram, unmapPage } from '../../support/tagged.ts';

const SEEDS = Array.from({ length: 60 }, (_, i) => i + 1);
const numbers = [1, 2, 3, 0];

/** Runs spaces one after the other, and notes the number of each. */
function runAll(turns: readonly number[], seen: number[] = []): TaggedProgram {
  return function* (cpu, { allocator, spaces, checker }) {
    for (const turn of turns) {
      yield* allocator.switchMm(cpu, spaces[turn]);
      seen.push(cpu.hw.ctl[CTL.ASID]);
      yield* usePage(cpu, spaces[turn], checker);
    }
  };
}

describe('the MIPS allocator', () => {
  it('hands numbers out on each CPU by itself', () => {
    const [first, second]: number[][] = [[], []];
    const programs = [runAll([3, 0, 1, 2], first), runAll([0, 2, 0], second)];
    const { result, rollovers } = runTagged(mips, { platform: x86_64, programs, numbers, asids: 3 });
    expect(result.outcome, result.error).toBe('finished');
    expect(first).toEqual([1, 2, 3, 1]);
    expect(second).toEqual([1, 3, 1]);
    expect(rollovers).toEqual([1, 2]);
  });

  it('keeps to the rules on a machine that refills by software, whatever it does at a rollover', () => {
    for (const flaw of ['', 'flush-in-place']) {
      const programs = [runAll([3, 0, 1, 2, 3, 0])];
      const { result } = runTagged(mips, { platform: r4000, programs, numbers, asids: 3, flaw });
      expect(result.outcome, result.error).toBe('finished');
    }
  });

  it.each(['no-flush', 'flush-in-place'])('is caught with flaw %s where hardware walks', (flaw) => {
    const turns = [3, 0, 1, 2, 3, 0, 1, 2];
    const shown = SEEDS.map((seed) => {
      const run = { platform: x86_64, programs: [runAll(turns)], numbers, asids: 3, flaw, seed };
      return runTagged(mips, run).result.findings[0]?.kind;
    });
    expect(new Set(shown)).toContain('invariant');
  });

  it('flushes a page on every CPU by a cross call', () => {
    for (const seed of SEEDS) {
      const programs: TaggedProgram[] = [(cpu, room) => unmapPage(cpu, room, 2), runAll([2, 1, 2, 3, 2])];
      const { result } = runTagged(mips, { platform: x86_64, programs, numbers, asids: 3, seed });
      expect([result.outcome, result.error, result.findings]).toEqual(['finished', undefined, []]);
    }
  });

  it('takes the numbers away on the other CPUs if the space has one thread, which runs here', () => {
    const programs: TaggedProgram[] = [(cpu, room) => unmapPage(cpu, room, 0), runAll([3])];
    const words: number[] = [];
    let contexts: readonly number[] = [];
    const { result, machine } = runTagged(mips, {
      platform: x86_64,
      programs,
      numbers,
      asids: 4,
      prepare(booted, spaces) {
        bootThreads(booted, spaces[0], 1);
        contexts = spaces[0].cpuContextPa;
      },
    });
    expect(result.outcome, result.error).toBe('finished');
    for (const pa of contexts) words.push(machine.port.load(machine.state.cpus[0], pa, pa, 4, 0));
    expect(words).toEqual([0x101, 0]);
    expect(machine.state.cpus[0].counters[COUNT.ipisSent]).toBe(0);
  });
});
