/**
 * The host takes a page away from a guest that is running, and gives its frame to somebody else: what has to be
 * invalidated, in which order, and when it is done.
 *
 * Linux arch/arm64/kvm/hyp/vhe/tlb.c, __kvm_tlb_flush_vmid_ipa (read at 0542972950ef): DSB, invalidate by IPA, DSB,
 * invalidate of the VMID's stage 1, DSB, ISB. Entries that combine both stages are found by virtual address alone, so
 * the invalidate by IPA leaves them; and until it is complete a walk makes new ones from the old stage 2, which is why
 * the order matters and why there is a barrier between the two. Linux arch/riscv/kvm/tlb.c: one fence does both, on the
 * CPU that executes it, so vCPUs are asked and interrupted.
 *
 * Where the machine shows less than the architecture forbids: it delivers the broadcasts of a CPU in the order in which
 * they were issued, and a CPU acts on one before it acts on the next, so the barrier between the two invalidates cannot
 * be missed (`no-barrier-between`). The architecture promises no order of two TLBI without a DSB in between (Arm ARM,
 * D8 "Ordering and completion of TLB maintenance instructions", from memory); what comes of the other order is
 * `stage1-first`.
 */

import { STAGE2_RAM } from '../../hypervisor/boot-vm.ts';
import { speculateInGuest } from '../../hypervisor/guest-walk.ts';
import { Hypervisor, type HypervisorLayout } from '../../hypervisor/hypervisor.ts';
import { Vcpu } from '../../hypervisor/vcpu.ts';
import type { Vm } from '../../hypervisor/vm.ts';
import { unlessFaulting } from '../../kernel/boot-user.ts';
import { USED } from '../../kernel/kernel.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { PAGE_BYTES } from '../../machine/platform.ts';
import { chosenVariant } from '../chosen-variant.ts';
import { defineScenario } from '../define.ts';
import { awaitFlag, raiseFlag } from '../flush/flags.ts';
import { guestVariants } from './guest-variants.ts';
import { layOneGuest } from './one-guest.ts';
import { unmapVariants } from './stage2-unmap-variants.ts';

/**
 * The page, by the names that the guest has for it: each needs a walk of its own.
 */
const VA = 0x4000_0000;
const NAMES = 128;
const GUEST_ASID = 1;
const USUAL = 'neoverse';

interface Layout {
  readonly host: HypervisorLayout;
  /** By CPU: raised when its guest has used the page; CPU 0's when the page has gone for good. */
  readonly flags: readonly number[];
  /** Intermediate address of the page. */
  readonly ipa: number;
}

export default defineScenario<Layout>({
  name: 'stage2-unmap',
  title: 'The host takes a page away from a running guest and reuses its frame',
  source:
    'Linux arch/arm64/kvm/hyp/vhe/tlb.c, __kvm_tlb_flush_vmid_ipa; arch/riscv/kvm/tlb.c, kvm_riscv_hfence_gvma_vmid_gpa',
  module: import.meta.url,
  variants: guestVariants(unmapVariants, USUAL),
  parameters: {
    pages: {
      title: 'pages that go together, of which the guest uses the first',
      default: 3,
      min: 1,
      max: 64,
    },
    rounds: { title: 'times that they are taken away', default: 6, min: 1, max: 1000 },
    touches: {
      title: 'accesses of the guest, and walks of its CPU, meanwhile',
      default: 600,
      min: 1,
      max: 1000,
    },
  },
  cpus: 2,
  platform: USUAL,
  small: { cpus: 2, parameters: { pages: 1, rounds: 1, touches: 1 } },

  setup(machine, { pages }) {
    const cpus = machine.state.processors;
    const options = { vcpus: cpus.length - 1, pages: 12 + Number(pages) };
    return layOneGuest(machine, options, (vm) => {
      const root = vm.stage1Root();
      const ipa = vm.pages(Number(pages));
      for (let name = 0; name < NAMES; name++) vm.mapStage1(root, VA + name * PAGE_BYTES, ipa, USED);
      for (const { index } of cpus.slice(1)) vm.registers(index - 1, root, GUEST_ASID);
      return { ipa, flags: cpus.map(() => vm.boot.line()) };
    });
  },

  start({ machine, checker, cpu, layout }, { variant, rounds, pages, touches }) {
    const { flaws, freesEarly } = chosenVariant(unmapVariants, variant);
    const host = new Hypervisor(machine, layout.host, checker, { fenceFlaws: flaws });
    const program =
      cpu.index === 0
        ? takeAway(cpu, host, layout, {
            rounds: Number(rounds),
            pages: Number(pages),
            isEarly: freesEarly === true,
          })
        : guest(cpu, host, layout, Number(touches));
    return { program, vectors: host.vectors() };
  },

  // Programs say where CPUs walk on their own.
  speculation: () => [],
});

