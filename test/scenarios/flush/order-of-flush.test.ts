import { describe, expect, it } from 'vitest';
import { platformByName, platforms } from '../../../src/platforms/index.ts';
import orderOfFlush from '../../../src/scenarios/flush/order-of-flush.ts';
import { findVariant } from '../../../src/scenarios/scenario.ts';
import { describeFlushScenario, runFlush } from '../../support/flush-scenarios.ts';

describeFlushScenario(orderOfFlush);

/** Kinds of findings of a run that goes on after each. */
function kinds(variant: string, platform: string): Set<string> {
  const on = platformByName(platform) ?? expect.fail(platform);
  const { findings } = runFlush(orderOfFlush, findVariant(orderOfFlush, variant), on, { keepGoing: true });
  return new Set(findings.map(({ kind }) => kind));
}

describe('the rule for the order is no end in itself', () => {
  it.each(Object.keys(platforms))(
    'an old translation is used on %s when the TLB was flushed first',
    (platform) => {
      expect(kinds('tlb-first', platform)).toContain('stale-translation');
    },
  );

  it('what the user stored is lost where the cache flush comes too late', () => {
    expect(kinds('cache-last', 'hypersparc')).toContain('stale-data');
    expect(kinds('right', 'hypersparc').size).toBe(0);
  });
});

it('needs no other CPU for it', () => {
  const variant = findVariant(orderOfFlush, 'tlb-first');
  for (const platform of Object.values(platforms)) {
    const { findings } = runFlush(orderOfFlush, variant, platform, { cpus: 1 });
    expect([platform.name, findings[0]?.kind]).toEqual([platform.name, 'flush-order']);
  }
});
