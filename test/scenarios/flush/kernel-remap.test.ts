import { describe, expect, it } from 'vitest';
import type { Platform } from '../../../src/machine/platform.ts';
import { parsePlatform } from '../../../src/machine/platform-checks.ts';
import { platforms } from '../../../src/platforms/index.ts';
import kernelRemap from '../../../src/scenarios/flush/kernel-remap.ts';
import { findVariant } from '../../../src/scenarios/scenario.ts';
import { describeFlushScenario, disagreements, runFlush } from '../../support/flush-scenarios.ts';

describeFlushScenario(kernelRemap);

/** Kinds of findings of a run that goes on after each. */
function kinds(variant: string, platform: Platform, cpus?: number): Set<string> {
  const how = { keepGoing: true, ...(cpus !== undefined && { cpus }) };
  const { findings } = runFlush(kernelRemap, findVariant(kernelRemap, variant), platform, how);
  return new Set(findings.map(({ kind }) => kind));
}

describe.each(Object.values(platforms))('on $name', (platform) => {
  it('an address of the kernel’s leads to the frame that it had when its translations stay', () => {
    expect(kinds('no-tlb-flush', platform)).toContain('stale-translation');
    expect(kinds('slots-no-tlb-flush', platform)).toContain('stale-translation');
  });

  it('one CPU will do', () => {
    expect(kinds('no-tlb-flush', platform, 1)).toContain('stale-translation');
    expect(kinds('right', platform, 1).size).toBe(0);
  });
});

/** Without global entries: every context has its own of what the kernel maps. */
const perContext = Object.values(platforms)
  .filter(({ mmu }) => mmu.tlb.asidBits > 0)
  .map((platform): Platform => {
    const { name, mmu, sources } = platform;
    return {
      ...platform,
      name: `${name}-per-context`,
      mmu: { ...mmu, kernelMappings: 'per-context' },
      sources: { ...sources, 'mmu.kernelMappings': 'made up' },
    };
  });

describe.each(perContext)('on $name', (platform) => {
  it('is a platform', () => {
    expect(parsePlatform(platform, 'it')).toEqual({ platform });
  });

  it.each(kernelRemap.variants)('$name shows what is expected of it', (variant) => {
    expect(disagreements(kernelRemap, variant, platform)).toEqual([]);
  });

  it.each([1, 2])('a context that is not flushed uses the old frame, with CPUs: %i', (cpus) => {
    if (cpus > platform.maxCpus) return;
    expect(kinds('this-context-only', platform, cpus)).toContain('stale-translation');
  });
});

it('the context that runs is enough where translations of the kernel’s are global', () => {
  for (const platform of Object.values(platforms)) {
    expect([platform.name, ...kinds('this-context-only', platform)]).toEqual([platform.name]);
  }
});

it('what the kernel stored is lost where lines stay that its linear mapping does not find', () => {
  expect(kinds('no-cache-flush', platforms.hypersparc)).toContain('stale-data');
  expect(kinds('slots-no-cache-flush', platforms.hypersparc)).toContain('stale-data');
});
