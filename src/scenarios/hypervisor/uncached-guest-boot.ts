/**
 * A guest starts with its MMU and its caches off, so its data accesses go past the caches, while the host has the same
 * memory cached: lines that it stored to (a page is zeroed, an image loaded), and lines that the hardware loads through
 * the host's mapping at any time.
 *
 * - What the host stored must be in memory before the guest reads, and must not be written back over what the guest
 *   writes: KVM cleans and invalidates each page to the point of coherency when the guest first faults on it (Linux
 *   arch/arm64/include/asm/kvm_mmu.h, __clean_dcache_guest_page).
 * - What the guest wrote must not be hidden by older lines when it turns its caches on. The guest invalidates what it
 *   has written, as on bare hardware (Documentation/arch/arm64/booting.rst; arch/arm64/kernel/head.S, from memory), and
 *   KVM flushes all that is mapped at that moment (9d218a1fcf4c "arm64: KVM: flush VM pages before letting the guest
 *   enable caches"). Its message says "invalidating"; what it does is clean and invalidate, as the architecture makes of
 *   the guest's own invalidate while stage 2 is on (Arm DDI 0487, DC IVAC, HCR_EL2.VM, from memory): harmless while the
 *   host's lines are clean, fatal if they are dirty.
 * - Instructions are fetched through the caches all the same. Cleaned to memory is cleaned to the point of unification
 *   as well, but instruction caches may have what ran there before.
 * - A VM that is started again has its pages mapped: KVM unmaps them all, so that they fault again, or, with forced
 *   write-back, invalidates the instruction caches alone (arch/arm64/kvm/arm.c, kvm_arch_vcpu_ioctl_vcpu_init;
 *   957db105c997 "arm/arm64: KVM: Introduce stage2_unmap_vm"; 7ae2f3db6167).
 *
 * What a guest turns on and off is Arm's; where it has no say about caching only the instruction caches are left.
 */
import { GuestMemory } from '../../hypervisor/guest-memory/guest-memory.ts';
import { forgetInstructions } from '../../hypervisor/guest-memory/page-maintenance.ts';
import { Hypervisor, type HypervisorLayout } from '../../hypervisor/hypervisor.ts';
import { Vcpu } from '../../hypervisor/vcpu.ts';
import { USED } from '../../kernel/kernel.ts';
import { PTE } from '../../machine/attributes.ts';
import { INVALIDATE } from '../../machine/cache-maintenance.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { chosenVariant } from '../chosen-variant.ts';
import { speculates } from '../flush/dma-facts.ts';
import { bringIn } from '../flush/own-time.ts';
import { takeTurns } from '../flush/turns.ts';
import { defineHypervisorScenario } from './define-hypervisor.ts';
import { layOneGuest } from './one-guest.ts';
import { type BootVariant, bootVariants } from './uncached-guest-boot-variants.ts';

const ASID = 1;
const CODE = 0xc0de_0000;
const DATA = 0xda7a_0000;
const RAM = 0x4a11_0000;
/** CPUs: the emulator, in whose process the guest's memory is, and the one that the vCPU runs on. */
const [EMULATOR, VCPU_CPU] = [0, 1];

interface Layout {
  readonly host: HypervisorLayout;
  readonly turnPa: number;
  /** Intermediate addresses of the image and of the guest's own memory; the guest maps them where they are. */
  readonly imageIpa: number;
  readonly ramIpa: number;
  /** Physical addresses of the same. */
  readonly imagePa: number;
  readonly ramPa: number;
}

