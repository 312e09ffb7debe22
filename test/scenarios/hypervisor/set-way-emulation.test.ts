import { describe, expect, it } from 'vitest';
import { explain } from '../../../src/checker/explain.ts';
import { makePlan } from '../../../src/lab/plan.ts';
import { platforms } from '../../../src/platforms/index.ts';
import setWayEmulation from '../../../src/scenarios/hypervisor/set-way-emulation.ts';
import { findVariant } from '../../../src/scenarios/scenario.ts';
import { runFlush, shown, supported } from '../../support/flush-scenarios.ts';
import { describeHypervisorScenario } from '../../support/hypervisor-scenarios.ts';

describeHypervisorScenario(setWayEmulation, ['cortex-a15', 'neoverse-v1']);

const expected = (variant: string, platform: string) =>
  findVariant(setWayEmulation, variant).expectOn?.(platforms[platform]).expect;

describe('set-way-emulation', () => {
  // By hand: a system cache defeats whatever names sets and ways, and an address reaches it.
  it.each([
    ['kvm', 'neoverse', 'clean'],
    ['xen-accessed', 'cortex-a53', 'clean'],
    ['forced-write-back', 'neoverse-v1', 'clean'],
    ['ignored', 'neoverse-v1', ['stale-data']],
    ['ignored', 'cortex-a15', ['stale-data']],
    ['to-the-letter', 'cortex-a53', ['stale-data']],
    ['untrapped', 'cortex-a53', ['stale-data']],
    ['to-the-letter-pinned', 'cortex-a53', 'clean'],
    ['to-the-letter-pinned', 'neoverse', ['stale-data']],
    ['follows-vcpu', 'cortex-a15', 'clean'],
    ['follows-vcpu', 'neoverse', ['stale-data']],
    ['xen-shared-table', 'cortex-a53', ['invariant']],
    ['xen-refused', 'cortex-a53', 'clean'],
  ])('%s on %s', (variant, platform, expectation) => {
    expect(expected(variant, platform)).toEqual(expectation);
  });

  it('runs where there is something to emulate', () => {
    const names = (variant: string) =>
      supported(setWayEmulation, findVariant(setWayEmulation, variant)).map(({ name }) => name);
    expect(names('kvm')).toContain('cortex-a15');
    expect(names('kvm')).not.toContain('riscv-h');
    expect(names('kvm')).not.toContain('cortex-a9');
    expect(names('forced-write-back')).toEqual(['neoverse-v1']);
    expect(names('xen-refused')).not.toContain('cortex-a15');
  });

  it.each(['to-the-letter', 'untrapped', 'ignored', 'xen-shared-table'])(
    '%s is found in each of 20 runs',
    (name) => {
      const variant = findVariant(setWayEmulation, name);
      const platform = platforms['cortex-a53'];
      const seeds = Array.from({ length: 20 }, (_, i) => i + 1);
      const kinds = new Set(
        seeds.map((seed) => shown(runFlush(setWayEmulation, variant, platform, { seed }))),
      );
      expect([...kinds]).toEqual(expected(name, 'cortex-a53'));
    },
  );

  // One processor, and the device: the vCPU has nowhere to go.
  it.each([
    ...['kvm', 'on-demand', 'xen-full', 'xen-accessed', 'xen-preempted', 'xen-refused'],
    'to-the-letter-pinned',
  ])('%s is right on a host of one CPU without a system cache', (name) => {
    const variant = findVariant(setWayEmulation, name);
    for (const seed of [1, 2, 3]) {
      const result = runFlush(setWayEmulation, variant, platforms['cortex-a53'], { seed, cpus: 2 });
      expect([seed, shown(result)]).toEqual([seed, 'clean']);
    }
  });

  it.each(['to-the-letter', 'untrapped'])('%s is not run where it has nothing to show', (name) => {
    const variant = findVariant(setWayEmulation, name);
    const one = () => makePlan({ scenario: setWayEmulation, variant, cpus: 2, given: {} });
    expect(one).toThrow(`variant '${name}' needs at least 3 CPUs: use --cpus 3 or more`);
    expect(makePlan({ scenario: setWayEmulation, variant, given: {} }).cpus).toBe(3);
  });

  it('says what a transfer of the device has met', () => {
    const platform = platforms['cortex-a53'];
    const { findings } = runFlush(
      setWayEmulation,
      findVariant(setWayEmulation, 'xen-shared-table'),
      platform,
    );
    const told = JSON.stringify(explain(findings[0], platform, [], 2));
    expect(told).toMatch(/device 0 uses the guest’s stage-2 table/);
    expect(told).toMatch(/iommu_use_hap_pt/);
  });
});
