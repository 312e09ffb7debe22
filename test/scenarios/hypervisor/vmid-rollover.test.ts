import { describe, expect, it } from 'vitest';
import { explain } from '../../../src/checker/explain.ts';
import { platforms } from '../../../src/platforms/index.ts';
import vmidRollover, { ROLLOVERS_NOTE } from '../../../src/scenarios/hypervisor/vmid-rollover.ts';
import { findVariant } from '../../../src/scenarios/scenario.ts';
import { runFlush, shown, supported } from '../../support/flush-scenarios.ts';
import { withGuests } from '../../support/hypervisor.ts';

const SEEDS = Array.from({ length: 20 }, (_, i) => i + 1);

function firstShown(variant: string, platform: string, seeds = SEEDS): string {
  for (const seed of seeds) {
    const found = findVariant(vmidRollover, variant);
    const got = shown(runFlush(vmidRollover, found, platforms[platform], { seed }));
    if (got !== 'clean') return got;
  }
  return 'clean';
}

// By hand: an interrupt that flushes the others takes them out of their guests as well.
const isClean = (variant: string, platform: string) =>
  variant === 'right' || variant === 'counter' || (variant === 'counter-no-exit' && platform === 'riscv-h');

const quick = vmidRollover.variants.map(({ name }) => name).filter((name) => name !== 'no-switch-barrier');

describe.each(quick)('vmid-rollover %s', (variant) => {
  const names = supported(vmidRollover, findVariant(vmidRollover, variant)).map(({ name }) => name);

  it.each(names)('shows what is expected of it on %s', (platform) => {
    const clean = isClean(variant, platform);
    const { expect: shows, reason } =
      findVariant(vmidRollover, variant).expectOn?.(platforms[platform]) ?? {};
    expect(shows).toEqual(clean ? 'clean' : ['invariant']);
    expect(reason).toMatch(/virtualization\.\w+ of .* \(/);
    expect(firstShown(variant, platform, clean ? [1, 2, 3] : SEEDS)).toBe(clean ? 'clean' : 'invariant');
  });
});

it('finds that nothing orders what a vCPU leaves before what the next one reads', () => {
  expect(firstShown('no-switch-barrier', 'neoverse')).toBe('invariant');
});

it('numbers run out more than once, and on every CPU', () => {
  for (const variant of ['right', 'counter']) {
    const how = { given: { turns: 40 } };
    const { reached, cpus } = runFlush(
      vmidRollover,
      findVariant(vmidRollover, variant),
      platforms.neoverse,
      how,
    );
    expect(reached).toEqual(['rollover', 'second-rollover']);
    expect(cpus.map(({ notes }) => notes[ROLLOVERS_NOTE] > 0)).toEqual([true, true]);
  }
});

it('takes as many VMIDs as CPUs, and fewer VMs', () => {
  const shownOn = (variant: string, cpus: number, given: Record<string, number>) =>
    [1, 2, 3].map((seed) =>
      shown(
        runFlush(vmidRollover, findVariant(vmidRollover, variant), platforms.neoverse, { seed, cpus, given }),
      ),
    );
  const tooFew = /3 usable VMIDs are too few for 4 CPUs, .*: use --set vmids=4 or fewer --cpus$/;
  expect(() => shownOn('right', 4, {})).toThrow(tooFew);
  expect(() => shownOn('no-flush', 4, {})).toThrow(tooFew);
  expect(shownOn('right', 6, { vmids: 6, vms: 4 })).toEqual(Array(3).fill('clean'));
  expect(shownOn('right', 3, { vms: 2 })).toEqual(Array(3).fill('clean'));
  expect(() => shownOn('counter', 4, {})).toThrow(tooFew);
  expect(shownOn('counter', 6, { vmids: 6, vms: 8 })).toEqual(Array(3).fill('clean'));
  expect(shownOn('too-few', 4, {})).toContain('invariant');
});

it('says which VM found whose entries', () => {
  const { findings } = runFlush(vmidRollover, findVariant(vmidRollover, 'no-flush'), platforms.neoverse);
  const { title, lines } = explain(findings[0], platforms.neoverse);
  expect(title).toMatch(/a VMID is handed out again while a TLB holds an entry of its last user/);
  expect(lines[0].text).toMatch(/VM \d starts using VMID \d on CPU \d.*stage-2 tables of VM \d/);
});

it('is for the machines that have guests', () => {
  expect(supported(vmidRollover, findVariant(vmidRollover, 'right'))).toEqual(withGuests);
});
