import { describe, expect, it } from 'vitest';
import { tooFewCpus } from '../../../src/lab/matrix.ts';
import { makePlan } from '../../../src/lab/plan.ts';
import { parsePlatform } from '../../../src/machine/platform-checks.ts';
import { platforms } from '../../../src/platforms/index.ts';
import noncoherentSmp from '../../../src/scenarios/flush/noncoherent-smp.ts';
import { withoutProtocol } from '../../../src/scenarios/flush/without-protocol.ts';
import { findVariant } from '../../../src/scenarios/scenario.ts';
import { describeFlushScenario } from '../../support/flush-scenarios.ts';

describeFlushScenario(noncoherentSmp);

it('runs without the protocol of the platform that is asked for, and on two CPUs of whatever has one', () => {
  const variant = findVariant(noncoherentSmp, 'right');
  for (const platform of [platforms['x86-64'], platforms.arm926]) {
    const plan = makePlan({ scenario: noncoherentSmp, variant, platform, given: {} });
    expect(plan.platform).toEqual(withoutProtocol(platform));
    expect(plan.cpus).toBe(2);
    expect(tooFewCpus(noncoherentSmp, variant, platform)).toBeUndefined();
  }
});

describe.each(Object.values(platforms))('$name without its protocol', (platform) => {
  const machine = withoutProtocol(platform);

  it('is a platform, of two CPUs at least', () => {
    expect(parsePlatform(machine, 'it')).toEqual({ platform: machine });
    expect(machine.maxCpus).toBeGreaterThanOrEqual(2);
  });

  it('has no more to lose', () => {
    expect(withoutProtocol(machine)).toBe(machine);
  });
});
