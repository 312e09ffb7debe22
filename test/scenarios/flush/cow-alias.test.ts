import { describe, expect, it } from 'vitest';
import { platforms } from '../../../src/platforms/index.ts';
import cowAlias from '../../../src/scenarios/flush/cow-alias.ts';
import { findVariant } from '../../../src/scenarios/scenario.ts';
import { describeFlushScenario, runFlush } from '../../support/flush-scenarios.ts';

describeFlushScenario(cowAlias);

describe('behind the rule that is broken when a TLB flush is left out', () => {
  // The rule is told at once; a run that goes on comes to what the flush is for.
  it.each(Object.values(platforms))('is a translation that is used, on $name', (platform) => {
    for (const name of ['no-tlb-flush', 'no-fork-tlb-flush']) {
      const { findings } = runFlush(cowAlias, findVariant(cowAlias, name), platform, { keepGoing: true });
      expect(findings.map(({ kind }) => kind)).toContain('stale-translation');
    }
  });
});

describe('the race of the document’s order', () => {
  it('is clean where the platform has the CPUs and the run does not', () => {
    const variant = findVariant(cowAlias, 'free-before-flush');
    for (const cpus of [1, 2]) {
      const { outcome } = runFlush(cowAlias, variant, platforms['x86-64'], { cpus });
      expect(outcome).toBe('finished');
    }
  });
});
