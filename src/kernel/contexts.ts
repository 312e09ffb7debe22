/**
 * Context numbers (ASIDs) that are given anew: instead of invalidating the translations of an address space one
 * by one or by its number, the space gets a number that nobody has used, and what was made under the old one is
 * never matched again. When the numbers run out, everything is emptied and all spaces get new ones. After
 * drop_mmu_context and get_new_mmu_context in Linux arch/mips/include/asm/mmu_context.h, with numbers that all
 * CPUs share, as SPARC has them (alloc_context, arch/sparc/mm/srmmu.c).
 */
import type { Cpu, Steps } from '../machine/cpu.ts';
import { CTL } from '../machine/registers.ts';
import { TLBI_ALL } from '../machine/tlb.ts';
import { type AddressSpace, ranElsewhere } from './address-space.ts';
import type { BootMemory } from './boot-memory.ts';
import { otherProcessors } from './cross-call.ts';
import type { Kernel } from './kernel.ts';
import { type SpinLock, spinLock, spinUnlock } from './spin-lock.ts';

export interface ContextsLayout {
  readonly lock: SpinLock;
  /** The number that was given last. */
  readonly lastPa: number;
  /** For each space the number that it has now. */
  readonly numbersPa: readonly number[];
}

/** Every space begins with the number of its handle. */
export function layContexts(
  boot: BootMemory,
  spaces: readonly AddressSpace[],
  lock: SpinLock,
): ContextsLayout {
  const lastPa = boot.line();
  boot.machine.poke(lastPa, Math.max(...spaces.map(({ asid }) => asid)));
  const numbersPa = spaces.map(({ asid }) => {
    const pa = boot.line();
    boot.machine.poke(pa, asid);
    return pa;
  });
  return { lock, lastPa, numbersPa };
}

/** Argument of the cross call for all spaces. */
const EVERY_SPACE = 0xffff;

export class Contexts {
  private readonly kernel: () => Kernel;
  private readonly layout: ContextsLayout;
  private readonly callNumber: number;

  /**
   * @param kernel which takes `handle` among its functions of cross calls, so it is made with this
   * @param callNumber number of `handle` among them
   */
  constructor(kernel: () => Kernel, layout: ContextsLayout, callNumber: number) {
    this.kernel = kernel;
    this.layout = layout;
    this.callNumber = callNumber;
  }

  /** Invalidates by context: no TLB holds an entry of the number that the space has. */
  *flush(cpu: Cpu, space: AddressSpace): Steps {
    const asid = yield* this.numberOf(cpu, space);
    yield* this.kernel().flush.mm(cpu, { ...space, asid });
  }

  /** Gives the space a new number: nothing that was made under the old one is used any more. */
  *renew(cpu: Cpu, space: AddressSpace): Steps {
    const { lock, lastPa, numbersPa } = this.layout;
    const kernel = this.kernel();
    const { uncached, spaces } = kernel;
    yield* spinLock(cpu, lock, uncached);
    // Lines of the old number could not be written back in time for who reads through the new one.
    if (this.keepsDirtyLines) yield* kernel.caches.everything(cpu, space);
    const last = yield* cpu.loadPhysical(lastPa, 4, uncached);
    if (last >= this.highest) yield* this.startAgain(cpu);
    else {
      yield* cpu.storePhysical(lastPa, last + 1, 4, uncached);
      const index = spaces.indexOf(space);
      yield* cpu.storePhysical(numbersPa[index], last + 1, 4, uncached);
      yield* cpu.dsb();
      yield* this.handle(cpu, index);
      const others = yield* ranElsewhere(cpu, space, uncached);
      yield* kernel.calls.call(cpu, others, this.callNumber, index, 0, 0);
    }
    yield* spinUnlock(cpu, lock, uncached);
  }

  /** Function of a cross call: loads the number of a space if this CPU runs it. */
  *handle(cpu: Cpu, index: number): Steps {
    const kernel = this.kernel();
    const running = kernel.spaces.findIndex(({ root }) => root === cpu.hw.ctl[CTL.ROOT] >>> 0);
    if (running >= 0 && (index === EVERY_SPACE || index === running)) {
      const number = yield* cpu.loadPhysical(this.layout.numbersPa[running], 4, kernel.uncached);
      yield* cpu.setContext(kernel.spaces[running].root, number);
    }
    if (index !== EVERY_SPACE) return;
    // Numbers mean something else from here on.
    if (kernel.machine.platform.l1d.asidTagged) yield* kernel.caches.lines.everything(cpu);
    yield* cpu.tlbiLocal(TLBI_ALL, 0, 1, 0);
    yield* cpu.dsb();
    yield* cpu.isb();
  }

  /** The numbers have run out: every space gets a new one, and every CPU forgets what was made under any. */
  private *startAgain(cpu: Cpu): Steps {
    const { lastPa, numbersPa } = this.layout;
    const { uncached, spaces, calls } = this.kernel();
    for (const [i, pa] of numbersPa.entries()) yield* cpu.storePhysical(pa, i + 1, 4, uncached);
    yield* cpu.storePhysical(lastPa, spaces.length, 4, uncached);
    yield* cpu.dsb();
    yield* this.handle(cpu, EVERY_SPACE);
    yield* calls.call(cpu, otherProcessors(cpu), this.callNumber, EVERY_SPACE, 0, 0);
  }

  private *numberOf(cpu: Cpu, space: AddressSpace): Steps<number> {
    const { spaces, uncached } = this.kernel();
    return yield* cpu.loadPhysical(this.layout.numbersPa[spaces.indexOf(space)], 4, uncached);
  }

  /** The highest number there is; 0 is the kernel's. */
  private get highest(): number {
    return 2 ** this.kernel().machine.platform.mmu.tlb.asidBits - 1;
  }

  private get keepsDirtyLines(): boolean {
    const { organisation, asidTagged, write } = this.kernel().machine.platform.l1d;
    return organisation === 'vivt' && asidTagged && write === 'write-back';
  }
}
