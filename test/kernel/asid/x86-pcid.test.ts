import { describe, expect, it } from 'vitest';
import { x86Pcid } from '../../../src/kernel/asid/x86-pcid.ts';
import { COUNT, CTL } from '../../../src/machine/registers.ts';
import { x86_64 } from '../../../src/platforms/x86-64.ts';
import { usePage } from '../../../src/scenarios/asid/tagged-tasks.ts';
import { runTagged, type TaggedProgram, unmapPage } from '../../support/tagged.ts';

const SEEDS = Array.from({ length: 60 }, (_, i) => i + 1);
const numbers = [1, 2, 3, 0];
const platform = x86_64;

interface Seen {
  readonly number: number;
  readonly misses: number;
}

function runAll(turns: readonly number[], seen: Seen[] = []): TaggedProgram {
  return function* (cpu, { allocator, spaces, checker }) {
    for (const turn of turns) {
      yield* allocator.switchMm(cpu, spaces[turn]);
      const before = cpu.hw.counters[COUNT.walks];
      yield* usePage(cpu, spaces[turn], checker);
      seen.push({ number: cpu.hw.ctl[CTL.ASID], misses: cpu.hw.counters[COUNT.walks] - before });
    }
  };
}

describe('the x86 allocator', () => {
  it('gives slots away in turn, and comes back to those that it has without a flush', () => {
    const seen: Seen[] = [];
    const programs = [runAll([1, 0, 1, 3, 2, 0], seen)];
    const { result, rollovers } = runTagged(x86Pcid, { platform, programs, numbers, asids: 3 });
    expect(result.outcome, result.error).toBe('finished');
    expect(seen.map(({ number }) => number)).toEqual([2, 1, 2, 1, 3, 2]);
    expect(seen.slice(1, 3).map(({ misses }) => misses)).toEqual([0, 0]);
    expect(rollovers).toEqual([1]);
  });

  it('flushes a slot that has missed a flush when it comes back to it, and interrupts nobody for it', () => {
    const seen: Seen[] = [];
    const back: TaggedProgram = function* (cpu, room) {
      yield* usePage(cpu, room.spaces[0], null);
      yield* room.allocator.switchMm(cpu, room.spaces[1]);
      yield* unmapPage(cpu, room, 0);
      yield* runAll([0], seen)(cpu, room);
    };
    const { result, machine } = runTagged(x86Pcid, { platform, programs: [back], numbers, asids: 3 });
    expect([result.outcome, result.error, result.findings]).toEqual(['finished', undefined, []]);
    expect(seen).toEqual([{ number: 1, misses: 1 }]);
    expect(machine.state.cpus[0].counters[COUNT.ipisSent]).toBe(0);
  });

  const flushing = (seed: number, other: TaggedProgram, flaw = '') => {
    const programs: TaggedProgram[] = [(cpu, room) => unmapPage(cpu, room, 1), other];
    return runTagged(x86Pcid, { platform, programs, numbers, asids: 3, seed, flaw }).result;
  };

  it('keeps to the rules while a page is flushed', () => {
    for (const seed of SEEDS) {
      const { outcome, error, findings } = flushing(seed, runAll([1, 2, 1, 3, 0, 1]));
      expect([outcome, error, findings]).toEqual(['finished', undefined, []]);
    }
  });

  it('keeps to the rules while a page is flushed and a CPU is lazy', () => {
    const idle: TaggedProgram = function* (cpu, room) {
      for (let i = 0; i < 3; i++) {
        yield* room.allocator.enterLazy?.(cpu) ?? cpu.compute(1);
        yield* cpu.compute(1);
        yield* runAll([1])(cpu, room);
      }
    };
    for (const seed of SEEDS) {
      const { outcome, error, findings } = flushing(seed, idle);
      expect([outcome, error, findings]).toEqual(['finished', undefined, []]);
    }
  });

  it('is caught when a slot that is given away is not flushed', () => {
    const turns = [3, 0, 1, 2, 3, 0];
    const shown = SEEDS.map((seed) => {
      const run = { platform, programs: [runAll(turns)], numbers, asids: 3, flaw: 'no-flush', seed };
      return runTagged(x86Pcid, run).result.findings[0]?.kind;
    });
    expect(shown).toContain('invariant');
  });
});
