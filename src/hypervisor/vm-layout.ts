/** What a virtual machine is in simulated memory: plain data, laid out once. */
import type { SpinLock } from '../kernel/spin-lock.ts';

/** A piece of guest memory: consecutive intermediate physical addresses, each page in a frame of its own. */
export interface MemorySlot {
  readonly ipa: number;
  /** Physical address of the frame behind each page when the run begins. */
  readonly frames: readonly number[];
}

export interface VcpuLayout {
  /** Position among the vCPUs of its VM, from 0. */
  readonly index: number;
  /** Line with its registers and what KVM keeps of it: words at VCPU. */
  readonly pa: number;
}

/** Words of a vCPU, in bytes from its line. */
export const VCPU = {
  /** Root of its stage-1 table, an IPA. */
  ROOT: 0,
  ASID: 4,
  /** Bit 0: MMU on; bit 1: data caching on; from bit 8 what its attributes mean (machine/memory-types.ts). */
  CONTROL: 8,
  /** Host CPU that it exited on last, + 1; 0: it has not run. */
  LAST_CPU: 12,
  /** vcpu->mode: host CPU on which it is in the guest, + 1; 0: outside. */
  MODE: 16,
  /** vcpu->requests: bits of REQUEST. */
  REQUESTS: 20,
  /** Not 0: writes of its registers trap (TVM in vcpu->arch.hcr_el2), with a policy that has `ownTraps`. */
  TRAPS: 24,
  /** Pages of guest memory from this one on are still to be flushed, + 1; 0: none (need_flush_to_ram of Xen). */
  TO_FLUSH: 28,
  BYTES: 32,
} as const;

export const CONTROL_MMU = 1;
export const CONTROL_CACHES = 2;
export const CONTROL_TYPES_SHIFT = 8;

/** What others ask of a vCPU; it is done before the vCPU enters the guest the next time, on the CPU where it does. */
export const REQUEST = {
  /** Invalidate all that this CPU's TLBs have of the VM. */
  FENCE: 1,
  /** Look at the VMID again. */
  VMID: 2,
} as const;

export interface VmLayout {
  readonly name: string;
  /** Position among the VMs, from 0. */
  readonly index: number;
  /** Physical address of the root of its stage-2 table. */
  readonly root: number;
  /** kvm->mmu_lock: of the stage-2 table. */
  readonly lock: SpinLock;
  /** Line with its VMID and the generation of it. */
  readonly contextPa: number;
  /** By CPU: line that says which vCPU ran there last, its index + 1 (last_vcpu_ran). */
  readonly lastRanPa: readonly number[];
  readonly slots: readonly MemorySlot[];
  readonly vcpus: readonly VcpuLayout[];
  /** Physical addresses of the pages that its stage-2 table is in when the run begins. */
  readonly tables: readonly number[];
}

/** Physical address behind an IPA when the run begins. @throws Error if no slot has it */
export function bootFrameOf({ name, slots }: Pick<VmLayout, 'name' | 'slots'>, ipa: number): number {
  for (const slot of slots) {
    const page = (ipa - slot.ipa) >> 12;
    if (ipa >= slot.ipa && page < slot.frames.length) return slot.frames[page] + (ipa & 0xfff);
  }
  throw new Error(`${name} has no memory at IPA 0x${ipa.toString(16)}`);
}
