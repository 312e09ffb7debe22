/**
 * A virtual CPU: registers in simulated memory, loaded on a host CPU, run there, put, and loaded on another one if the
 * scheduler says so. The loop around the guest is KVM's (arch/arm64/kvm/arm.c and arch/riscv/kvm/vcpu.c,
 * kvm_arch_vcpu_ioctl_run): a VMID that is good here, what others have asked for, `mode` said before requests are
 * looked at for the last time, and what has to be flushed because of who ran here last.
 *
 * A VM's VMID is one for all its vCPUs, and a guest may use one ASID for different tables on different vCPUs. So
 * - two vCPUs that take turns on a host CPU would use each other's entries: the second flushes what the first has left
 *   (`whenOtherVcpu`; Linux 94d0e5980d67 "arm/arm64: KVM: Perform local TLB invalidation when multiplexing vcpus on a
 *   single CPU"; arch/arm64/kvm/arm.c, kvm_arch_vcpu_load, last_vcpu_ran);
 * - where invalidates are for one host CPU alone, those of a time when the vCPU ran elsewhere have not been done here:
 *   it flushes when it comes from another CPU (`whenOtherCpu`; Linux 92e450507d56, 4b9ac285e253 in other trees,
 *   "RISC-V: KVM: Cleanup stale TLB entries when host CPU changes").
 */
import { ASID_MASK } from '../kernel/asid/generation.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { GuestEntry, GuestRegisters, GuestTraps } from '../machine/faults.ts';
import { packMemoryTypes, unpackMemoryTypes } from '../machine/memory-types.ts';
import type { HypervisorHost, LoadedVcpu } from './host.ts';
import {
  CONTROL_CACHES,
  CONTROL_MMU,
  CONTROL_TYPES_SHIFT,
  REQUEST,
  VCPU,
  type VcpuLayout,
  type VmLayout,
} from './vm-layout.ts';

export class Vcpu implements LoadedVcpu {
  readonly vm: VmLayout;
  readonly layout: VcpuLayout;
  readonly host: HypervisorHost;
  /** Number and generation under which it is in the guest; -1: it is not. */
  private id = -1;
  /** An interrupt has taken it out of the guest in the middle of its program. */
  isOut = false;

  constructor(host: HypervisorHost, vm: VmLayout, index: number) {
    this.vm = vm;
    this.layout = vm.vcpus[index];
    this.host = host;
  }

  /** kvm_arch_vcpu_load: this host CPU runs it from now on, until `put`. */
  *load(cpu: Cpu): Steps {
    const { host, vm } = this;
    host.loaded = this;
    const { hooks } = host.policy;
    if (hooks?.load) yield* hooks.load(cpu, this);
    if (!host.policy.whenOtherVcpu) return;
    const at = vm.lastRanPa[cpu.index];
    const own = this.layout.index + 1;
    if ((yield* this.read(cpu, at)) === own) return;
    // The number of the VM on this CPU: an older one has been flushed when numbers ran out.
    yield* host.vmids.take(cpu, vm);
    yield* host.fence.here(cpu, vm, 'stage-1');
    yield* this.write(cpu, at, own);
  }

  /**
   * kvm_arch_vcpu_put, and what follows before another vCPU is loaded: a full barrier (Linux/arm64 has it in
   * __switch_to). Without it the next vCPU may find an old generation before others see that this CPU's number is free.
   */
  *put(cpu: Cpu): Steps {
    const { hooks } = this.host.policy;
    if (hooks?.put) yield* hooks.put(cpu, this);
    yield* this.host.vmids.release(cpu);
    if (!this.host.policy.noSwitchBarrier) yield* cpu.dsb();
    this.host.loaded = null;
  }

  /**
   * Enters the guest, runs a program of it there, and leaves it. Interrupts are taken meanwhile: the host handles them,
   * and if something is to be done before the guest goes on, that is done first, with interrupts enabled.
   */
  *run(cpu: Cpu, program: () => Steps): Steps {
    yield* this.enter(cpu);
    const guest = program();
    for (;;) {
      if (this.isOut && this.host.handling === 0) yield* this.enter(cpu);
      const { value, done } = guest.next();
      if (done === true) break;
      yield value;
    }
    if (this.isOut) yield* this.enter(cpu);
    yield* this.leave(cpu);
  }

  /** Loads, runs and puts. */
  *runOn(cpu: Cpu, program: () => Steps): Steps {
    yield* this.load(cpu);
    yield* this.run(cpu, program);
    yield* this.put(cpu);
  }

  /** Enters the guest. Interrupts are enabled before and afterwards. */
  *enter(cpu: Cpu): Steps {
    const { host, vm } = this;
    const { forcedWriteBack, hooks } = host.policy;
    if (hooks?.enter) yield* hooks.enter(cpu, this);
    const registers = yield* this.registers(cpu);
    const traps = yield* this.traps(cpu);
    const id = yield* this.prepare(cpu);
    const vmid = id & ASID_MASK;
    const entry: GuestEntry = {
      vmid,
      stage2Root: vm.root,
      traps,
      registers,
      ...(forcedWriteBack !== undefined && { forcedWriteBack }),
    };
    yield* cpu.enterGuest(entry);
    this.id = id;
    this.isOut = false;
    host.invariants?.enters(cpu, this.useOf(id));
    cpu.unmaskInterrupts();
  }

