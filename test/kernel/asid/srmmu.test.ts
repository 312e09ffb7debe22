import { describe, expect, it } from 'vitest';
import { srmmu } from '../../../src/kernel/asid/srmmu.ts';
import { CTL } from '../../../src/machine/registers.ts';
import { sun4m } from '../../../src/platforms/sun4m.ts';
import { usePage } from '../../../src/scenarios/asid/tagged-tasks.ts';
import { runTagged, type TaggedProgram, unmapPage } from '../../support/tagged.ts';

const SEEDS = Array.from({ length: 60 }, (_, i) => i + 1);
const numbers = [1, 2, 3, 0];
const platform = sun4m;

function runAll(turns: readonly number[], seen: number[] = []): TaggedProgram {
  return function* (cpu, { allocator, spaces, checker }) {
    for (const turn of turns) {
      yield* allocator.switchMm(cpu, spaces[turn]);
      seen.push(cpu.hw.ctl[CTL.ASID]);
      yield* usePage(cpu, spaces[turn], checker);
    }
  };
}

describe('the srmmu allocator', () => {
  it('takes the context that was given first, and leaves its space without one', () => {
    const seen: number[] = [];
    const programs = [runAll([3, 0, 1, 3, 2], seen)];
    const { result, rollovers } = runTagged(srmmu, { platform, programs, numbers, asids: 3 });
    expect(result.outcome, result.error).toBe('finished');
    // The space that is being left, 0 at first, keeps its own.
    expect(seen).toEqual([2, 1, 3, 2, 1]);
    expect(rollovers).toEqual([1, 2, 3]);
  });

  it('takes a free one if there is one', () => {
    const seen: number[] = [];
    const { rollovers } = runTagged(srmmu, { platform, programs: [runAll([3, 0], seen)], numbers, asids: 5 });
    expect(seen).toEqual([4, 1]);
    expect(rollovers).toEqual([]);
  });

  const twoCpus = (flaw: string, seed: number, cpus = 2) => {
    const programs = [runAll([3, 0, 1, 2, 3, 0]), runAll([2, 3, 0, 1, 2, 3])].slice(0, cpus);
    return runTagged(srmmu, { platform, programs, numbers, asids: 3, flaw, seed }).result;
  };

  it('keeps to the rules on two CPUs', () => {
    for (const seed of SEEDS) {
      const { outcome, error, findings } = twoCpus('', seed);
      expect([outcome, error, findings]).toEqual(['finished', undefined, []]);
    }
  });

  it('takes a context from a CPU that runs it, as Linux does, with few contexts on two CPUs', () => {
    expect(SEEDS.map((seed) => twoCpus('steal-running', seed).findings[0]?.kind)).toContain('invariant');
    for (const seed of SEEDS) expect(twoCpus('steal-running', seed, 1).findings).toEqual([]);
  });

  it.each(['no-flush', 'unlocked'])('is caught with flaw %s', (flaw) => {
    expect(SEEDS.map((seed) => twoCpus(flaw, seed).findings[0]?.kind)).toContain('invariant');
  });

  it('flushes a page by the context that the space has when it is flushed', () => {
    for (const seed of SEEDS) {
      const programs: TaggedProgram[] = [(cpu, room) => unmapPage(cpu, room, 2), runAll([2, 3, 0, 2])];
      const { result } = runTagged(srmmu, { platform, programs, numbers, asids: 3, seed });
      expect([result.outcome, result.error, result.findings]).toEqual(['finished', undefined, []]);
    }
  });

  it('gives back the context of a space that has ended', () => {
    const seen: number[] = [];
    const ending: TaggedProgram = function* (cpu, room) {
      yield* room.allocator.destroyContext?.(cpu, room.spaces[1]) ?? cpu.compute(1);
      yield* runAll([3], seen)(cpu, room);
    };
    const { result, rollovers } = runTagged(srmmu, { platform, programs: [ending], numbers, asids: 3 });
    expect([result.outcome, result.error, rollovers, seen]).toEqual(['finished', undefined, [], [2]]);
  });
});
