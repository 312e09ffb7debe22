/**
 * A guest maps memory uncached which its host has mapped cacheable. Before Armv8.4 the stricter of two stages counts,
 * so the host cannot make the guest's accesses cacheable (Linux e48d53a91f6e; Catalin Marinas as quoted in
 * linux-arm-kernel 2015-March/328285.html).
 *
 * Alone: as long as only the guest uses the memory, uncached, the host's lines disturb nobody, provided that none is
 * dirty. That they are not is the host's affair when it maps the page: Linux once flushed only for a vCPU whose caches
 * were off, or whose memory slot was marked incoherent (arch/arm64/include/asm/kvm_mmu.h at 02d8f11dda97,
 * __coherent_cache_guest_page; 1050dcda3052), since 8f36ebaf21fd always (from memory). A guest that changes between
 * cached and uncached use owes the maintenance of a streaming transfer, as on bare hardware. When the host takes the
 * page away it must not read lines from before (363ef89f8e9b "arm/arm64: KVM: Invalidate data cache on unmap").
 *
 * Shared with a device that the host emulates, such as the frame buffer of a VGA adapter: the guest rightly expects a
 * BAR to be uncached, and the emulator has it in cacheable memory (Paolo Bonzini, 328285.html). The ways out:
 * - the emulator behaves like a device that is not coherent, with maintenance around each access. Cleaning alone helps a
 *   guest that reads, not an emulator that does (crosvm, base/src/sys/unix/mmap.rs, flush_uncached_guest_mapping, path
 *   from memory). 32-bit Arm has no such operations in user space; here the host's kernel does them;
 * - the guest is told that the device is coherent and maps its memory cacheable: QEMU, "[PATCH 0/4] target-arm: declare
 *   ... as dma-coherent", Alexander Graf, qemu-devel, 2017, and 5d636e21; ACPI _CCA, bc64b96. What it maps uncached all
 *   the same, a frame buffer, was given up: UEFI for QEMU dropped VGA (tianocore/edk2 issue 7183). Not told, virtio
 *   queues break (firecracker issue 5536);
 * - the trap of MAIR that the thread proposes (memory-type-trap.ts in src/hypervisor/guest-memory). It does nothing
 *   before the guest's MMU is on, nothing for short descriptors, and takes from guests what they need: a device that is
 *   passed through and not coherent reads memory while the guest's stores are in caches (Alexander Graf, 324603.html).
 *   Ard Biesheuvel's answer there is that stage 2, which stays the stricter, makes such memory uncached. It also weakens
 *   the order of accesses that the guest believes to be to Device memory (Marinas, 328285.html); the machine keeps
 *   stores in order for every type, so that does not show here;
 * - forced write-back (FEAT_S2FWB, Armv8.4): stage 2 has the last word (e48d53a91f6e).
 *
 * Where a guest has no say about caching it has no such problem, and no uncached buffers for a device that needs them.
 */
import { GuestMemory } from '../../hypervisor/guest-memory/guest-memory.ts';
import { withoutUncachedTypes } from '../../hypervisor/guest-memory/memory-type-trap.ts';
import { Hypervisor, type HypervisorLayout } from '../../hypervisor/hypervisor.ts';
import { Vcpu } from '../../hypervisor/vcpu.ts';
import type { BootMemory } from '../../kernel/boot-memory.ts';
import { bootEntryOf } from '../../kernel/boot-process.ts';
import { USED } from '../../kernel/kernel.ts';
import { layTables } from '../../kernel/page-table.ts';
import { ATTRIBUTE_UNCACHED, PTE } from '../../machine/attributes.ts';
import type { Cpu, Steps, Trap } from '../../machine/cpu.ts';
import { bootTable } from '../../machine/device.ts';
import { PAGE_BYTES } from '../../machine/platform.ts';
import { chosenVariant } from '../chosen-variant.ts';
import { takeTurns } from '../flush/turns.ts';
import { defineHypervisorScenario } from './define-hypervisor.ts';
import { layOneGuest } from './one-guest.ts';
import { withoutMaintenance, withoutTypes } from './uncached-facts.ts';
import { aloneVariants } from './uncached-mapping-alone.ts';
import { sharedVariants } from './uncached-mapping-shared.ts';
import { MappingTurns, type SharedPage } from './uncached-mapping-turns.ts';
import { type MappingVariant, policyOf } from './uncached-mapping-variant.ts';

