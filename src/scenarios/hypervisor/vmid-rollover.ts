/**
 * More virtual machines than VMIDs: numbers run out, a generation ends, and what TLBs have under the old numbers must be
 * gone before a number has a new user, while vCPUs are running.
 *
 * Two allocators (hypervisor/vmid.ts): KVM/arm64 since v5.18, which shares its algorithm with the ASIDs of Linux/arm64,
 * and the counter of KVM/arm before and of KVM/RISC-V. What each variant leaves out is what its source does at the
 * place: arch/arm64/kvm/vmid.c, flush_context (the broadcast flush, the numbers carried over); virt/kvm/arm/arm.c,
 * update_vttbr (force_vm_exit, the flush).
 *
 * `no-switch-barrier` was found here, in runs of what was meant to be right. The fast path of the ASIDs is sound because
 * a CPU's number, once a rollover has made it 0, becomes another only under the lock. kvm_arm_vmid_clear_active, which
 * is for VMIDs alone, writes one without the lock, by a plain store. If that store is still in the write buffer while the
 * CPU reads the generation for its next vCPU, a rollover may come in between, and the fast path then takes the number
 * of a generation that has ended. A full barrier in between prevents it. Where Linux switches threads it has one
 * (__switch_to of arm64); whether each way from one KVM_RUN to the next has one has not been looked into.
 *
 * KVM warns unless there is a VMID more than there are CPUs (kvm_arm_vmid_alloc_init). Since a vCPU that is put gives
 * its number up, the CPU that rolls over holds none, and as many as there are CPUs are enough: `too-few` has one less.
 */

import type { Checker } from '../../checker/checker.ts';
import { VMID_RULE } from '../../checker/vmid-rules.ts';
import { BootVm } from '../../hypervisor/boot-vm.ts';
import { Hypervisor, type HypervisorLayout, layHypervisor } from '../../hypervisor/hypervisor.ts';
import { Vcpu } from '../../hypervisor/vcpu.ts';
import { USED } from '../../kernel/kernel.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { Settings } from '../../program/workload.ts';
import { chosenVariant } from '../chosen-variant.ts';
import { defineScenario } from '../define.ts';
import { guestVariants } from './guest-variants.ts';
import { type RolloverVariant, rolloverVariants, tooFewVmids } from './vmid-rollover-variants.ts';

const VA = 0x4000_0000;
const GUEST_ASID = 1;
const PAGES = 10;
const USUAL = 'neoverse';
/** Which of a CPU's notes counts the rollovers that it has made. */
export const ROLLOVERS_NOTE = 0;

interface Layout {
  readonly host: HypervisorLayout;
}

export default defineScenario<Layout>({
  name: 'vmid-rollover',
  title: 'VMIDs run out while guests are running',
  source:
    'Linux arch/arm64/kvm/vmid.c; virt/kvm/arm/arm.c (v4.9 to v5.17), update_vttbr; arch/riscv/kvm/vmid.c',
  module: import.meta.url,
  variants: guestVariants(rolloverVariants, USUAL).map((variant) => ({
    ...variant,
    unsupported: (platform, run) =>
      variant.unsupported?.(platform) ?? (run && tooFewVmids(variant.name, run)),
  })),
  parameters: {
    vms: { title: 'virtual machines', default: 4, min: 2, max: 100 },
    vmids: { title: 'usable VMIDs', default: 3, min: 1, max: 255 },
    turns: { title: 'times that a CPU loads a vCPU', default: 12, min: 1, max: 100_000 },
    touches: { title: 'accesses of a guest each time', default: 8, min: 1, max: 1000 },
  },
  reachable: {
    rollover: { title: 'numbers have run out once' },
    'second-rollover': {
      title: 'they have run out twice',
      variants: ['right', 'counter'],
    },
  },
  cpus: 2,
  platform: USUAL,
  small: { parameters: { vms: 3, vmids: 2, turns: 2, touches: 1 } },

  setup(machine, settings) {
    const cpus = machine.state.processors;
    const { vms: count, vmids } = sizes(settings, cpus.length);
    // The run begins near the end of a generation: the first VMs have all the numbers.
    const numbers = Array.from({ length: count }, (_, vm) => (vm < vmids ? ((vm + 1) % vmids) + 1 : 0));
    const { layout } = layHypervisor(machine, { vmids, numbers }, (boot, lock) => {
      const vms = Array.from({ length: count }, (_, index) => {
        const vm = new BootVm(boot, lock(`VM ${index}`), index, {
          name: `VM ${index}`,
          vcpus: cpus.length,
          pages: PAGES,
        });
        const root = vm.stage1Root();
        const ipa = vm.pages(1);
        vm.mapStage1(root, VA, ipa, USED);
        machine.poke(vm.paOf(ipa), index + 1);
        for (const { index: cpu } of cpus) {
          vm.registers(cpu, root, GUEST_ASID);
          vm.ranOn(cpu, cpu);
        }
        return vm.finish();
      });
      return { vms, own: undefined };
    });
    return { host: layout };
  },

  start({ machine, checker, cpu, layout }, settings) {
    const cpus = machine.state.processors.length;
    const { flaw, scheme, noSwitchBarrier } = choiceOf(settings);
    const { vmids, turns, touches } = sizes(settings, cpus);
    const host = new Hypervisor(machine, layout.host, checker, {
      scheme,
      vmids,
      ...(flaw && { vmidFlaw: flaw }),
      ...(noSwitchBarrier && { noSwitchBarrier }),
      rolledOver(times) {
        cpu.hw.notes[ROLLOVERS_NOTE]++;
        if (times === 1) checker?.reached('rollover');
        if (times === 2) checker?.reached('second-rollover');
      },
    });
    return { program: runGuests(cpu, host, layout.host, turns, touches, checker), vectors: host.vectors() };
  },

  // Only where the last access went.
  speculation: () => [],
});

function choiceOf({ variant }: Settings): RolloverVariant {
  return chosenVariant(rolloverVariants, variant);
}

function sizes(settings: Settings, cpus: number) {
  const { vms, vmids, turns, touches } = settings;
  return {
    vms: Number(vms),
    vmids: choiceOf(settings).vmidsFor?.(cpus) ?? Number(vmids),
    turns: Number(turns),
    touches: Number(touches),
  };
}

/** A CPU runs its vCPU of one VM after the other; CPUs follow each other. */
function* runGuests(
  cpu: Cpu,
  host: Hypervisor,
  { vms }: HypervisorLayout,
  turns: number,
  touches: number,
  checker: Checker | null,
): Steps {
  for (let turn = 0; turn < turns; turn++) {
    const first = vms.length - 1 - (cpu.index % vms.length);
    const vm = vms[(first + turn) % vms.length];
    const vcpu = new Vcpu(host, vm, cpu.index);
    yield* vcpu.runOn(cpu, () => useOwn(cpu, vm.index, touches, checker));
  }
}

function* useOwn(cpu: Cpu, vm: number, touches: number, checker: Checker | null): Steps {
  for (let i = 0; i < touches; i++) {
    const got = yield* cpu.load(VA);
    if (got !== vm + 1) checker?.violated(cpu.hw, VMID_RULE.OTHER_VM, got, vm + 1);
  }
}
