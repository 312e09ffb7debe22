/**
 * The decompressor as a guest: the hypervisor has given it the memory, and its vCPU begins as after a reset, MMU and
 * caches off (KVM lets writes of its registers trap from then on, unless there is forced write-back:
 * arch/arm64/include/asm/kvm_emulate.h, vcpu_reset_hcr).
 */
import type { Checker } from '../../checker/checker.ts';
import { STAGE2_RAM } from '../../hypervisor/boot-vm.ts';
import { Hypervisor, type HypervisorLayout } from '../../hypervisor/hypervisor.ts';
import { emulationVectors } from '../../hypervisor/set-way/emulation.ts';
import type { Preemption } from '../../hypervisor/set-way/flush-guest.ts';
import { Vcpu } from '../../hypervisor/vcpu.ts';
import { USED } from '../../kernel/kernel.ts';
import { PTE } from '../../machine/attributes.ts';
import type { Cpu } from '../../machine/cpu.ts';
import type { Machine } from '../../machine/machine.ts';
import type { Platform } from '../../machine/platform.ts';
import type { StartedProgram } from '../../program/workload.ts';
import type { Expectation } from '../scenario.ts';
import { bootCompressed, inGuest } from './decompressor.ts';
import type { HypervisorVariant } from './define-hypervisor.ts';
import { layOneGuest } from './one-guest.ts';
import { type EmulationName, emulationOf, setWayEmulations, withoutEmulation } from './set-way-emulations.ts';

export interface GuestLayout {
  readonly host: HypervisorLayout;
  /** Intermediate address of the image, and its virtual one. */
  readonly imageVa: number;
}

const PREFIX = 'guest-';
/** Its tables, the image, and some that it never uses. */
const PAGES = 8;
/** Those without a device: a decompressor drives none. */
const names = (Object.keys(setWayEmulations) as EmulationName[]).filter(
  (name) => emulationOf(name).device !== true,
);

/** Where a variant shows what it is about, if not on the scenario's platform: untrapped, behind a system cache. */
const PLATFORMS: Readonly<Partial<Record<EmulationName, string>>> = {
  'forced-write-back': 'neoverse-v1',
  untrapped: 'neoverse',
};

/** A variant for each emulation. @param leftBehind what shows where nothing is flushed */
export function decompressorGuests(leftBehind: (platform: Platform) => Expectation): HypervisorVariant[] {
  return names.map((name) => {
    const { title, expectOn, expectPinned } = emulationOf(name);
    const platform = PLATFORMS[name];
    return {
      name: `${PREFIX}${name}`,
      title: `as a guest whose hypervisor ${title}`,
      ...(platform !== undefined && { platform }),
      unsupported: (on: Platform) => withoutEmulation(name, on),
      expectOn: name === 'ignored' ? leftBehind : (expectPinned ?? expectOn),
    };
  });
}

/** The emulation of a variant, undefined for one on bare hardware. */
export function guestOf(variant: unknown): EmulationName | undefined {
  return names.find((name) => variant === `${PREFIX}${name}`);
}

/** Lays the host and its guest out. */
export function layGuest(machine: Machine, name: EmulationName): GuestLayout {
  const { onDemand, make } = emulationOf(name);
  const { ownTraps } = make(alone).policy;
  const options = { vcpus: 1, pages: PAGES, permissions: onDemand ? 0 : STAGE2_RAM };
  return layOneGuest(machine, options, (vm) => {
    const root = vm.stage1Root();
    const imageVa = vm.pages(1);
    vm.mapStage1(root, imageVa, imageVa, USED | PTE.WRITE);
    vm.reset(0, root, 1, ownTraps === true);
    return { imageVa };
  });
}

/** The program of the host CPU that runs the guest. */
export function startGuest(
  cpu: Cpu,
  { host: laid, imageVa }: GuestLayout,
  checker: Checker | null,
  name: EmulationName,
  lines: number,
): StartedProgram {
  const { machine } = cpu;
  const emulation = emulationOf(name).make(alone);
  const host = new Hypervisor(machine, laid, checker, emulation.policy);
  const vcpu = new Vcpu(host, laid.vms[0], 0);
  const program = vcpu.runOn(cpu, () => bootCompressed(inGuest(cpu), { va: imageVa, lines }, 'set-way'));
  return { program, vectors: host.vectors(emulationVectors(host, emulation)) };
}

/** Somebody else runs at each occasion, and then the vCPU goes on: there is one CPU. */
const preemption: Preemption = {
  every: 1,
  *pending() {
    return true;
  },
  *yields(cpu) {
    yield* cpu.compute(1);
    return true;
  },
};

const alone = { preemption, undefined() {} };
