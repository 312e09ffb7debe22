/** The tests of flush scenarios notice a wrong expectation, whichever way it is wrong. */
import { describe, expect, it } from 'vitest';
import { platformByName } from '../../../src/platforms/index.ts';
import cowAlias from '../../../src/scenarios/flush/cow-alias.ts';
import { findVariant } from '../../../src/scenarios/scenario.ts';
import { disagreements, neededOn } from '../../support/flush-scenarios.ts';

const arm1136 = platformByName('arm1136') ?? expect.fail('arm1136');

describe('an expectation that is turned round', () => {
  it('is told where runs find what it does not expect', () => {
    const variant = findVariant(cowAlias, 'no-flush-to-ram');
    const turned = { ...variant, expectOn: () => ({ expect: 'clean', reason: 'turned round' }) as const };
    expect(disagreements(cowAlias, turned, arm1136)[0]).toBe(
      'no-flush-to-ram on arm1136: stale-data instead of clean',
    );
    expect(disagreements(cowAlias, variant, arm1136)).toEqual([]);
  });

  it('is told where runs find nothing', () => {
    const variant = findVariant(cowAlias, 'right');
    const turned = {
      ...variant,
      expectOn: () => ({ expect: ['stale-data'], reason: 'turned round' }) as const,
    };
    expect(disagreements(cowAlias, turned, arm1136)[0]).toBe('right on arm1136: clean instead of stale-data');
  });

  it('is told where runs find something else', () => {
    const variant = findVariant(cowAlias, 'no-flush-to-ram');
    const turned = {
      ...variant,
      expectOn: () => ({ expect: ['freed-frame'], reason: 'turned round' }) as const,
    };
    expect(disagreements(cowAlias, turned, arm1136)).toHaveLength(3);
  });
});

describe('a flush that is left out', () => {
  it('is needed on exactly the platforms on which aliases are dirty and silent', () => {
    expect(neededOn(cowAlias, 'cow.new-to-ram')).toEqual(['arm1136', 'arm926', 'hypersparc', 'r4000pc']);
    expect(neededOn(cowAlias, 'cow.old-to-ram')).toEqual([]);
  });
});
