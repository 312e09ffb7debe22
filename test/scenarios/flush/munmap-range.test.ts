import { describe, expect, it } from 'vitest';
import { platformByName, platforms } from '../../../src/platforms/index.ts';
import munmapRange from '../../../src/scenarios/flush/munmap-range.ts';
import { findVariant } from '../../../src/scenarios/scenario.ts';
import { describeFlushScenario, runFlush } from '../../support/flush-scenarios.ts';

describeFlushScenario(munmapRange);

/** Kinds of findings of a run that goes on after each. */
function kinds(variant: string, platform: string, cpus?: number): Set<string> {
  const on = platformByName(platform) ?? expect.fail(platform);
  const how = { keepGoing: true, ...(cpus !== undefined && { cpus }) };
  const { findings } = runFlush(munmapRange, findVariant(munmapRange, variant), on, how);
  return new Set(findings.map(({ kind }) => kind));
}

describe.each(Object.keys(platforms))('on %s', (platform) => {
  it('pages are used after they have gone when their translations stay', () => {
    expect(kinds('no-tlb-flush', platform)).toContain('stale-translation');
    expect(kinds('exec-no-tlb-flush', platform)).toContain('stale-translation');
  });

  it('one CPU will do', () => {
    expect(kinds('no-tlb-flush', platform, 1)).toContain('stale-translation');
    expect(kinds('right', platform, 1).size).toBe(0);
  });
});

it('what the user stored is lost where no flush finds the lines any more', () => {
  expect(kinds('no-cache-flush', 'hypersparc')).toContain('stale-data');
  expect(kinds('exec-no-cache-flush', 'hypersparc')).toContain('stale-data');
});
