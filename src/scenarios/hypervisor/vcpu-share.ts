/**
 * Two vCPUs of one guest run one after the other on one physical CPU. The guest uses an ASID for a page table of each
 * of its CPUs, which is its right: TLBs are private to a CPU. But the physical CPU's TLB knows VMID and ASID, which
 * both vCPUs have in common, and takes the entries of the one for the other's.
 *
 * Linux 94d0e5980d67 "arm/arm64: KVM: Perform local TLB invalidation when multiplexing vcpus on a single CPU" (v4.9):
 * a VM remembers which of its vCPUs ran last on each CPU, and flushes there when it is another one's turn. It holds
 * for any TLB that is tagged so: KVM/RISC-V (arch/riscv/kvm/tlb.c, read at 01687e7c935e) flushes when a vCPU comes
 * from another host CPU, which is not the same: here the vCPUs take turns on one.
 */

import type { Checker } from '../../checker/checker.ts';
import { VMID_RULE } from '../../checker/vmid-rules.ts';
import { Hypervisor, type HypervisorLayout } from '../../hypervisor/hypervisor.ts';
import { Vcpu } from '../../hypervisor/vcpu.ts';
import { USED } from '../../kernel/kernel.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { Platform } from '../../machine/platform.ts';
import { chosenVariant } from '../chosen-variant.ts';
import { defineScenario } from '../define.ts';
import { clean, found } from '../flush/alias-facts.ts';
import { fact } from '../flush/facts.ts';
import { takeTurns } from '../flush/turns.ts';
import { type GuestVariant, guestVariants } from './guest-variants.ts';
import { layOneGuest } from './one-guest.ts';

/** Where each vCPU maps a page of its own. */
const VA = 0x4000_0000;
const VCPUS = 2;
const USUAL = 'neoverse';

interface ShareVariant extends GuestVariant {
  readonly flushes: boolean;
  readonly asidOf: (vcpu: number) => number;
}

const sameAsid = () => 1;
const tagFact = (platform: Platform) => fact(platform, 'virtualization.vmidBits');

const variants: readonly ShareVariant[] = [
  {
    name: 'right',
    title: 'flushes what the VM has left on this CPU when another vCPU of it ran there last',
    flushes: true,
    asidOf: sameAsid,
    expectOn: (platform) => clean(`no entry of the other vCPU is left when one begins: ${tagFact(platform)}`),
  },
  {
    name: 'no-flush',
    title: 'loads one vCPU after the other',
    flushes: false,
    asidOf: sameAsid,
    expectOn: (platform) =>
      found(
        ['invariant'],
        `entries carry VMID and ASID, and nothing that tells vCPUs apart: ${tagFact(platform)}`,
      ),
  },
  {
    name: 'other-asids',
    title: 'loads one vCPU after the other, of a guest whose ASIDs mean the same on all its CPUs',
    flushes: false,
    asidOf: (vcpu) => vcpu + 1,
    expectOn: (platform) =>
      clean(`the ASID beside the VMID tells the two tables apart, whoever runs: ${tagFact(platform)}`),
  },
];

interface Layout {
  readonly host: HypervisorLayout;
  readonly turnPa: number;
}

export default defineScenario<Layout>({
  name: 'vcpu-share',
  title: 'Two vCPUs of one guest take turns on one physical CPU',
  source:
    'Linux 94d0e5980d67 "arm/arm64: KVM: Perform local TLB invalidation when multiplexing vcpus on a single CPU"; arch/arm64/kvm/arm.c, kvm_arch_vcpu_load',
  module: import.meta.url,
  variants: guestVariants(variants, USUAL),
  parameters: {
    turns: { title: 'times that a vCPU runs', default: 5, min: 3, max: 5 },
  },
  cpus: 2,
  platform: USUAL,
  small: { parameters: { turns: 3 } },
  strict: true,

  setup(machine, { variant }) {
    const { asidOf } = chosenVariant(variants, variant);
    return layOneGuest(machine, { vcpus: VCPUS, pages: 24 }, (vm) => {
      for (let vcpu = 0; vcpu < VCPUS; vcpu++) {
        const root = vm.stage1Root();
        const ipa = vm.pages(1);
        vm.mapStage1(root, VA, ipa, USED);
        machine.poke(vm.paOf(ipa), vcpu + 1);
        vm.registers(vcpu, root, asidOf(vcpu));
      }
      return { turnPa: vm.boot.line() };
    });
  },

  start({ machine, checker, cpu, layout }, { variant, turns: count }) {
    const { flushes } = chosenVariant(variants, variant);
    const host = new Hypervisor(machine, layout.host, checker, { whenOtherVcpu: flushes });
    const vcpus = layout.host.vms[0].vcpus.map(({ index }) => new Vcpu(host, layout.host.vms[0], index));
    const use = (vcpu: number) => () => vcpus[vcpu].runOn(cpu, () => loadOwn(cpu, vcpu, checker));
    // vCPU 1 comes from a CPU of its own; then the two take turns on CPU 0.
    const turns = [
      { who: 0, act: use(0) },
      { who: 1, act: use(1) },
      { who: 0, act: use(1) },
      { who: 0, act: use(0) },
      { who: 0, act: use(1) },
    ];
    return { program: takeTurns(cpu, layout.turnPa, turns.slice(0, Number(count))), vectors: host.vectors() };
  },

  // Only where the last access went.
  speculation: () => [],
});

function* loadOwn(cpu: Cpu, vcpu: number, checker: Checker | null): Steps {
  const got = yield* cpu.load(VA);
  if (got !== vcpu + 1) checker?.violated(cpu.hw, VMID_RULE.OTHER_VCPU, got, vcpu + 1);
}
