/**
 * Populate on demand: a guest has no memory until it uses a page. KVM always does so (arch/arm64/kvm/mmu.c,
 * user_mem_abort), Xen on x86 alone (PoD). A flush of what is mapped then goes through what the guest has ever used,
 * and not only what it has used of late: after a while that is all of its memory.
 */
import { PTE } from '../../machine/attributes.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { Stage2Fault } from '../../machine/faults.ts';
import { PAGE_BYTES } from '../../machine/platform.ts';
import { STAGE2_RAM } from '../boot-vm.ts';
import { bootFrameOf } from '../vm-layout.ts';
import type { Held, SetWayEmulation } from './emulation.ts';
import { flushPage } from './flush-guest.ts';

/** The emulation, in a hypervisor whose VMs begin with nothing mapped. */
export function populating(emulation: SetWayEmulation): SetWayEmulation {
  return { ...emulation, fault: populate };
}

/**
 * The guest may read the page past the caches: what the host has left of it in them goes first
 * (clean_dcache_guest_page).
 */
function* populate(cpu: Cpu, { vm }: Held, { ipa, kind }: Stage2Fault): Steps<boolean> {
  if (kind !== 'translation') return false;
  const page = ipa - (ipa % PAGE_BYTES);
  const frame = bootFrameOf(vm.layout, page);
  yield* flushPage(cpu, frame);
  yield* cpu.dsb();
  yield* vm.mapIpa(cpu, page, frame, STAGE2_RAM | PTE.VALID);
  return true;
}
