/**
 * A guest CPU moves to another host CPU, the host changes the guest's memory there, and the guest CPU comes back to
 * where entries of its VMID have lived all the time.
 *
 * Linux 92e450507d56 "RISC-V: KVM: Cleanup stale TLB entries when host CPU changes" (v5.19; also quoted as
 * 4b9ac285e253, unverified). The series that it ends asks vCPUs for fences, and a vCPU executes them where it is; a fence of a hart is for that
 * hart alone. So no fence reaches entries on the host CPU that a vCPU has left: it has to flush the VMID when it comes
 * to another host CPU than it ran on last. Before, SBI calls fenced on all harts (`every-cpu`), at the price of an
 * interrupt for each.
 *
 * Where the host's invalidates are broadcast (Arm IPAS2E1IS, VMALLE1IS) they have reached that CPU as well.
 */
import { STAGE2_RAM } from '../../hypervisor/boot-vm.ts';
import { Hypervisor, type HypervisorLayout, type HypervisorPolicy } from '../../hypervisor/hypervisor.ts';
import { Vcpu } from '../../hypervisor/vcpu.ts';
import { USED } from '../../kernel/kernel.ts';
import { PTE } from '../../machine/attributes.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { Platform } from '../../machine/platform.ts';
import { chosenVariant } from '../chosen-variant.ts';
import { defineScenario } from '../define.ts';
import { clean, found } from '../flush/alias-facts.ts';
import { fact } from '../flush/facts.ts';
import { takeTurns } from '../flush/turns.ts';
import type { Expectation } from '../scenario.ts';
import { type GuestVariant, guestVariants, hasBroadcastFences } from './guest-variants.ts';
import { layOneGuest } from './one-guest.ts';

const VA = 0x4000_0000;
const GUEST_ASID = 1;
const USUAL = 'riscv-h';

interface StaleVariant extends GuestVariant {
  readonly policy: Partial<HypervisorPolicy>;
}

const reached = (platform: Platform, otherwise: Expectation): Expectation =>
  hasBroadcastFences(platform)
    ? clean(`the host’s invalidates reach the CPU that the guest has left: ${fenceFact(platform)}`)
    : otherwise;

const fenceFact = (platform: Platform) => fact(platform, 'virtualization.stage2Fences');

const variants: readonly StaleVariant[] = [
  {
    name: 'right',
    title: 'flushes the VMID when a vCPU comes to another host CPU than it ran on last',
    policy: { whenOtherCpu: true },
    expectOn: (platform) =>
      reached(
        platform,
        clean(`what fences have missed here goes before the guest runs: ${fenceFact(platform)}`),
      ),
  },
  {
    name: 'every-cpu',
    title: 'fences on every host CPU, wherever the vCPUs are',
    policy: { whenOtherCpu: false, fencesEverywhere: true },
    expectOn: (platform) => reached(platform, clean(`no CPU is left out: ${fenceFact(platform)}`)),
  },
  {
    name: 'no-flush',
    title: 'fences where the vCPUs are, and flushes nothing when one moves',
    policy: { whenOtherCpu: false },
    expectOn: (platform) =>
      reached(
        platform,
        found(
          ['stale-translation', 'freed-frame'],
          `the fence was executed where the vCPU was by then, and acts there alone: ${fenceFact(platform)}`,
        ),
      ),
  },
];

interface Layout {
  readonly host: HypervisorLayout;
  readonly ipa: number;
  readonly turnPa: number;
}

export default defineScenario<Layout>({
  name: 'vmid-stale',
  title: 'A guest CPU comes back to a host CPU where old entries of its VMID live',
  source:
    'Linux 92e450507d56 (4b9ac285e253) "RISC-V: KVM: Cleanup stale TLB entries when host CPU changes"; arch/riscv/kvm/tlb.c, kvm_riscv_local_tlb_sanitize',
  module: import.meta.url,
  variants: guestVariants(variants, USUAL),
  cpus: 2,
  platform: USUAL,

  setup(machine) {
    return layOneGuest(machine, { vcpus: 1, pages: 16 }, (vm) => {
      const root = vm.stage1Root();
      const ipa = vm.pages(1);
      vm.mapStage1(root, VA, ipa, USED | PTE.WRITE);
      vm.registers(0, root, GUEST_ASID);
      return { ipa, turnPa: vm.boot.line() };
    });
  },

  start({ machine, checker, cpu, layout }, { variant }) {
    const { policy } = chosenVariant(variants, variant);
    const host = new Hypervisor(machine, layout.host, checker, policy);
    const vcpu = new Vcpu(host, layout.host.vms[0], 0);
    const use = () => vcpu.runOn(cpu, () => load(cpu));
    const turns = [
      { who: 0, act: use },
      { who: 1, act: () => moveAndChange(cpu, host, vcpu, layout.ipa) },
      { who: 0, act: use },
    ];
    return { program: takeTurns(cpu, layout.turnPa, turns), vectors: host.vectors() };
  },

  // Only where the last access went.
  speculation: () => [],
});

function* load(cpu: Cpu): Steps {
  yield* cpu.load(VA);
}

/** CPU 1 runs the vCPU; the host puts another frame behind its page, and the old one back to the kernel. */
function* moveAndChange(cpu: Cpu, host: Hypervisor, vcpu: Vcpu, ipa: number): Steps {
  const { kernel, vms } = host;
  yield* vcpu.load(cpu);
  yield* vcpu.run(cpu, () => load(cpu));
  const frame = yield* kernel.frames.allocate(cpu);
  const old = yield* vms[0].replaceIpa(cpu, ipa, frame, STAGE2_RAM);
  yield* kernel.frames.free(cpu, old);
  yield* vcpu.run(cpu, () => load(cpu));
  yield* vcpu.put(cpu);
}
