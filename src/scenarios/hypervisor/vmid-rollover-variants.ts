/** What can be wrong when VMIDs run out: variants of `vmid-rollover`. */
import type { VmidFlaw, VmidScheme } from '../../hypervisor/vmid.ts';
import type { Platform } from '../../machine/platform.ts';
import { clean, found } from '../flush/alias-facts.ts';
import { fact } from '../flush/facts.ts';
import type { Expectation, VariantRun } from '../scenario.ts';
import type { GuestVariant } from './guest-variants.ts';

export interface RolloverVariant extends GuestVariant {
  readonly scheme: VmidScheme;
  readonly flaw?: VmidFlaw;
  readonly noSwitchBarrier?: boolean;
  /** VMIDs for that many CPUs; absent: as the parameter says. */
  readonly vmidsFor?: (cpus: number) => number;
}

const tagFact = (platform: Platform) => fact(platform, 'virtualization.vmidBits');
const wrong =
  (why: string) =>
  (platform: Platform): Expectation =>
    found(['invariant'], `${why}: ${tagFact(platform)}`);
const right =
  (why: string) =>
  (platform: Platform): Expectation =>
    clean(`${why}: ${tagFact(platform)}`);

export const rolloverVariants: readonly RolloverVariant[] = [
  {
    name: 'right',
    title: 'carries over the numbers of running vCPUs, and flushes all CPUs',
    scheme: 'bitmap',
    expectOn: right('no entry is left under a number that has a new user, and nobody takes a number in use'),
  },
  {
    name: 'counter',
    title: 'makes all CPUs leave their guests, flushes them, and gives each VM a new number',
    scheme: 'counter',
    expectOn: right('no guest runs while numbers change, and no entry outlives its number'),
  },
  {
    name: 'no-flush',
    title: 'carries numbers over, and flushes nothing',
    scheme: 'bitmap',
    flaw: 'no-flush',
    expectOn: wrong('entries of the last user of a number are still tagged with it'),
  },
  {
    name: 'no-reserved',
    title: 'flushes, and does not carry over the numbers of running vCPUs',
    scheme: 'bitmap',
    flaw: 'no-reserved',
    expectOn: wrong('a running guest goes on with a number that another VM is given'),
  },
  {
    name: 'counter-no-flush',
    title: 'makes all CPUs leave their guests, and flushes nothing',
    scheme: 'counter',
    flaw: 'no-flush',
    expectOn: wrong('entries of the last user of a number are still tagged with it'),
  },
  {
    name: 'counter-no-exit',
    title: 'flushes, and lets vCPUs go on that are in the guest',
    scheme: 'counter',
    flaw: 'no-exit',
    expectOn: noExit,
  },
  {
    name: 'too-few',
    title: 'fewer usable VMIDs than CPUs',
    scheme: 'bitmap',
    vmidsFor: (cpus) => cpus - 1,
    expectOn: wrong('each of the other CPUs may hold a number at a rollover, and none is left'),
  },
  {
    name: 'no-switch-barrier',
    title: 'no full barrier between a vCPU that is put and the next one',
    scheme: 'bitmap',
    noSwitchBarrier: true,
    // It takes a rollover of another CPU within a few steps.
    parameters: { vms: 5, turns: 150, touches: 1 },
    expectOn: (platform) =>
      platform.writeBufferEntries === 0
        ? clean(`stores are performed in order: ${fact(platform, 'writeBufferEntries')}`)
        : found(
            ['invariant'],
            `that the number is free is still in the write buffer when the generation is read: ${fact(platform, 'writeBufferEntries')}`,
          ),
  },
];

/**
 * Why there are too few VMIDs for so many CPUs, or undefined if there are enough. Through a rollover of `bitmap` each of
 * the others may hold one, and the CPU that rolls over needs one. `counter` starts afresh, but where guests of more VMs
 * run than there are numbers, they may take them from each other for ever, and none gets on: CPUs that keep step do.
 */
export function tooFewVmids(name: string, { cpus, parameters }: VariantRun): string | undefined {
  const variant = rolloverVariants.find((each) => each.name === name);
  const vmids = Number(parameters.vmids);
  if (!variant || variant.vmidsFor || vmids >= cpus) return undefined;
  return `${vmids} usable VMIDs are too few for ${cpus} CPUs, each of which may need one at a time: use --set vmids=${cpus} or fewer --cpus`;
}

/** Where the flush is itself an interrupt, it takes CPUs out of their guests all the same. */
function noExit(platform: Platform): Expectation {
  const fences = fact(platform, 'virtualization.stage2Fences');
  return platform.virtualization?.stage2Fences === 'local'
    ? clean(`the flush of the other CPUs is an interrupt, after which they look at their numbers: ${fences}`)
    : found(['invariant'], `a running guest fills TLBs under a number that another VM is given: ${fences}`);
}
