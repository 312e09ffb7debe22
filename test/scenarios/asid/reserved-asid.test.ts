import { describe, expect, it } from 'vitest';
import { runLockstep } from '../../../src/hosts/lockstep.ts';
import { RandomWalk } from '../../../src/hosts/schedulers/random.ts';
import { platformByName, platforms } from '../../../src/platforms/index.ts';
import reservedAsid from '../../../src/scenarios/asid/reserved-asid.ts';
import { findVariant, resolveParameters } from '../../../src/scenarios/scenario.ts';

/** Runs of a variant that must show nothing, and at most of one that must. */
const CLEAN_RUNS = 30;
const MOST_RUNS = 500;
const names = reservedAsid.variants.map(({ name }) => name);

/** What runs on a platform show, up to the first that shows anything: kinds of findings. */
function shown(variant: string, platformName: string, cpus: number, runs: number): string[] {
  const platform = platformByName(platformName) ?? expect.fail(platformName);
  const parameters = { ...resolveParameters(reservedAsid, {}), variant };
  const source = { module: reservedAsid.module, parameters };
  const limits = { quantumCycles: 10_000, maxSteps: reservedAsid.maxSteps, maxSeconds: 60 };
  for (let seed = 1; seed <= runs; seed++) {
    const job = { platform, cpus, source, seed, checked: true, ...limits };
    const { outcome, findings, error } = runLockstep(
      job,
      reservedAsid.createWorkload(parameters),
      new RandomWalk(seed),
    );
    expect(['finished', 'finding'], error).toContain(outcome);
    if (findings.length > 0) return findings.map(({ kind }) => kind);
  }
  return [];
}

const supported = Object.values(platforms).flatMap((platform) =>
  names
    .filter((name) => findVariant(reservedAsid, name).unsupported?.(platform) === undefined)
    .flatMap((variant) => (platform.maxCpus > 1 ? [1, 2] : [1]).map((cpus) => ({ variant, platform, cpus }))),
);

describe('reserved-asid', () => {
  it.each(supported)('$variant on $platform.name, CPUs: $cpus', ({ variant, platform, cpus }) => {
    const { expect: usual, expectOn } = findVariant(reservedAsid, variant);
    const wanted = expectOn?.(platform).expect ?? usual;
    const runs = wanted === 'clean' ? CLEAN_RUNS : MOST_RUNS;
    expect(shown(variant, platform.name, cpus, runs)).toEqual(wanted === 'clean' ? [] : wanted);
  });

  it('has a platform for each variant', () => {
    expect([...new Set(supported.map(({ variant }) => variant))].sort()).toEqual([...names].sort());
  });

  it('has two registers on 32-bit Arm and in the later arm64 kernels, one elsewhere', () => {
    const of = (name: string) =>
      supported.filter(({ variant }) => variant === name).map(({ platform }) => platform.name);
    expect(new Set(of('reserved-asid'))).toEqual(
      new Set(['arm1136', 'arm1176', 'arm11mpcore', 'cortex-a9', 'cortex-a15']),
    );
    expect(of('reserved-base')).toContain('neoverse');
    expect(of('one-register')).toEqual(expect.arrayContaining(['neoverse', 'x86-64', 'r4000', 'sun4m']));
  });
});
