import { describe, expect, it } from 'vitest';
import type { Platform } from '../../../src/machine/platform.ts';
import { platforms } from '../../../src/platforms/index.ts';
import uncachedGuestBoot from '../../../src/scenarios/hypervisor/uncached-guest-boot.ts';
import { findVariant } from '../../../src/scenarios/scenario.ts';
import { disagreements, runFlush, shown, supported } from '../../support/flush-scenarios.ts';
import { describeHypervisorScenario } from '../../support/hypervisor-scenarios.ts';
import { changed } from '../../support/machine.ts';

describeHypervisorScenario(uncachedGuestBoot, ['cortex-a15', 'neoverse-v1', 'riscv-h']);

const variantOf = (name: string) => findVariant(uncachedGuestBoot, name);
/** Besides those that every scenario is run with. */
const SEEDS = [5, 6, 7, 8];

describe('uncached-guest-boot', () => {
  // By hand: N1 hears of new instructions and fetches from the data caches, A53 does neither, P550 guests are cached.
  it.each([
    ['right', 'cortex-a53', 'clean'],
    ['flush-at-toggle', 'neoverse', 'clean'],
    ['no-maintenance', 'cortex-a53', ['stale-data']],
    ['no-maintenance', 'riscv-h', 'clean'],
    ['guest-invalidates', 'cortex-a15', 'clean'],
    ['guest-invalidates-dirty', 'cortex-a15', ['lost-write']],
    ['guest-invalidates-dirty', 'riscv-h', 'clean'],
    ['at-fault-only', 'neoverse-v1', ['stale-data']],
    ['no-image-clean', 'neoverse', ['stale-data']],
    ['no-image-clean', 'cortex-a53', ['stale-instruction', 'stale-data']],
    ['unification-only', 'cortex-a53', ['stale-data']],
    ['no-icache', 'cortex-a53', ['stale-instruction']],
    ['no-icache', 'riscv-h', ['stale-instruction']],
    ['no-icache', 'neoverse', 'clean'],
    ['still-mapped', 'neoverse', ['stale-data']],
    ['forced-write-back', 'neoverse-v1', 'clean'],
  ])('%s on %s', (variant, platform, expectation) => {
    expect(variantOf(variant).expectOn?.(platforms[platform]).expect).toEqual(expectation);
  });

  it.each(uncachedGuestBoot.variants)('$name shows it whatever the seed', (variant) => {
    const platform = platforms[uncachedGuestBoot.defaultPlatform(variant.name)];
    const expected = variant.expectOn?.(platform).expect ?? 'clean';
    const got = SEEDS.map((seed) => shown(runFlush(uncachedGuestBoot, variant, platform, { seed })));
    expect(got.filter((kind) => kind !== expected && !expected.includes(kind as 'stale-data'))).toEqual([]);
  });

  it('with forced write-back the instruction caches are still the host’s to look after', () => {
    const deaf: Platform = changed(platforms['neoverse-v1'], (p) => {
      p.l1i.snooped = false;
    });
    expect(disagreements(uncachedGuestBoot, variantOf('forced-write-back'), deaf)).toEqual([]);
    expect(disagreements(uncachedGuestBoot, variantOf('no-icache'), deaf)).toEqual([]);
    expect(variantOf('no-icache').expectOn?.(deaf).expect).toEqual(['stale-instruction']);
  });

  it('where nothing comes in by itself the host’s lines cannot be old', () => {
    const still = changed(platforms['cortex-a53'], (p) => {
      p.agents = p.agents.filter((agent) => agent !== 'prefetch' && agent !== 'walk');
    });
    expect(variantOf('no-maintenance').expectOn?.(still).expect).toBe('clean');
    for (const name of ['no-maintenance', 'at-fault-only', 'guest-invalidates-dirty']) {
      expect(disagreements(uncachedGuestBoot, variantOf(name), still)).toEqual([]);
    }
  });

  it('needs guests, and forced write-back for the variant of that name', () => {
    const names = (variant: string) =>
      supported(uncachedGuestBoot, variantOf(variant)).map(({ name }) => name);
    expect(names('right')).toEqual(expect.arrayContaining(['cortex-a15', 'cortex-a53', 'riscv-h']));
    expect(names('right')).not.toContain('cortex-a9');
    expect(names('forced-write-back')).toEqual(['neoverse-v1']);
  });
});
