/**
 * Stage-2 invalidates: afterwards no CPU uses what a stage-2 entry said before. Two ways, by what the platform has.
 *
 * Broadcast, after KVM/arm64 (arch/arm64/kvm/hyp/vhe/tlb.c, __kvm_tlb_flush_vmid_ipa, read at 0542972950ef): the entry
 * that was cleared is made visible; the invalidate by IPA takes stage-2 translations away, and nothing else, since the
 * addresses at which a guest uses the page are not known; when it is complete everywhere, all stage-1 and combined
 * entries of the VMID go; and only when that is complete as well, the page is gone. In the other order a walk that
 * comes in between makes a new combined entry from the stage-2 translation that is still cached.
 *
 * Local, after KVM/RISC-V (arch/riscv/kvm/tlb.c, read at 01687e7c935e): a fence acts on the CPU that executes it.
 * Every vCPU of the VM is asked to fence before it enters the guest the next time, wherever that will be, and those
 * in the guest are interrupted. HFENCE.GVMA leaves no combined entry behind (RISC-V Privileged Architecture, hypervisor
 * extension, "Hypervisor Memory-Management Fence Instructions"), so one fence is enough.
 */

import { ASID_MASK } from '../kernel/asid/generation.ts';
import { type CallFunction, otherProcessors } from '../kernel/cross-call.ts';
import { FIRST_CALL, type Kernel } from '../kernel/kernel.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import { PAGE_BYTES } from '../machine/platform.ts';
import { TLBI_GUESTS, TLBI_IPA, TLBI_VMID, TLBI_VMID_STAGE1 } from '../machine/tlb.ts';
import { REQUEST, VCPU, type VmLayout } from './vm-layout.ts';

/** Parts of the sequence that a wrong hypervisor leaves out or does in another order. */
export type FenceFlaw =
  /** No barrier between the change of the entry and the first invalidate. */
  | 'no-barrier-before'
  /** No invalidate by IPA. */
  | 'no-ipa'
  /** No barrier between the two invalidates. */
  | 'no-barrier-between'
  /** No invalidate of stage 1. */
  | 'no-stage1'
  /** Stage 1 before the IPA. */
  | 'stage1-first'
  /** Returns before the last invalidate is complete. */
  | 'no-barrier-after'
  /** On this CPU only. */
  | 'local-only';

/** Number of the functions of cross calls, from FIRST_CALL on. */
const CALL_LEAVE_GUEST = 0;
const CALL_FLUSH_ALL = 1;
const CALL_FLUSH_VMID = 2;

/** What cross calls of a hypervisor run. */
export const hypervisorCalls: readonly CallFunction[] = [leaveGuest, flushAllHere, flushVmidHere];

/** exit_vm_noop: that it interrupts the guest is all that is wanted of it. */
function* leaveGuest(): Steps {}

function* flushAllHere(cpu: Cpu): Steps {
  yield* cpu.tlbiLocal(TLBI_GUESTS, 0, 1, 0);
  yield* cpu.isb();
}

function* flushVmidHere(cpu: Cpu, vmid: number): Steps {
  yield* cpu.tlbiLocal(TLBI_VMID, 0, 1, vmid);
  yield* cpu.isb();
}

export interface FenceOptions {
  readonly flaws?: readonly FenceFlaw[];
  /** Where a fence is for one CPU: every CPU executes it at once, wherever vCPUs are (SBI remote HFENCE). */
  readonly everywhere?: boolean;
}

export class Stage2Fence {
  readonly isBroadcast: boolean;
  private readonly kernel: Kernel;
  private readonly flaws: ReadonlySet<FenceFlaw>;
  private readonly everywhere: boolean;

  /** @throws Error on a platform without stage 2 */
  constructor(kernel: Kernel, { flaws = [], everywhere = false }: FenceOptions = {}) {
    const { name, virtualization } = kernel.machine.platform;
    if (!virtualization) throw new Error(`${name} has no stage 2: use a platform with 'virtualization'`);
    this.isBroadcast = virtualization.stage2Fences === 'broadcast';
    this.kernel = kernel;
    this.flaws = new Set(flaws);
    this.everywhere = everywhere;
  }

  /** Stage-2 entries of `pages` pages from `ipa` have changed. */
  *pages(cpu: Cpu, vm: VmLayout, ipa: number, pages: number): Steps {
    if (!this.has('no-barrier-before')) yield* cpu.dsb();
    if (!this.isBroadcast) {
      yield* this.local(cpu, vm);
      return;
    }
    const vmid = yield* this.vmidOf(cpu, vm);
    if (this.has('stage1-first')) yield* this.stage1(cpu, vmid);
    if (!this.has('no-ipa')) {
      for (let page = 0; page < pages; page++) {
        yield* this.invalidate(cpu, TLBI_IPA, ipa + page * PAGE_BYTES, vmid);
      }
      if (!this.has('no-barrier-between')) yield* cpu.dsb();
    }
    if (!this.has('no-stage1') && !this.has('stage1-first')) yield* this.stage1(cpu, vmid);
    if (!this.has('no-barrier-after')) yield* cpu.dsb();
    yield* cpu.isb();
  }