const ASID = 1;
const CACHED_VA = 0x4000_0000;
const UNCACHED_VA = CACHED_VA + PAGE_BYTES;
const RIGHTS = USED | PTE.WRITE;

const variants: readonly MappingVariant[] = [...aloneVariants, ...sharedVariants].map((variant) => ({
  ...variant,
  unsupported: (platform) =>
    withoutMaintenance(platform) ??
    (variant.trapsTypes === true ? withoutTypes(platform) : undefined) ??
    variant.unsupported?.(platform),
}));

interface Layout {
  readonly host: HypervisorLayout;
  readonly turnPa: number;
  readonly page: SharedPage;
}

export default defineHypervisorScenario<Layout>({
  name: 'uncached-guest-mapping',
  title: 'A guest maps memory uncached that its host has cached',
  source:
    '"[RFC/RFT PATCH 0/3] arm64: KVM: work around incoherency with uncached guest mappings", linux-arm-kernel, February and March 2015; Linux 363ef89f8e9b, e48d53a91f6e',
  module: import.meta.url,
  variants,
  parameters: {
    lines: { title: 'lines of the page that are used', default: 3, min: 1, max: 16 },
  },
  cpus: 3,
  devices: 1,
  platform: 'cortex-a53',
  small: { parameters: { lines: 1 } },

  setup(machine) {
    return layOneGuest(machine, { vcpus: 1, pages: 16, permissions: 0 }, (vm) => {
      const root = vm.stage1Root();
      const ipa = vm.pages(1);
      const pa = vm.paOf(ipa);
      vm.mapStage1(root, CACHED_VA, ipa, RIGHTS);
      vm.mapStage1(root, UNCACHED_VA, ipa, RIGHTS | (ATTRIBUTE_UNCACHED << PTE.ATTRIBUTE_SHIFT));
      vm.reset(0, root, ASID, false);
      const ioAddress = assign(vm.boot, ipa, pa);
      const page = { ipa, pa, ioAddress, cachedVa: CACHED_VA, uncachedVa: UNCACHED_VA };
      return { page, turnPa: vm.boot.line() };
    });
  },

  start({ machine, checker, cpu, layout }, { variant: name, lines }) {
    const { platform } = machine;
    const variant = chosenVariant(variants, name);
    const host = new Hypervisor(machine, layout.host, checker, {
      traps: { control: variant.trapsTypes === true },
      forcedWriteBack: variant.forcedWriteBack === true,
    });
    const { page, turnPa } = layout;
    const memory = new GuestMemory(host.vms[0], policyOf(variant, platform, page.ipa));
    const vcpu = new Vcpu(host, layout.host.vms[0], 0);
    const turns = new MappingTurns(cpu, vcpu, memory, page, { variant, lines: Number(lines) });
    return {
      program: takeTurns(cpu, turnPa, turns.all()),
      vectors: host.vectors({
        stage2Fault: (by, fault) => memory.fault(by as Cpu, fault),
        trap: (by, trap) => cachedTypes(by as Cpu, trap),
      }),
    };
  },

  speculation: () => [CACHED_VA, UNCACHED_VA],
});

function* cachedTypes({ machine }: Cpu, trap: Trap): Steps<ReturnType<typeof withoutUncachedTypes>> {
  return withoutUncachedTypes(machine.platform, trap);
}

/**
 * Passes the device through: behind an IOMMU it uses the guest's own addresses.
 * @returns what it calls the page
 */
function assign(boot: BootMemory, ipa: number, pa: number): number {
  const { machine } = boot;
  const { dma, mmu } = machine.platform;
  if (!dma.iommu) return pa;
  const root = boot.pages(Math.max(1, ((1 << mmu.levels[0].bits) * mmu.entryBytes) / PAGE_BYTES));
  layTables(boot, root, ipa, 1);
  machine.poke(bootEntryOf(machine, { root }, ipa), (pa | PTE.WRITE | PTE.VALID) >>> 0);
  bootTable(machine, 0, root);
  return ipa;
}