export default defineHypervisorScenario<Layout>({
  name: 'uncached-guest-boot',
  title: 'A guest starts past the caches in memory that its host has cached',
  source:
    '"[RFC/RFT PATCH 0/3] arm64: KVM: work around incoherency with uncached guest mappings", linux-arm-kernel, February and March 2015; Linux 9d218a1fcf4c and arch/arm64/include/asm/kvm_mmu.h',
  module: import.meta.url,
  variants: bootVariants,
  parameters: {
    lines: { title: 'lines of code, of data and of the guest’s own memory', default: 3, min: 2, max: 8 },
  },
  cpus: 2,
  platform: 'cortex-a53',
  small: { parameters: { lines: 2 } },

  setup(machine) {
    return layOneGuest(machine, { vcpus: 1, pages: 16, permissions: 0 }, (vm) => {
      const root = vm.stage1Root();
      const [imageIpa, ramIpa] = [vm.pages(1), vm.pages(1)];
      for (const ipa of [imageIpa, ramIpa])
        vm.mapStage1(root, ipa, ipa, USED | PTE.WRITE | PTE.EXECUTE | PTE.DIRTY);
      vm.reset(0, root, ASID, false);
      const [imagePa, ramPa] = [vm.paOf(imageIpa), vm.paOf(ramIpa)];
      return { imageIpa, ramIpa, imagePa, ramPa, turnPa: vm.boot.line() };
    });
  },

  start({ machine, checker, cpu, layout }, { variant, lines }) {
    const chosen = chosenVariant(bootVariants, variant);
    const host = new Hypervisor(machine, layout.host, checker, {
      traps: { control: chosen.policy.flushesAtToggle === true },
      forcedWriteBack: chosen.forcedWriteBack === true,
    });
    const memory = new GuestMemory(host.vms[0], chosen.policy);
    const turns = turnsOf(cpu, new Vcpu(host, layout.host.vms[0], 0), memory, layout, chosen, Number(lines));
    return {
      program: takeTurns(cpu, layout.turnPa, turns),
      vectors: host.vectors({
        stage2Fault: (by, fault) => memory.fault(by as Cpu, fault),
        trap: (by, trap) => memory.toggled(by as Cpu, trap),
      }),
    };
  },

  speculation: ({ ramIpa }) => [ramIpa],
});

function turnsOf(
  cpu: Cpu,
  vcpu: Vcpu,
  memory: GuestMemory,
  layout: Layout,
  variant: BootVariant,
  lines: number,
) {
  const { imageIpa, ramIpa, imagePa, ramPa } = layout;
  const { platform } = cpu.machine;
  const { image } = variant;
  const wordsAt = (first: number, count = lines) =>
    Array.from({ length: count }, (_, i) => first + i * platform.lineBytes);
  const codeOf = (first: number) => wordsAt(first);
  const dataOf = (first: number) => wordsAt(first + lines * platform.lineBytes);
  const [first, ...others] = wordsAt(ramIpa);

  const runImage = function* (): Steps {
    for (const va of codeOf(imageIpa)) yield* cpu.fetch(va);
    for (const va of dataOf(imageIpa)) yield* cpu.load(va);
  };
  /** As the guest has it: its addresses are intermediate ones with the MMU off, and mapped to themselves with it on. */
  const turnOn = function* (): Steps {
    if (variant.invalidates) {
      for (const va of wordsAt(ramIpa)) yield* cpu.maintainVirtual(va, INVALIDATE, 'coherency');
      yield* cpu.dsb();
    }
    yield* cpu.guestControl({ mmuOn: true, cachesOn: true });
    yield* cpu.isb();
  };

  return [
    {
      // Its first life.
      who: VCPU_CPU,
      *act() {
        if (image) yield* vcpu.runOn(cpu, runImage);
      },
    },
    {
      who: VCPU_CPU,
      *act() {
        if (variant.forcedWriteBack === true) yield* forgetInstructions(cpu, imagePa);
        else if (variant.staysMapped !== true) yield* memory.unmapAll(cpu);
      },
    },
    {
      who: EMULATOR,
      *act() {
        if (image) yield* write(cpu, codeOf(imagePa), CODE);
        if (image) yield* write(cpu, dataOf(imagePa), DATA);
        if (variant.hostLines === 'dirty') yield* write(cpu, wordsAt(ramPa), 0);
      },
    },
    {
      who: VCPU_CPU,
      *act() {
        yield* vcpu.runOn(cpu, function* () {
          if (image) yield* runImage();
          yield* cpu.store(first, RAM);
        });
      },
    },
    {
      // What the hardware may do at any time.
      who: EMULATOR,
      *act() {
        if (!speculates(platform)) return;
        for (const pa of wordsAt(ramPa)) yield* bringIn(cpu, pa);
      },
    },
    {
      who: VCPU_CPU,
      *act() {
        yield* vcpu.runOn(cpu, function* () {
          for (const va of others) yield* cpu.store(va, RAM + va);
          yield* turnOn();
          for (const va of wordsAt(ramIpa)) yield* cpu.load(va);
          if (image) yield* runImage();
        });
      },
    },
    {
      // What the guest has for a device that the emulator makes for it.
      who: EMULATOR,
      *act() {
        for (const pa of wordsAt(ramPa)) yield* cpu.loadPhysical(pa);
      },
    },
  ];
}

/** The emulator stores to its own memory, which is the guest's, through its caches. */
function* write(cpu: Cpu, words: readonly number[], value: number): Steps {
  for (const [i, pa] of words.entries()) {
    yield* cpu.loadPhysical(pa);
    yield* cpu.storePhysical(pa, value === 0 ? 0 : value + i);
  }
}