  /** Any stage-2 entry of the VM may have changed (__kvm_tlb_flush_vmid). */
  *all(cpu: Cpu, vm: VmLayout): Steps {
    if (!this.has('no-barrier-before')) yield* cpu.dsb();
    if (!this.isBroadcast) {
      yield* this.local(cpu, vm);
      return;
    }
    yield* this.invalidate(cpu, TLBI_VMID, 0, yield* this.vmidOf(cpu, vm));
    if (!this.has('no-barrier-after')) yield* cpu.dsb();
    yield* cpu.isb();
  }

  /** Everything of all VMs on all CPUs (__kvm_flush_vm_context; sbi_remote_hfence_gvma of all harts). */
  *everything(cpu: Cpu): Steps {
    yield* cpu.dsb();
    if (this.isBroadcast) {
      yield* cpu.tlbiBroadcast(TLBI_GUESTS, 0, 1, 0);
      yield* cpu.dsb();
      return;
    }
    yield* flushAllHere(cpu);
    yield* this.call(cpu, otherProcessors(cpu), CALL_FLUSH_ALL);
  }

  /** What this CPU has of a VM: stage 1 and combined entries, translations of stage 2 alone, or all of it. */
  *here(cpu: Cpu, vm: VmLayout, what: 'stage-1' | 'stage-2' | 'all'): Steps {
    const vmid = yield* this.vmidOf(cpu, vm);
    if (what === 'stage-2') {
      for (const { ipa, frames } of vm.slots) yield* cpu.tlbiLocal(TLBI_IPA, ipa, frames.length, vmid);
    } else yield* cpu.tlbiLocal(what === 'all' ? TLBI_VMID : TLBI_VMID_STAGE1, 0, 1, vmid);
    yield* cpu.dsb();
    yield* cpu.isb();
  }

  /** force_vm_exit: when it returns each of these CPUs has left the guest that it was in, if it was in one. */
  leaveGuests(cpu: Cpu, targets: readonly number[]): Steps {
    return this.call(cpu, targets, CALL_LEAVE_GUEST);
  }

  /** kvm_make_all_cpus_request: says what is wanted, then interrupts the vCPUs that are in the guest. */
  *askVcpus(cpu: Cpu, { vcpus }: VmLayout, request: number = REQUEST.FENCE): Steps {
    const { uncached } = this.kernel;
    const targets = new Set<number>();
    for (const { pa } of vcpus) {
      yield* cpu.modifyPhysical(pa + VCPU.REQUESTS, (now) => (now | request) >>> 0, uncached);
    }
    // Either the vCPU sees the request before it enters, or its mode is seen here: the atomics are full barriers.
    for (const { pa } of vcpus) {
      const mode = yield* cpu.loadPhysical(pa + VCPU.MODE, 4, uncached);
      if (mode !== 0 && mode !== cpu.index + 1) targets.add(mode - 1);
    }
    if (!this.has('local-only')) yield* this.leaveGuests(cpu, [...targets]);
  }

  private *local(cpu: Cpu, vm: VmLayout): Steps {
    if (!this.everywhere) {
      yield* this.askVcpus(cpu, vm);
      return;
    }
    const vmid = yield* this.vmidOf(cpu, vm);
    yield* flushVmidHere(cpu, vmid);
    if (!this.has('local-only')) yield* this.call(cpu, otherProcessors(cpu), CALL_FLUSH_VMID, vmid);
  }

  private stage1(cpu: Cpu, vmid: number): Steps {
    return this.invalidate(cpu, TLBI_VMID_STAGE1, 0, vmid);
  }

  private invalidate(cpu: Cpu, kind: number, ipa: number, vmid: number): Steps {
    return this.has('local-only') ? cpu.tlbiLocal(kind, ipa, 1, vmid) : cpu.tlbiBroadcast(kind, ipa, 1, vmid);
  }

  private *vmidOf(cpu: Cpu, { contextPa }: VmLayout): Steps<number> {
    return (yield* cpu.loadPhysical(contextPa, 4, this.kernel.uncached)) & ASID_MASK;
  }

  private call(cpu: Cpu, targets: readonly number[], index: number, vmid = 0): Steps {
    return this.kernel.calls.call(cpu, targets, FIRST_CALL + index, vmid, 0, 0);
  }

  private has(flaw: FenceFlaw): boolean {
    return this.flaws.has(flaw);
  }
}
