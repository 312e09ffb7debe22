/**
 * A guest with one CPU changes a page of its own tables and invalidates its TLB, which is one CPU's and so needs no
 * broadcast. But its CPU has moved: the entry lives on in the TLB of the physical CPU that it was on before, and when
 * it comes back it uses the old page.
 *
 * Arm has HCR_EL2.FB for it, which makes a guest's local invalidates broadcasts; KVM/arm64 always sets it
 * (HCR_GUEST_FLAGS in arch/arm64/include/asm/kvm_arm.h). RISC-V has nothing like it, so KVM/RISC-V flushes the VMID
 * when a vCPU comes from another host CPU. Its HFENCE.GVMA is enough where TLBs cache both stages combined; on cores
 * that keep what comes from the guest's own tables by itself an HFENCE.VVMA must go with it: Linux 3239c52fd212
 * "RISC-V: KVM: Flush VS-stage TLB after VCPU migration for Andes cores" (v6.19). Variant `stage2-only` is such a core
 * without that commit: the fence leaves entries that it cannot find by guest-physical address.
 */

import type { Checker } from '../../checker/checker.ts';
import { Hypervisor, type HypervisorLayout, type HypervisorPolicy } from '../../hypervisor/hypervisor.ts';
import { Vcpu } from '../../hypervisor/vcpu.ts';
import { USED } from '../../kernel/kernel.ts';
import { PTE } from '../../machine/attributes.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { PAGE_BYTES, type Platform } from '../../machine/platform.ts';
import { TLBI_VA } from '../../machine/tlb.ts';
import { chosenVariant } from '../chosen-variant.ts';
import { defineScenario } from '../define.ts';
import { clean, found } from '../flush/alias-facts.ts';
import { fact } from '../flush/facts.ts';
import { takeTurns } from '../flush/turns.ts';
import { type GuestVariant, guestVariants, hasBroadcastFences } from './guest-variants.ts';
import { layOneGuest } from './one-guest.ts';

const VA = 0x4000_0000;
/** Where the guest has mapped its last-level table. */
const TABLE_VA = 0x4010_0000;
const ASID = 1;
const USUAL = 'neoverse';
/** Where a hypervisor flushes when a vCPU moves. */
const LOCAL = 'riscv-h';

interface MigrateVariant extends GuestVariant {
  /** The hypervisor turns the guest's local invalidates into broadcasts, where the hardware can. */
  readonly forcesBroadcast: boolean;
  readonly policy: Partial<HypervisorPolicy>;
}

const fenceFact = (platform: Platform) => fact(platform, 'virtualization.stage2Fences');
const isStale = (platform: Platform, why: string) =>
  found(['stale-translation'], `${why}: ${fact(platform, 'mmu.tlb.data.entries')}`);

const variants: readonly MigrateVariant[] = [
  {
    name: 'right',
    title: 'makes the guest’s local invalidates broadcasts, or flushes when a vCPU comes from another CPU',
    forcesBroadcast: true,
    policy: {},
    expectOn: (platform) =>
      hasBroadcastFences(platform)
        ? clean(`the guest’s invalidate reaches the CPU that it has left: ${fenceFact(platform)}`)
        : clean(`what the guest’s invalidate has missed here goes before it runs: ${fenceFact(platform)}`),
  },
  {
    name: 'flush-on-move',
    title: 'lets the guest’s invalidates be local, and flushes when a vCPU comes from another CPU',
    forcesBroadcast: false,
    policy: { whenOtherCpu: true },
    expectOn: (platform) =>
      clean(
        `nothing of the VM is left when its vCPU comes from elsewhere: ${fact(platform, 'virtualization.vmidBits')}`,
      ),
  },
  {
    name: 'local',
    title: 'lets the guest’s invalidates be local, and flushes nothing when a vCPU moves',
    forcesBroadcast: false,
    policy: { whenOtherCpu: false },
    expectOn: (platform) =>
      isStale(platform, 'the guest’s invalidate was executed on another CPU, with a TLB of its own'),
  },
  {
    name: 'stage2-only',
    title: 'flushes stage 2 alone when a vCPU comes from another CPU',
    forcesBroadcast: false,
    policy: { whenOtherCpu: true, moveFlush: 'stage-2' },
    unsupported: (platform) =>
      hasBroadcastFences(platform)
        ? `${platform.name}: its hypervisor makes the guest’s invalidates broadcasts, and flushes nothing when a vCPU moves`
        : undefined,
    expectOn: (platform) => isStale(platform, 'what was made from the guest’s own tables stays in the TLB'),
  },
];

interface Layout {
  readonly host: HypervisorLayout;
  readonly turnPa: number;
  /** Physical address of the guest's entry, and its place in the table. */
  readonly ptePa: number;
  readonly offset: number;
  /** What the guest puts there. */
  readonly newEntry: number;
}

export default defineScenario<Layout>({
  name: 'vcpu-migrate',
  title: 'A guest’s local TLB invalidate, and a vCPU that moves between physical CPUs',
  source:
    'Arm HCR_EL2.FB; Linux 3239c52fd212 "RISC-V: KVM: Flush VS-stage TLB after VCPU migration for Andes cores" and its thread, kvm-riscv, October and November 2025',
  module: import.meta.url,
  variants: guestVariants(variants, USUAL),
  cpus: 2,
  platform: (variant) => (variant === 'stage2-only' ? LOCAL : USUAL),
  strict: true,

  setup(machine) {
    return layOneGuest(machine, { vcpus: 1, pages: 24 }, (vm) => {
      const root = vm.stage1Root();
      const [before, after] = [vm.pages(1), vm.pages(1)];
      machine.poke(vm.paOf(before), 1);
      machine.poke(vm.paOf(after), 2);
      const ptePa = vm.mapStage1(root, VA, before, USED);
      const entryIpa = vm.stage1Entry(root, VA);
      const offset = entryIpa % PAGE_BYTES;
      vm.mapStage1(root, TABLE_VA, entryIpa - offset, USED | PTE.WRITE);
      vm.registers(0, root, ASID);
      const newEntry = (after | USED) >>> 0;
      return { ptePa, offset, newEntry, turnPa: vm.boot.line() };
    });
  },

  start({ machine, checker, cpu, layout }, { variant }) {
    const { policy, forcesBroadcast } = chosenVariant(variants, variant);
    const host = new Hypervisor(machine, layout.host, checker, policy);
    const vcpu = new Vcpu(host, layout.host.vms[0], 0);
    const forced = forcesBroadcast && hasBroadcastFences(machine.platform);
    const use = () => vcpu.runOn(cpu, () => load(cpu));
    const turns = [
      { who: 0, act: use },
      { who: 1, act: () => vcpu.runOn(cpu, () => remap(cpu, layout, forced, checker)) },
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

/** The guest puts another of its pages at the address, by break before make, and uses it. */
function* remap(
  cpu: Cpu,
  { offset, newEntry, ptePa }: Layout,
  isForced: boolean,
  checker: Checker | null,
): Steps {
  yield* cpu.load(VA);
  yield* cpu.store(TABLE_VA + offset, 0);
  yield* cpu.dsb();
  if (isForced) yield* cpu.tlbiBroadcast(TLBI_VA, VA, 1, ASID);
  else yield* cpu.tlbiLocal(TLBI_VA, VA, 1, ASID);
  yield* cpu.dsb();
  yield* cpu.isb();
  checker?.contract(cpu, ptePa);
  yield* cpu.store(TABLE_VA + offset, newEntry);
  yield* cpu.dsb();
  yield* cpu.load(VA);
}
