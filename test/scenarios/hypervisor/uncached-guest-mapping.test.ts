import { describe, expect, it } from 'vitest';
import { platforms } from '../../../src/platforms/index.ts';
import uncachedGuestMapping from '../../../src/scenarios/hypervisor/uncached-guest-mapping.ts';
import { findVariant } from '../../../src/scenarios/scenario.ts';
import { disagreements, runFlush, shown, supported } from '../../support/flush-scenarios.ts';
import { describeHypervisorScenario } from '../../support/hypervisor-scenarios.ts';
import { changed } from '../../support/machine.ts';

describeHypervisorScenario(uncachedGuestMapping, ['cortex-a53', 'neoverse-v1', 'riscv-h']);

const variantOf = (name: string) => findVariant(uncachedGuestMapping, name);
/** Besides those that every scenario is run with. */
const SEEDS = [5, 6, 7, 8];

describe('uncached-guest-mapping', () => {
  // By hand: A15 has short descriptors here, A53 has MAIR and devices that snoop nothing, N1 has devices that snoop.
  it.each([
    ['alone', 'cortex-a53', 'clean'],
    ['flush-while-off', 'neoverse', ['lost-write', 'stale-data']],
    ['swapped-out', 'cortex-a53', ['stale-data']],
    ['swapped-out-flushed', 'cortex-a53', 'clean'],
    ['streaming', 'cortex-a15', 'clean'],
    ['streaming-no-clean', 'cortex-a15', ['stale-data', 'lost-write']],
    ['streaming-no-invalidate', 'neoverse', ['stale-data']],
    ['emulator-unaware', 'cortex-a53', ['stale-data']],
    ['emulator-unaware', 'riscv-h', 'clean'],
    ['emulator-cleans', 'cortex-a53', ['stale-data']],
    ['emulator-invalidates', 'cortex-a53', ['stale-data']],
    ['emulator-invalidates', 'riscv-h', 'clean'],
    ['emulator-maintains', 'cortex-a53', 'clean'],
    ['told-coherent', 'cortex-a15', 'clean'],
    ['mair-trap', 'cortex-a53', 'clean'],
    ['mair-trap', 'cortex-a15', ['stale-data']],
    ['mair-trap-before-mmu', 'cortex-a53', ['stale-data']],
    ['mair-trap-two-mappings', 'cortex-a53', 'clean'],
    ['mair-trap-two-mappings', 'cortex-a15', ['stale-data', 'lost-write']],
    ['assigned-device', 'cortex-a53', 'clean'],
    ['assigned-device', 'riscv-h', ['device-old-data']],
    ['mair-trap-device', 'cortex-a53', ['device-old-data']],
    ['mair-trap-device', 'cortex-a15', 'clean'],
    ['mair-trap-device', 'neoverse', 'clean'],
    ['mair-trap-stage-2', 'cortex-a53', 'clean'],
    ['forced-write-back', 'neoverse-v1', 'clean'],
    ['forced-write-back-device', 'neoverse-v1', 'clean'],
  ])('%s on %s', (variant, platform, expectation) => {
    expect(variantOf(variant).expectOn?.(platforms[platform]).expect).toEqual(expectation);
  });

  it.each(uncachedGuestMapping.variants)('$name shows it whatever the seed', (variant) => {
    const platform = platforms[uncachedGuestMapping.defaultPlatform(variant.name)];
    const expected = variant.expectOn?.(platform).expect ?? 'clean';
    const got = SEEDS.map((seed) => shown(runFlush(uncachedGuestMapping, variant, platform, { seed })));
    expect(got.filter((kind) => kind !== expected && !expected.includes(kind as 'stale-data'))).toEqual([]);
  });

  it('has its device behind however many CPUs there are', () => {
    const variant = variantOf('mair-trap-device');
    const result = runFlush(uncachedGuestMapping, variant, platforms['cortex-a53'], { seed: 1, cpus: 4 });
    expect(shown(result)).toBe('device-old-data');
  });

  it('forced write-back takes its uncached buffers from a guest whose device does not look into caches', () => {
    const apart = changed(platforms['neoverse-v1'], (p) => {
      p.dma = { snooped: false, iommu: true };
    });
    const variant = variantOf('forced-write-back-device');
    expect(variant.expectOn?.(apart).expect).toEqual(['device-old-data']);
    expect(disagreements(uncachedGuestMapping, variant, apart)).toEqual([]);
    expect(disagreements(uncachedGuestMapping, variantOf('mair-trap-stage-2'), apart)).toEqual([]);
  });

  it('means nothing where nobody is a guest, or the host’s maintenance does not reach all caches', () => {
    const names = supported(uncachedGuestMapping, variantOf('alone')).map(({ name }) => name);
    expect(names).not.toContain('cortex-a9');
    const local = changed(platforms['cortex-a53'], (p) => {
      p.maintenance.byAddress = 'local';
    });
    expect(variantOf('alone').unsupported?.(local)).toMatch(/misses other CPUs’ caches/);
    expect(variantOf('mair-trap').unsupported?.(platforms['riscv-h'])).toMatch(/no register of memory types/);
  });
});
