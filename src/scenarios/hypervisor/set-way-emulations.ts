/** The emulations that scenarios with guests compare, and what follows for them from a platform's description. */
import type { SetWayEmulation } from '../../hypervisor/set-way/emulation.ts';
import type { Preemption } from '../../hypervisor/set-way/flush-guest.ts';
import { hasForcedWriteBack, ignoreSetWay, kvmSetWay } from '../../hypervisor/set-way/kvm.ts';
import { populating } from '../../hypervisor/set-way/populate.ts';
import { setWayToTheLetter, untrappedSetWay } from '../../hypervisor/set-way/to-the-letter.ts';
import { xenSetWay } from '../../hypervisor/set-way/xen.ts';
import type { Platform } from '../../machine/platform.ts';
import { clean, found } from '../flush/alias-facts.ts';
import { fact } from '../flush/facts.ts';
import type { Expectation } from '../scenario.ts';
import { withoutGuests } from './guest-variants.ts';
import { allEmptied, byAddress, missedElsewhere, withoutSetWay } from './set-way-facts.ts';

const ACCESS_DCSW = 'Linux arch/arm64/kvm/sys_regs.c, access_dcsw';

interface MakeOptions {
  readonly preemption: Preemption;
  /** The guest is told that there is no such operation. */
  undefined(): void;
}

interface Emulation {
  /** What the hypervisor does. */
  readonly title: string;
  /** The guest's memory is there when it uses it first. */
  readonly onDemand?: boolean;
  /** A device shares the stage-2 table. */
  readonly device?: boolean;
  /** It goes wrong only where a vCPU can leave a CPU for another. */
  readonly needsElsewhere?: boolean;
  /** How often the guest does it all; default: once. What is missed, the hardware may write back by itself. */
  readonly rounds?: number;
  make(options: MakeOptions): SetWayEmulation;
  /** What a guest finds that moves between host CPUs. */
  expectOn(platform: Platform): Expectation;
  /** What one finds that stays on its CPU; default: the same. */
  expectPinned?(platform: Platform): Expectation;
  /** Why it means nothing on a platform that has guests. */
  unsupported?(platform: Platform): string | undefined;
}

const withoutForcing = (platform: Platform) =>
  hasForcedWriteBack(platform)
    ? undefined
    : `there is nothing to force: ${fact(platform, 'virtualization.forcedWriteBack')}`;

const withoutIommu = (platform: Platform) =>
  platform.dma.iommu ? undefined : `no table to share: ${fact(platform, 'dma.iommu')}`;

function lostTransfer(platform: Platform): Expectation {
  return found(
    ['invariant'],
    `an entry that is not valid is for the guest’s next access to make valid, and for the IOMMU a fault (Xen commit 2b45ff60301a): ${fact(platform, 'dma.iommu')}`,
  );
}

const leftElsewhere = (platform: Platform) =>
  missedElsewhere(
    platform,
    'the line is dirty in the caches of the CPU that the vCPU has left, and the operations act on those of the one that it is on',
  );

const staysDirty = (platform: Platform) =>
  missedElsewhere(
    platform,
    'what the guest wrote stays dirty in the caches, and with its own off it reads memory',
  );

/** By the names that variants have. */
export const setWayEmulations = {
  'forced-write-back': {
    title: 'does nothing, and has stage 2 make all of the guest’s memory cacheable (KVM)',
    make: () => ignoreSetWay({ forcedWriteBack: true }),
    unsupported: withoutForcing,
    expectOn: (platform) =>
      clean(
        `whatever the guest turns off, its memory stays cacheable (${ACCESS_DCSW}): ${fact(platform, 'virtualization.forcedWriteBack')}`,
      ),
  },
  kvm: {
    title: 'flushes all memory at the first operation, and when caches go on or off (KVM)',
    make: () => kvmSetWay,
    expectOn: byAddress,
  },
  'on-demand': {
    title: 'does as kvm, and the guest is given a page when it uses it first (populate on demand, as in KVM)',
    onDemand: true,
    make: () => populating(kvmSetWay),
    expectOn: byAddress,
  },
  'xen-full': {
    title: 'flushes all memory before the guest goes on (Xen, as first proposed)',
    make: () => xenSetWay({ pages: 'all' }),
    expectOn: byAddress,
  },
  'xen-accessed': {
    title: 'flushes the pages that the guest has used since the last time (Xen)',
    make: () => xenSetWay({ pages: 'accessed' }),
    expectOn: byAddress,
  },
  'xen-preempted': {
    title: 'does as xen-accessed, is preempted, and goes on where the vCPU runs next (Xen)',
    make: ({ preemption }) => xenSetWay({ pages: 'accessed', preemption }),
    expectOn: byAddress,
  },
  'xen-refused': {
    title:
      'refuses the operation, because a device shares the stage-2 table, and the guest goes by address (Xen)',
    device: true,
    make: (options) =>
      xenSetWay({ pages: 'accessed', sharesTable: true, undefined: () => options.undefined() }),
    unsupported: withoutIommu,
    expectOn: byAddress,
  },
  'xen-shared-table': {
    title: 'flushes the pages used since the last time, although a device shares the stage-2 table',
    device: true,
    make: () => xenSetWay({ pages: 'accessed', sharesTable: true }),
    unsupported: withoutIommu,
    expectOn: lostTransfer,
  },
  'follows-vcpu': {
    title: 'executes the operation, and empties caches when a vCPU leaves a CPU and before it runs on one',
    make: () => setWayToTheLetter(true),
    expectOn: allEmptied,
  },
  'to-the-letter': {
    title: 'executes the operation on the CPU that the vCPU is on',
    rounds: 12,
    needsElsewhere: true,
    make: () => setWayToTheLetter(),
    expectOn: leftElsewhere,
    expectPinned: allEmptied,
  },
  untrapped: {
    title: 'does not emulate anything: the operation does not trap, and acts on the CPU that the vCPU is on',
    rounds: 12,
    needsElsewhere: true,
    make: () => untrappedSetWay,
    expectOn: leftElsewhere,
    expectPinned: allEmptied,
  },
  ignored: {
    title: 'has the operation trap, and does nothing',
    make: () => ignoreSetWay({ forcedWriteBack: false }),
    expectOn: staysDirty,
  },
} as const satisfies Readonly<Record<string, Emulation>>;

export type EmulationName = keyof typeof setWayEmulations;

/** @throws Error if there is none of that name */
export function emulationOf(name: string): Emulation {
  const emulation = (setWayEmulations as Readonly<Record<string, Emulation>>)[name];
  if (!emulation) throw new Error(`there is no emulation '${name}' of set/way`);
  return emulation;
}

/** Why a platform cannot run a guest with this emulation, or undefined if it can. */
export function withoutEmulation(name: string, platform: Platform): string | undefined {
  return withoutGuests(platform) ?? withoutSetWay(platform) ?? emulationOf(name).unsupported?.(platform);
}
