/**
 * A VM's memory as its hypervisor looks after it: pages are mapped by stage 2 when the guest wants them, with the cache
 * maintenance that a policy asks for; all that is mapped is flushed when the guest turns its caches on or off; pages
 * are taken away again. After Linux arch/arm64/kvm/mmu.c: user_mem_abort, stage2_flush_vm, stage2_unmap_vm,
 * kvm_toggle_cache.
 */
import { PTE } from '../../machine/attributes.ts';
import { FLUSH } from '../../machine/cache-maintenance.ts';
import type { Cpu, GuestRegisters, Stage2Fault, Steps, Trap } from '../../machine/cpu.ts';
import { PAGE_BYTES } from '../../machine/platform.ts';
import { STAGE2_RAM } from '../boot-vm.ts';
import type { Vm } from '../vm.ts';
import { bootFrameOf } from '../vm-layout.ts';
import { maintainPage, maintainRange, type PageMaintenance } from './page-maintenance.ts';

export interface GuestMemoryPolicy {
  /** Done to a page before it is mapped. */
  readonly atFault: PageMaintenance;
  /** All that is mapped is flushed to the point of coherency when the guest turns its caches on or off. */
  readonly flushesAtToggle?: boolean;
  /** A page is flushed to the point of coherency when it has been taken away. */
  readonly flushesAtUnmap?: boolean;
  /** Memory attribute of stage 2, one of ATTRIBUTE_*, by IPA of the page; default: ordinary memory. */
  attributeOf?(ipa: number): number;
}

export class GuestMemory {
  private readonly vm: Vm;
  private readonly policy: GuestMemoryPolicy;

  constructor(vm: Vm, policy: GuestMemoryPolicy) {
    this.vm = vm;
    this.policy = policy;
  }

  /**
   * Maps the page that a guest has asked for: for `vectors.stage2Fault`.
   * @returns false if the page is there and does not permit the access
   * @throws Error if the VM has no memory there
   */
  *fault(cpu: Cpu, { ipa, kind }: Stage2Fault): Steps<boolean> {
    if (kind !== 'translation') return false;
    const { vm, policy } = this;
    const page = pageOf(ipa);
    const frame = bootFrameOf(vm.layout, page);
    const isOff = isCachedOff(cpu.guestEntry?.registers);
    yield* maintainPage(cpu, frame, policy.atFault, isOff);
    const attribute = policy.attributeOf?.(page) ?? 0;
    yield* vm.mapIpa(cpu, page, frame, STAGE2_RAM | (attribute << PTE.ATTRIBUTE_SHIFT));
    return true;
  }

  /** What the guest's write to its registers asks for: for `vectors.trap`, of a 'control' trap. */
  *toggled(cpu: Cpu, trap: Trap): Steps {
    if (trap.kind !== 'control' || this.policy.flushesAtToggle !== true) return;
    if (isCachedOff(trap.before) !== isCachedOff(trap.after)) yield* this.flushMapped(cpu);
  }

  /** Flushes every page that is mapped to the point of coherency. */
  *flushMapped(cpu: Cpu): Steps {
    for (const ipa of this.pages()) {
      const frame = yield* this.vm.translate(cpu, ipa);
      if (frame >= 0) yield* maintainRange(cpu, frame, PAGE_BYTES, FLUSH);
    }
  }

  /** Takes all pages away from the guest, which faults on each of them anew. */
  *unmapAll(cpu: Cpu): Steps {
    for (const ipa of this.pages()) yield* this.unmap(cpu, ipa);
  }

  /** Takes one page away from the guest. */
  *unmap(cpu: Cpu, ipa: number): Steps {
    const frames = yield* this.vm.unmapIpa(cpu, pageOf(ipa));
    if (this.policy.flushesAtUnmap !== true) return;
    for (const frame of frames) yield* maintainRange(cpu, frame, PAGE_BYTES, FLUSH);
  }

  private pages(): number[] {
    return this.vm.layout.slots.flatMap(({ ipa, frames }) =>
      frames.map((_, page) => ipa + page * PAGE_BYTES),
    );
  }
}

const pageOf = (ipa: number) => ipa - (ipa % PAGE_BYTES);

/** Linux vcpu_has_cache_enabled: both the MMU and the caches are on, or it is as if neither were. */
function isCachedOff(registers: GuestRegisters | undefined): boolean {
  return registers !== undefined && !(registers.mmuOn && registers.cachesOn);
}
