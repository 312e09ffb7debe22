import { describe, expect, it } from 'vitest';
import { platforms } from '../../../src/platforms/index.ts';
import setWay from '../../../src/scenarios/hypervisor/set-way.ts';
import { findVariant } from '../../../src/scenarios/scenario.ts';
import { supported } from '../../support/flush-scenarios.ts';
import { describeHypervisorScenario } from '../../support/hypervisor-scenarios.ts';

describeHypervisorScenario(setWay, ['cortex-a53', 'cortex-a9', 'neoverse', 'sun4d']);

const expected = (variant: string, platform: string) =>
  findVariant(setWay, variant).expectOn?.(platforms[platform]).expect;

describe('set-way on each kind of machine', () => {
  // By hand, from the descriptions: a system cache defeats even the last CPU, and so does a cache with a controller.
  it.each([
    ['going-down', 'cortex-a53', 'clean'],
    ['going-down', 'cortex-a15', 'clean'],
    ['going-down', 'cortex-a9', ['stale-data']],
    ['going-down', 'neoverse', ['stale-data']],
    ['going-down', 'arm1136', 'clean'],
    ['going-down-by-address', 'neoverse', 'clean'],
    ['system-cache', 'neoverse', ['stale-data']],
    ['local', 'arm11mpcore', ['stale-data']],
    ['cross-called', 'cortex-a53', ['stale-data']],
    ['first-level', 'cortex-a53', ['stale-data']],
    ['first-level', 'arm926', 'clean'],
    ['first-level', 'sun4c', 'clean'],
  ])('%s on %s', (variant, platform, expectation) => {
    expect(expected(variant, platform)).toEqual(expectation);
  });

  it('needs such operations, and somebody else to miss', () => {
    const names = (variant: string) =>
      supported(setWay, findVariant(setWay, variant)).map(({ name }) => name);
    expect(names('local')).not.toContain('riscv-h');
    expect(names('local')).not.toContain('arm926');
    expect(names('going-down')).toContain('arm926');
    expect(names('going-down')).not.toContain('riscv-h');
    expect(names('by-address')).toContain('riscv-h');
    expect(names('system-cache')).toContain('neoverse');
    expect(names('system-cache')).not.toContain('cortex-a53');
  });
});
