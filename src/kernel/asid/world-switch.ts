/**
 * Switching between a host and a guest that uses the whole address space, so that the host's kernel cannot have
 * global mappings unless they are flushed: KVM/ARM before the virtualization extensions, as discussed in "Using
 * non-Global mappings for kernel address space" (Christoffer Dall and Catalin Marinas, linux-arm-kernel, November
 * 2010). What differs is under which ASID the kernel runs, and what that makes of its accesses to user memory.
 */
import { frameAddress } from '../../machine/attributes.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { PAGE_BYTES } from '../../machine/platform.ts';
import { CTL } from '../../machine/registers.ts';
import { TLBI_ALL } from '../../machine/tlb.ts';
import type { AddressSpace } from '../address-space.ts';
import type { Kernel } from '../kernel.ts';
import { type ContextRegisters, usualOrder, writeContext } from './context-registers.ts';

export const worldDesigns = [
  'flush',
  'kernel-asid',
  'kernel-asid-user-window',
  'user-asid',
  'global',
] as const;

/**
 * `flush`: global kernel mappings, and everything flushed on each switch of worlds. `kernel-asid`: the kernel has an
 * ASID of its own, set on each entry and left on each exit; user memory is reached through the linear mapping.
 * `kernel-asid-user-window`: user memory is reached at the user's address, with the user's ASID set meanwhile.
 * `user-asid`: the kernel runs under the ASID of the process. `global`: global kernel mappings and no flush.
 */
export type WorldDesign = (typeof worldDesigns)[number];

/**
 * `user-under-kernel-asid`: reaches user memory at the user's address under the kernel's ASID.
 * `window-lost-on-fault`: a page fault of the kernel returns under the kernel's ASID, whatever it came from.
 */
export type WorldFlaw = '' | 'user-under-kernel-asid' | 'window-lost-on-fault';

/** True where each address space has the kernel's mappings without an ASID. */
export function hasGlobalKernel(design: WorldDesign): boolean {
  return design === 'flush' || design === 'global';
}

export interface Worlds {
  readonly guest: AddressSpace;
  /** ASID that no process and no guest has. */
  readonly kernelAsid: number;
  readonly reservedRoot: number;
}

/** What one CPU does to change between user, kernel and guest. */
export class WorldSwitch {
  private readonly kernel: Kernel;
  private readonly design: WorldDesign;
  private readonly worlds: Worlds;
  private readonly flaw: WorldFlaw;
  private readonly registers: ContextRegisters;
  private isInKernel = true;

  constructor(kernel: Kernel, design: WorldDesign, worlds: Worlds, flaw: WorldFlaw = '') {
    this.kernel = kernel;
    this.design = design;
    this.worlds = worlds;
    this.flaw = flaw;
    const order = usualOrder(kernel.machine.platform);
    this.registers = { order, reservedRoot: worlds.reservedRoot };
  }

  /** The kernel goes on with another process. */
  runProcess(cpu: Cpu, process: AddressSpace): Steps {
    return writeContext(cpu, this.registers, process.root, this.asidOfKernel(process));
  }

  /** Exception entry from the process. */
  *enterKernel(cpu: Cpu, process: AddressSpace): Steps {
    yield* this.exceptionEntry(cpu);
    this.isInKernel = true;
    if (this.hasKernelAsid) yield* this.setAsid(cpu, process, this.worlds.kernelAsid);
  }

  /** Return to the process. */
  *exitKernel(cpu: Cpu, process: AddressSpace): Steps {
    if (this.hasKernelAsid) yield* this.setAsid(cpu, process, process.asid);
    this.isInKernel = false;
    yield* this.exceptionExit(cpu);
  }

  /** From the host's kernel to the guest. */
  *enterGuest(cpu: Cpu): Steps {
    const { guest } = this.worlds;
    yield* writeContext(cpu, this.registers, guest.root, guest.asid);
    yield* this.flushIfAsked(cpu);
    yield* this.exceptionExit(cpu);
  }

  /** From the guest to the host's kernel, which goes on with a process. */
  *leaveGuest(cpu: Cpu, process: AddressSpace): Steps {
    yield* this.exceptionEntry(cpu);
    yield* writeContext(cpu, this.registers, process.root, this.asidOfKernel(process));
    yield* this.flushIfAsked(cpu);
  }

  /** The kernel loads a word of the process's memory (get_user). */
  *loadUser(cpu: Cpu, process: AddressSpace, va: number): Steps<number> {
    if (!this.faultsOnUser) return yield* this.loadThroughLinear(cpu, process, va);
    if (this.design !== 'kernel-asid-user-window') return yield* cpu.load(va);
    yield* this.setAsid(cpu, process, process.asid);
    const word = yield* cpu.load(va);
    yield* this.setAsid(cpu, process, this.worlds.kernelAsid);
    return word;
  }

  /**
   * Page fault, of the process or of the kernel in its access to user memory. The handler runs as the kernel does,
   * and returns to what was interrupted.
   */
  *fault(cpu: Cpu, process: AddressSpace, repair: Steps<boolean>): Steps<boolean> {
    if (!this.hasKernelAsid) return yield* repair;
    const before = cpu.hw.ctl[CTL.ASID];
    yield* this.setAsid(cpu, process, this.worlds.kernelAsid);
    const repaired = yield* repair;
    const isLost = this.flaw === 'window-lost-on-fault' && this.isInKernel;
    if (!isLost) yield* this.setAsid(cpu, process, before);
    return repaired;
  }

  /** An access of the kernel to user memory takes a page fault if the page is not there. */
  get faultsOnUser(): boolean {
    return this.design !== 'kernel-asid' || this.flaw === 'user-under-kernel-asid';
  }

  private get hasKernelAsid(): boolean {
    return this.design === 'kernel-asid' || this.design === 'kernel-asid-user-window';
  }

  private asidOfKernel(process: AddressSpace): number {
    return this.hasKernelAsid ? this.worlds.kernelAsid : process.asid;
  }

  /** Another ASID with the same tables. */
  private *setAsid(cpu: Cpu, { root }: AddressSpace, asid: number): Steps {
    if (this.registers.order === 'one') yield* cpu.setContext(root, asid);
    else yield* cpu.writeAsid(asid);
    yield* cpu.isb();
  }

  /** @throws Error if the page is not there */
  private *loadThroughLinear(cpu: Cpu, { root, name }: AddressSpace, va: number): Steps<number> {
    const { tables } = this.kernel;
    const ptePa = yield* tables.find(cpu, root, va);
    const entry = ptePa < 0 ? 0 : yield* tables.read(cpu, ptePa);
    if (entry === 0) throw new Error(`${name}: nothing is mapped at 0x${va.toString(16)}`);
    return yield* cpu.loadPhysical(frameAddress(entry) + (va & (PAGE_BYTES - 1)));
  }

  private *flushIfAsked(cpu: Cpu): Steps {
    if (this.design !== 'flush') return;
    yield* cpu.tlbiLocal(TLBI_ALL, 0, 1, 0);
    yield* cpu.dsb();
    yield* cpu.isb();
  }

  private exceptionEntry(cpu: Cpu): Steps {
    const { costs } = cpu.machine.platform;
    return cpu.compute(costs.faultEntryCycles / Math.max(1, costs.instructionCycles));
  }

  private exceptionExit(cpu: Cpu): Steps {
    const { costs } = cpu.machine.platform;
    return cpu.compute(costs.faultExitCycles / Math.max(1, costs.instructionCycles));
  }
}
