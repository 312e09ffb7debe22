/**
 * Shadow tables: the real page tables that a guest runs on, which the host builds from the guest's own. They are
 * tables like any other to the hardware, so the host owes them what a kernel owes its tables: an entry where the
 * walker reads it (`clean_dcache_area` after the store in `__map_gva_to_pfn`, arch/arm/kvm/arm_mmu.c), and no TLB
 * that has the old one when a change is done (`kvm_tlb_flush_guest_all` there, of which one page is done here).
 */
import type { Checker } from '../../checker/checker.ts';
import type { AddressSpace } from '../../kernel/address-space.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { PTE } from '../../machine/attributes.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';

export interface ShadowTablePolicy {
  /** Wrong: entries stay in the line that they were stored to. */
  readonly leavesEntriesDirty?: boolean;
  /** Wrong: the TLB is not told of entries that are taken away. */
  readonly keepsTlb?: boolean;
}

export class ShadowTables {
  readonly space: AddressSpace;
  private readonly kernel: Kernel;
  private readonly checker: Checker | null;
  private readonly policy: ShadowTablePolicy;

  constructor(kernel: Kernel, space: AddressSpace, checker: Checker | null, policy: ShadowTablePolicy) {
    this.kernel = kernel;
    this.space = space;
    this.checker = checker;
    this.policy = policy;
  }

  /** Maps a page of the guest where it has no valid shadow entry. @param entry frame of the host with PTE bits */
  *map(cpu: Cpu, va: number, entry: number): Steps {
    const { tables, frames } = this.kernel;
    const ptePa = yield* tables.build(cpu, this.space.root, va, (by) => frames.allocate(by));
    yield* this.write(cpu, ptePa, entry);
    this.checker?.contract(cpu, ptePa);
  }

  /** Takes a page of the guest out of the shadow tables. When it returns the guest no longer reaches its frame. */
  *unmap(cpu: Cpu, va: number): Steps {
    const { tables, flush } = this.kernel;
    const ptePa = yield* tables.find(cpu, this.space.root, va);
    if (ptePa < 0) return;
    const old = yield* tables.read(cpu, ptePa);
    if ((old & PTE.VALID) === 0) return;
    yield* this.write(cpu, ptePa, 0);
    if (this.policy.keepsTlb !== true) yield* flush.page(cpu, this.space, va);
    this.checker?.contract(cpu, ptePa);
  }

  private *write(cpu: Cpu, ptePa: number, entry: number): Steps {
    const { tables } = this.kernel;
    yield* tables.store(cpu, ptePa, entry);
    if (this.policy.leavesEntriesDirty !== true) yield* tables.clean(cpu, ptePa);
    yield* cpu.dsb();
  }
}
