import { describe, expect, it } from 'vitest';
import { whyNot } from '../../../src/lab/experiments/experiment.ts';
import { findExperiment } from '../../../src/lab/experiments/index.ts';
import { measurePoint } from '../../../src/lab/sweep/measure-point.ts';
import { platforms } from '../../../src/platforms/index.ts';
import { resolveParameters } from '../../../src/scenarios/scenario.ts';

function reason(name: string, platform: string, given: Record<string, string | number>): string | undefined {
  const experiment = findExperiment(name);
  return whyNot(experiment, platforms[platform], resolveParameters(experiment, given));
}

async function measured(name: string, platform: string, given: Record<string, string | number>) {
  const parameters = resolveParameters(findExperiment(name), given);
  const outcome = await measurePoint({
    experiment: name,
    platform: platforms[platform],
    parameters,
    seed: 1,
  });
  if (!('measures' in outcome)) throw new Error(JSON.stringify(outcome));
  return outcome.measures;
}

describe('cells of cost tables as points', () => {
  it.each([
    ['asid-rollover', 'arm926', {}, /no ASIDs that its hardware looks up/],
    ['asid-rollover', 'r4000', {}, /no ASIDs that its hardware looks up/],
    ['asid-rollover', 'arm1136', { bits: 9, cpus: 1 }, /an ASID of arm1136 has 8 bits/],
    ['asid-rollover', 'neoverse', { bits: 3, cpus: 7 }, /more ASIDs than CPUs/],
    ['asid-rollover', 'neoverse', { bits: 3, cpus: 6 }, undefined],
    ['flush-interface', 'sun4m', { operation: 'coherencyException' }, /no virtual coherency exceptions/],
    ['flush-interface', 'r4000', { operation: 'coherencyException' }, undefined],
    ['flush-interface', 'arm926', { operation: 'contextRenew' }, /has no ASIDs/],
    ['flush-interface', 'sun4m', { operation: 'flushIcacheAsids' }, /belong to no ASID/],
    ['flush-interface', 'arm926', { cpus: 2 }, /at most 1 CPU/],
  ])('%s on %s with %j', (name, platform, given, why) => {
    const found = reason(name, platform, given as Record<string, string | number>);
    if (why === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(why);
  });

  it('leave out what means nothing on one CPU', async () => {
    const alone = await measured('asid-rollover', 'neoverse', { bits: 5, cpus: 1 });
    expect(Object.keys(alone)).toEqual(['rolloverCycles', 'otherCycles', 'cycles', 'walks']);
    const flush = await measured('flush-interface', 'sun4m', { operation: 'flushTlbMm' });
    expect(Object.keys(flush)).toEqual(['initiatorCycles']);
  });

  it('of worlds cost what work between them takes, cycle for cycle', async () => {
    const [idle, busy] = [
      await measured('worlds', 'arm1136', { design: 'user-asid', pages: 2 }),
      await measured('worlds', 'arm1136', { design: 'user-asid', pages: 2, work: 1000 }),
    ];
    // Work touches no memory.
    expect(busy.cycles - idle.cycles).toBeCloseTo(1000, 0);
    expect(busy.walks).toBe(idle.walks);
  });
});
