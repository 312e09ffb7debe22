import { describe, expect, it } from 'vitest';
import { runLockstep } from '../../../src/hosts/lockstep.ts';
import { RandomWalk } from '../../../src/hosts/schedulers/random.ts';
import { platforms } from '../../../src/platforms/index.ts';
import worldSwitch from '../../../src/scenarios/asid/world-switch.ts';
import { findVariant, resolveParameters } from '../../../src/scenarios/scenario.ts';

const RUNS = 20;
const names = worldSwitch.variants.map(({ name }) => name);

function kindsShown(variant: string, platformName: string, given = {}, cpus = 1): string[] {
  const parameters = { ...resolveParameters(worldSwitch, given), variant };
  const platform = platforms[platformName];
  const source = { module: worldSwitch.module, parameters };
  const limits = { quantumCycles: 10_000, maxSteps: worldSwitch.maxSteps, maxSeconds: 60 };
  for (let seed = 1; seed <= RUNS; seed++) {
    const job = { platform, cpus, source, seed, checked: true, ...limits };
    const { outcome, findings, error } = runLockstep(
      job,
      worldSwitch.createWorkload(parameters),
      new RandomWalk(seed),
    );
    expect(['finished', 'finding'], error).toContain(outcome);
    if (findings.length > 0) return findings.map(({ kind }) => kind);
  }
  return [];
}

const supported = Object.keys(platforms).filter(
  (name) => worldSwitch.variants[0].unsupported?.(platforms[name]) === undefined,
);

describe('world-switch', () => {
  it('runs where the kernel has translations of its own, tagged or global', () => {
    expect(supported).toEqual(expect.arrayContaining(['arm1136', 'cortex-a9', 'cortex-a15', 'neoverse']));
    expect(supported).not.toContain('arm926');
    expect(supported).not.toContain('r4000');
  });

  it.each(supported.flatMap((platform) => names.map((variant) => ({ variant, platform }))))(
    '$variant on $platform',
    ({ variant, platform }) => {
      const { expect: wanted } = findVariant(worldSwitch, variant);
      expect(kindsShown(variant, platform)).toEqual(wanted === 'clean' ? [] : wanted);
    },
  );

  it.each(names.slice(0, 5))('%s is clean with as many pages as the TLB has entries', (variant) => {
    expect(kindsShown(variant, 'arm1136', { pages: 32, rounds: 6 })).toEqual([]);
  });

  it.each(names.slice(0, 5))('%s is clean where CPUs run threads of one process', (variant) => {
    expect(kindsShown(variant, 'cortex-a9', { pages: 1, rounds: 2 }, 3)).toEqual([]);
  });
});