/** CPU 0: the frame goes back to the kernel, whose next user fills it; the guest gets another one, for the next round. */
function* takeAway(
  cpu: Cpu,
  host: Hypervisor,
  { ipa, flags }: Layout,
  { rounds, pages, isEarly }: { readonly rounds: number; readonly pages: number; readonly isEarly: boolean },
): Steps {
  const { kernel, vms } = host;
  const vm: Vm = vms[0];
  const reuse = function* (frames: readonly number[]): Steps {
    for (const frame of frames) yield* kernel.frames.free(cpu, frame);
    const frame = yield* kernel.frames.allocate(cpu);
    yield* cpu.storePhysical(frame, 1, 4, kernel.uncached);
    yield* kernel.frames.free(cpu, frame);
  };
  for (const [from, warm] of flags.entries()) {
    if (from > 0) yield* awaitFlag(cpu, warm, from, kernel.uncached);
  }
  for (let round = 1; ; round++) {
    const frames = yield* vm.unmapIpa(cpu, ipa, pages, isEarly ? reuse : undefined);
    if (!isEarly) yield* reuse(frames);
    if (round === rounds) break;
    for (let page = 0; page < pages; page++) {
      yield* vm.mapIpa(cpu, ipa + page * PAGE_BYTES, yield* kernel.frames.allocate(cpu), STAGE2_RAM);
    }
  }
  yield* raiseFlag(cpu, flags[0], kernel.uncached);
}

/**
 * The other CPUs: the guest uses the page by one name, and its CPU walks for others, before, meanwhile, and when it has gone; then once more
 * when it has been out. It tells the host how far it is, and is told, past its own translation.
 */
function* guest(cpu: Cpu, host: Hypervisor, { host: { vms }, flags }: Layout, touches: number): Steps {
  const { uncached } = host.kernel;
  const vcpu = new Vcpu(host, vms[0], cpu.index - 1);
  yield* vcpu.load(cpu);
  yield* vcpu.run(cpu, function* () {
    yield* use(cpu, 0);
    yield* raiseFlag(cpu, flags[cpu.index], uncached);
    for (let i = 0; i < touches; i++) {
      if (i % 2 === 0) yield* use(cpu, 0);
      else yield* speculateInGuest(cpu, nameOf(i >> 1));
    }
    yield* awaitFlag(cpu, flags[0], 0, uncached);
    yield* useAll(cpu, touches);
  });
  yield* vcpu.run(cpu, () => useAll(cpu, touches));
  yield* vcpu.put(cpu);
}

/** Every name that there may be an entry for, and one more. */
function* useAll(cpu: Cpu, touches: number): Steps {
  for (let name = 0; name <= Math.min(touches >> 1, NAMES - 1); name++) yield* use(cpu, name);
}

const nameOf = (name: number) => VA + (name % NAMES) * PAGE_BYTES;

/** An access that faults is what a page that has gone makes of it. */
function* use(cpu: Cpu, name: number): Steps {
  yield* unlessFaulting(cpu.load(nameOf(name)));
}