  /** Leaves the guest: its registers are in memory again. */
  *leave(cpu: Cpu): Steps<GuestRegisters> {
    cpu.maskInterrupts();
    this.host.invariants?.leaves(cpu);
    const registers = yield* cpu.exitGuest();
    this.id = -1;
    yield* this.leftGuest(cpu, registers);
    cpu.unmaskInterrupts();
    return registers;
  }

  private *leftGuest(cpu: Cpu, registers: GuestRegisters): Steps {
    const { pa } = this.layout;
    yield* this.save(cpu, registers);
    yield* this.write(cpu, pa + VCPU.LAST_CPU, cpu.index + 1);
    yield* this.write(cpu, pa + VCPU.MODE, 0);
  }

  /**
   * An interrupt has come while a guest ran and has been handled; the guest is held. If something is to be done before it
   * goes on, it does not go on now: `run` enters it anew when the handler has returned.
   */
  *interrupted(cpu: Cpu): Steps {
    if (this.id === -1) return;
    const { host, layout } = this;
    const hasRequests = (yield* this.read(cpu, layout.pa + VCPU.REQUESTS)) !== 0;
    if (!hasRequests && !(yield* host.vmids.isOld(cpu, this.id))) return;
    host.invariants?.leaves(cpu);
    const registers = cpu.dropGuest();
    this.id = -1;
    this.isOut = true;
    yield* this.leftGuest(cpu, registers);
  }

  /**
   * What comes before each entry. Interrupts are enabled before, and masked afterwards.
   * @returns number and generation of the VMID
   */
  private *prepare(cpu: Cpu): Steps<number> {
    const { host, vm, layout } = this;
    for (;;) {
      const id = yield* host.vmids.take(cpu, vm);
      yield* this.doRequests(cpu);
      cpu.maskInterrupts();
      // A full barrier: either the request is seen below, or whoever makes it sees that this vCPU is in the guest.
      yield* cpu.modifyPhysical(layout.pa + VCPU.MODE, () => cpu.index + 1, host.kernel.uncached);
      const isLate =
        (yield* this.read(cpu, layout.pa + VCPU.REQUESTS)) !== 0 || (yield* host.vmids.isOld(cpu, id));
      if (!isLate) {
        yield* this.sanitize(cpu);
        return id;
      }
      yield* this.write(cpu, layout.pa + VCPU.MODE, 0);
      cpu.unmaskInterrupts();
    }
  }

  /** kvm_riscv_local_tlb_sanitize: entries of the VM that are here have missed fences that went where the vCPU was. */
  private *sanitize(cpu: Cpu): Steps {
    const { host, vm, layout } = this;
    if (!host.policy.whenOtherCpu) return;
    if ((yield* this.read(cpu, layout.pa + VCPU.LAST_CPU)) === cpu.index + 1) return;
    yield* host.fence.here(cpu, vm, host.policy.moveFlush ?? 'all');
  }

  private *doRequests(cpu: Cpu): Steps {
    const { host, layout, vm } = this;
    const at = layout.pa + VCPU.REQUESTS;
    if ((yield* this.read(cpu, at)) === 0) return;
    const requests = yield* cpu.modifyPhysical(at, () => 0, host.kernel.uncached);
    if ((requests & REQUEST.FENCE) !== 0) yield* host.fence.here(cpu, vm, 'all');
  }

  private *traps(cpu: Cpu): Steps<GuestTraps> {
    const { traps = {}, ownTraps } = this.host.policy;
    if (ownTraps !== true) return traps;
    return { ...traps, control: (yield* this.read(cpu, this.layout.pa + VCPU.TRAPS)) !== 0 };
  }

  private *registers(cpu: Cpu): Steps<GuestRegisters> {
    const { pa } = this.layout;
    const rootIpa = yield* this.read(cpu, pa + VCPU.ROOT);
    const asid = yield* this.read(cpu, pa + VCPU.ASID);
    const control = yield* this.read(cpu, pa + VCPU.CONTROL);
    const memoryTypes = unpackMemoryTypes(control >>> CONTROL_TYPES_SHIFT);
    return {
      rootIpa,
      asid,
      mmuOn: (control & CONTROL_MMU) !== 0,
      cachesOn: (control & CONTROL_CACHES) !== 0,
      ...(memoryTypes && { memoryTypes }),
    };
  }

  /** Writes its registers: those that the guest goes on with when it is entered the next time. */
  *save(cpu: Cpu, { rootIpa, asid, mmuOn, cachesOn, memoryTypes }: GuestRegisters): Steps {
    const { pa } = this.layout;
    yield* this.write(cpu, pa + VCPU.ROOT, rootIpa);
    yield* this.write(cpu, pa + VCPU.ASID, asid);
    const control = (mmuOn ? CONTROL_MMU : 0) | (cachesOn ? CONTROL_CACHES : 0);
    const types = packMemoryTypes(memoryTypes) << CONTROL_TYPES_SHIFT;
    yield* this.write(cpu, pa + VCPU.CONTROL, control | types);
  }

  private useOf(id: number) {
    return {
      space: this.vm,
      number: id & ASID_MASK,
      id,
      currentPa: this.vm.contextPa,
      mask: ASID_MASK,
      isExclusive: this.host.policy.scheme === 'bitmap',
    };
  }

  private read(cpu: Cpu, pa: number): Steps<number> {
    return cpu.loadPhysical(pa, 4, this.host.kernel.uncached);
  }

  private *write(cpu: Cpu, pa: number, word: number): Steps {
    yield* cpu.storePhysical(pa, word, 4, this.host.kernel.uncached);
  }
}
