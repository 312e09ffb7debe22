/** What a vCPU knows of the hypervisor that runs it, and the hypervisor of it; and how a hypervisor is told to be. */
import type { AsidInvariants } from '../kernel/asid/asid-invariants.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { GuestRegisters, GuestTraps } from '../machine/faults.ts';
import type { FenceFlaw, Stage2Fence } from './stage2-fence.ts';
import type { Vm } from './vm.ts';
import type { VcpuLayout, VmLayout } from './vm-layout.ts';
import type { VmidAllocator, VmidFlaw, VmidScheme } from './vmid.ts';

/** A vCPU that a host CPU has loaded. */
export interface LoadedVcpu {
  readonly host: HypervisorHost;
  readonly vm: VmLayout;
  readonly layout: VcpuLayout;
  /** An interrupt has taken it out of the guest in the middle of its program. */
  readonly isOut: boolean;
  /** An interrupt has come while its guest ran and has been handled; the guest is held. */
  interrupted(cpu: Cpu): Steps;
  /** Writes its registers: those that the guest goes on with when it is entered the next time. */
  save(cpu: Cpu, registers: GuestRegisters): Steps;
}

/** What else happens on the way of a vCPU; interrupts are enabled. */
interface VcpuHooks {
  /** A host CPU has loaded it. */
  load?(cpu: Cpu, vcpu: LoadedVcpu): Steps;
  /** It is about to enter the guest. */
  enter?(cpu: Cpu, vcpu: LoadedVcpu): Steps;
  /** A host CPU is about to put it. */
  put?(cpu: Cpu, vcpu: LoadedVcpu): Steps;
}

export interface HypervisorPolicy {
  readonly scheme: VmidScheme;
  /** Usable VMIDs: 1 to this. */
  readonly vmids: number;
  /** A vCPU flushes stage 1 of its VM where another one of the VM ran last. */
  readonly whenOtherVcpu: boolean;
  /** A vCPU flushes its VM where it did not run last itself. */
  readonly whenOtherCpu: boolean;
  /** What it flushes then; default: all. */
  readonly moveFlush?: 'stage-2' | 'all';
  /** Wrong: nothing orders that a vCPU is put before what follows. */
  readonly noSwitchBarrier?: boolean;
  readonly traps?: GuestTraps;
  /** Each vCPU has a word of its own that says whether writes of its registers trap (VCPU.TRAPS). */
  readonly ownTraps?: boolean;
  readonly hooks?: VcpuHooks;
  readonly forcedWriteBack?: boolean;
  /** Where a fence of stage 2 is for one CPU: every CPU executes it at once, wherever vCPUs are. */
  readonly fencesEverywhere?: boolean;
  readonly fenceFlaws?: readonly FenceFlaw[];
  readonly vmidFlaw?: VmidFlaw;
  rolledOver?(times: number): void;
}

/** What is of one host CPU, and what it shares with the others. */
export interface HypervisorHost {
  readonly kernel: Kernel;
  readonly policy: HypervisorPolicy;
  readonly fence: Stage2Fence;
  readonly vmids: VmidAllocator;
  readonly vms: readonly Vm[];
  /** Null unless the run is checked. */
  readonly invariants: AsidInvariants | null;
  /** The vCPU that this CPU has loaded. */
  loaded: LoadedVcpu | null;
  /** Exits that are being handled: while there are any, the guest's program is in its host's code. */
  readonly handling: number;
}
