/**
 * Lazy TLB mode: a CPU that runs a kernel thread keeps the tables of the last process and says that it uses
 * none of them, so a shootdown leaves it out. When it comes back to the process it looks whether it has
 * missed a flush. Until then it may still walk those tables speculatively, which does no harm as long as
 * they are tables. After Linux arch/x86/mm/tlb.c (is_lazy, tlb_gen, leave_mm).
 */
import type { Cpu, Steps } from '../machine/cpu.ts';
import { CTL } from '../machine/registers.ts';
import { TLBI_ASID } from '../machine/tlb.ts';
import { type AddressSpace, ranElsewhere } from './address-space.ts';
import type { BootMemory } from './boot-memory.ts';
import type { CallFunction } from './cross-call.ts';
import type { Kernel } from './kernel.ts';

/** For one address space. */
export interface LazyTlbLayout {
  /** Line with the word that counts the flushes of the space. */
  readonly flushesPa: number;
  /** Per CPU: the line with the word that is 1 while it is lazy, and the flushes that it knew last. */
  readonly cpuPa: readonly number[];
}

export function layLazyTlb(boot: BootMemory, cpus: number): LazyTlbLayout {
  return { flushesPa: boot.line(), cpuPa: Array.from({ length: cpus }, () => boot.line()) };
}

export class LazyTlb {
  private readonly layout: LazyTlbLayout;
  private readonly space: AddressSpace;
  private readonly kernelSpace: AddressSpace;
  private readonly uncached: boolean;

  /** @param kernelSpace the tables of a CPU that has given up those of the process: no user pages */
  constructor(layout: LazyTlbLayout, space: AddressSpace, kernelSpace: AddressSpace, uncached: boolean) {
    this.layout = layout;
    this.space = space;
    this.kernelSpace = kernelSpace;
    this.uncached = uncached;
  }

  /** A kernel thread runs from now on, with the tables that are there. */
  enter(cpu: Cpu): Steps<number> {
    return cpu.storePhysical(this.layout.cpuPa[cpu.index], 1, 4, this.uncached);
  }

  /** Back to the process. A cross call that comes meanwhile waits, and finds nothing left to do. */
  *leave(cpu: Cpu): Steps {
    const { space, uncached, layout } = this;
    const own = layout.cpuPa[cpu.index];
    cpu.maskInterrupts();
    yield* cpu.storePhysical(own, 0, 4, uncached);
    // Either the flusher sees that this CPU is back, or this CPU sees the flush that left it out.
    yield* cpu.dmb();
    const flushes = yield* cpu.loadPhysical(layout.flushesPa, 4, uncached);
    const known = yield* cpu.loadPhysical(own + 4, 4, uncached);
    if (flushes !== known) {
      yield* cpu.tlbiLocal(TLBI_ASID, 0, 1, this.asid);
      yield* cpu.storePhysical(own + 4, flushes, 4, uncached);
    }
    if (cpu.hw.ctl[CTL.ROOT] >>> 0 !== space.root) yield* cpu.setContext(space.root, space.asid);
    cpu.unmaskInterrupts();
  }

  /** Who of the CPUs that ran the space is called for a flush; counts the flush for those that are not. */
  readonly targets = (cpu: Cpu, ran: readonly number[]) => this.awake(cpu, ran);

  private *awake(cpu: Cpu, ran: readonly number[]): Steps<number[]> {
    const { layout, uncached } = this;
    yield* cpu.modifyPhysical(layout.flushesPa, (n) => (n + 1) >>> 0, uncached);
    const awake: number[] = [];
    for (const other of ran) {
      if ((yield* cpu.loadPhysical(layout.cpuPa[other], 4, uncached)) === 0) awake.push(other);
    }
    return awake;
  }

  /**
   * Makes every CPU that is lazy in the space leave its tables for good, before they are freed.
   * @param callNumber of `leaveCall` among the kernel's cross calls
   */
  *expel(cpu: Cpu, kernel: Kernel, callNumber: number): Steps {
    const others = yield* ranElsewhere(cpu, this.space, this.uncached);
    yield* kernel.calls.call(cpu, others, callNumber, 0, 0, 0);
  }

  /** What a target of `expel` does: a lazy CPU changes to tables that nobody frees. */
  readonly leaveCall: CallFunction = (cpu) => this.giveUp(cpu);

  private *giveUp(cpu: Cpu): Steps {
    const { kernelSpace, uncached } = this;
    if ((yield* cpu.loadPhysical(this.layout.cpuPa[cpu.index], 4, uncached)) === 0) return;
    yield* cpu.setContext(kernelSpace.root, kernelSpace.asid);
  }

  private get asid(): number {
    return this.space.asid;
  }
}
