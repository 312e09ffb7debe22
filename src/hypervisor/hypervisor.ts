/**
 * A hypervisor beside a small kernel, as KVM is: VMs with their stage-2 tables, VMIDs, vCPUs that host CPUs load. One
 * such object is the hypervisor of one CPU's thread; what they share is in simulated memory. Its policy says how it
 * does things; scenarios ask for wrong policies to see what they break.
 */
import type { Checker } from '../checker/checker.ts';
import { AsidInvariants, type InvariantsLayout, layInvariants } from '../kernel/asid/asid-invariants.ts';
import type { BootMemory } from '../kernel/boot-memory.ts';
import { Kernel, type KernelLayout, layKernel } from '../kernel/kernel.ts';
import type { SpinLock } from '../kernel/spin-lock.ts';
import { properFlush } from '../kernel/tlb-flush.ts';
import type { Cpu, Steps, Vectors } from '../machine/cpu.ts';
import type { Stage2Fault, Trap } from '../machine/faults.ts';
import type { Machine } from '../machine/machine.ts';
import type { Platform } from '../machine/platform.ts';
import type { HypervisorHost, HypervisorPolicy, LoadedVcpu } from './host.ts';
import { hypervisorCalls, Stage2Fence } from './stage2-fence.ts';
import { Vm } from './vm.ts';
import type { VmLayout } from './vm-layout.ts';
import { bootVmids, layVmids, type VmidAllocator, type VmidWords, vmidAllocator } from './vmid.ts';
import { vmidTags } from './vmid-tags.ts';

export type { HypervisorPolicy } from './host.ts';

/** VMIDs of a hypervisor that is not about their running out. */
const ENOUGH_VMIDS = 8;

/** What is right on a platform. */
function properHypervisor({ virtualization }: Platform): HypervisorPolicy {
  const isLocal = virtualization?.stage2Fences === 'local';
  return {
    scheme: isLocal ? 'counter' : 'bitmap',
    vmids: ENOUGH_VMIDS,
    whenOtherVcpu: true,
    whenOtherCpu: isLocal,
  };
}

/** Everything in memory: survives structured cloning. */
export interface HypervisorLayout {
  readonly kernel: KernelLayout;
  readonly vms: readonly VmLayout[];
  readonly vmids: VmidWords;
  readonly invariants: InvariantsLayout;
}

export interface HypervisorOptions {
  /** Usable VMIDs: as the policy has. */
  readonly vmids?: number;
  /** By VM: its VMID when the run begins, 0 for none. Default: none has one. */
  readonly numbers?: readonly number[];
}

/**
 * Lays a kernel and VMs out.
 * @param prepare lays the VMs out, in the order of their index (boot-vm.ts), and what else is wanted
 */
export function layHypervisor<T>(
  machine: Machine,
  { vmids = ENOUGH_VMIDS, numbers }: HypervisorOptions,
  prepare: (
    boot: BootMemory,
    lock: (name: string) => SpinLock,
  ) => { readonly vms: readonly VmLayout[]; readonly own: T },
): { layout: HypervisorLayout; own: T } {
  const { kernel, prepared } = layKernel(machine, ['host'], (boot, _spaces, lock) => {
    const { vms, own } = prepare(boot, lock);
    const words = layVmids(boot, lock, vmids);
    const running = machine.state.processors.map(() => -1);
    bootVmids(boot, words, vms, { numbers: numbers ?? vms.map(() => 0), running });
    return { vms, own, vmids: words, invariants: layInvariants(boot, 'global', vmids) };
  });
  const { own, ...rest } = prepared;
  return { layout: { kernel, ...rest }, own };
}

export class Hypervisor implements HypervisorHost {
  readonly kernel: Kernel;
  readonly policy: HypervisorPolicy;
  readonly fence: Stage2Fence;
  readonly vmids: VmidAllocator;
  readonly vms: readonly Vm[];
  /** Null unless the run is checked. */
  readonly invariants: AsidInvariants | null;
  /** The vCPU that this CPU has loaded. */
  loaded: LoadedVcpu | null = null;
  /** Exits that are being handled: those of a handler's own accesses among them. */
  handling = 0;

  /**
   * @param own what it does otherwise than is right on the platform
   * @throws Error on a platform without stage 2
   */
  constructor(
    machine: Machine,
    layout: HypervisorLayout,
    checker: Checker | null,
    own: Partial<HypervisorPolicy> = {},
  ) {
    const { platform } = machine;
    const policy = { ...properHypervisor(platform), ...own };
    this.policy = policy;
    this.kernel = new Kernel(
      machine,
      layout.kernel,
      properFlush(platform.shootdown),
      checker,
      hypervisorCalls,
    );
    this.fence = new Stage2Fence(this.kernel, {
      ...(policy.fenceFlaws && { flaws: policy.fenceFlaws }),
      ...(policy.fencesEverywhere !== undefined && { everywhere: policy.fencesEverywhere }),
    });
    this.vms = layout.vms.map((vm) => new Vm(this.kernel, this.fence, checker, vm));
    this.vmids = vmidAllocator(policy.scheme, {
      words: layout.vmids,
      vmids: policy.vmids,
      fence: this.fence,
      checker,
      uncached: this.kernel.uncached,
      ...(policy.vmidFlaw && { flaw: policy.vmidFlaw }),
      ...(policy.rolledOver && { rolledOver: policy.rolledOver }),
    });
    this.invariants =
      checker && new AsidInvariants(machine, checker, layout.invariants, layout.vms, vmidTags);
  }

  /**
   * Entry points of the host and of its guests.
   * @param own what a scenario adds: its fault handlers, its traps
   */
  vectors(own: Partial<Vectors> = {}): Vectors {
    const { kernel } = this;
    const vectors: Vectors = {
      *fault() {
        return false;
      },
      refill: (cpu, fault) => kernel.refill(cpu as Cpu, fault),
      interrupt: (cpu, vector) => this.interrupt(cpu as Cpu, vector),
      ...own,
    };
    const { trap, stage2Fault } = own;
    return {
      ...vectors,
      ...(trap && {
        trap: (cpu: Cpu, what: Trap) => this.handle(this.afterTrap(cpu, what, trap(cpu, what))),
      }),
      ...(stage2Fault && {
        stage2Fault: (cpu: Cpu, fault: Stage2Fault) => this.handle(stage2Fault(cpu, fault)),
      }),
    };
  }

  /** What a guest wrote to its registers must not be lost if an interrupt takes it out of its CPU meanwhile. */
  private *afterTrap(
    cpu: Cpu,
    trap: Trap,
    handler: ReturnType<NonNullable<Vectors['trap']>>,
  ): ReturnType<NonNullable<Vectors['trap']>> {
    const registers = yield* handler;
    if (trap.kind === 'control' && this.loaded?.isOut === true) {
      yield* this.loaded.save(cpu, registers ?? trap.after);
    }
    return registers;
  }

  /** The host handles an exit of its guest, which does not go on before it has. */
  private *handle<T>(handler: Steps<T>): Steps<T> {
    this.handling++;
    try {
      return yield* handler;
    } finally {
      this.handling--;
    }
  }

  private *interrupt(cpu: Cpu, vector: number): Steps {
    yield* this.kernel.interrupt(cpu, vector);
    if (this.loaded !== null) yield* this.loaded.interrupted(cpu);
  }
}
