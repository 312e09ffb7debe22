/**
 * The allocator of Linux/x86 (arch/x86/mm/tlb.c of v6.17.5): each CPU keeps the entries of the few address spaces
 * that it ran last, in slots that it gives away in turn. A flush adds one to the generation of the space (tlb_gen)
 * and interrupts the CPUs that run it; a slot says which generation its entries have caught up with, and a CPU that
 * comes back to a space with an older slot flushes that slot first.
 *
 * Either a flush sees that a CPU is switching to the space, or the switch sees the generation of the flush: the CPU
 * says that it switches (loaded_mm is LOADED_MM_SWITCHING) and that it may have run the space (mm_cpumask) before it
 * reads the generation. Flaws, each a bug that was there:
 * - `skip-switching`: a flush takes a CPU that switches for one that runs something else (fea4e317f9e7 "x86/mm:
 *   Eliminate window where TLB flushes may be inadvertently skipped")
 * - `switching-late`: the CPU says so after it has read the generation (stable trees up to v6.12, Stephen Dolan in the
 *   thread of the next)
 * - `switching-buffered`: it says so before, with no barrier in between where its bit is in mm_cpumask already
 *   (83b0177a6c48 "x86/mm: Fix SMP ordering in switch_mm_irqs_off()")
 * - `mark-late`: a flush asks who runs the space before it has left its mark (FreeBSD EN-22:04.pcid, where the mark is
 *   pm_gen = 0 and it is r362031 that moved it)
 *
 * Number n is slot n - 1, as kern_pcid has it. Simplified: mm_cpumask loses a CPU only when it answers a flush in vain.
 */
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { TLBI_ASID, TLBI_VA } from '../../machine/tlb.ts';
import { ranOn } from '../address-space.ts';
import type { CallFunction } from '../cross-call.ts';
import type { AllocatorKind, AllocatorParts, AsidAllocator } from './allocator.ts';
import { RESERVED_ASID, writeContext, writeReserved } from './context-registers.ts';
import type { TaggedSpace } from './tagged-space.ts';
import { bootSlots, laySlots, STATE, SWITCHING, type X86PcidWords } from './x86-tlbstate.ts';

const CALL_FLUSH_PAGE = 0;

export const x86Pcid: AllocatorKind<X86PcidWords> = {
  name: 'x86-pcid',
  scope: 'per-cpu',
  lay: (boot, _lock, asids) => laySlots(boot, asids),
  boot: bootSlots,
  create: (parts, words) => new X86Pcid(parts, words),
};

/** Which number, and whether its entries must go first. */
interface Chosen {
  readonly number: number;
  readonly mustFlush: boolean;
}

class X86Pcid implements AsidAllocator {
  readonly scope = 'per-cpu';
  readonly calls: readonly CallFunction[];
  private readonly parts: AllocatorParts;
  private readonly words: X86PcidWords;
  private rounds = 0;

  constructor(parts: AllocatorParts, words: X86PcidWords) {
    this.parts = parts;
    this.words = words;
    this.calls = [(cpu, space, va, generation) => this.flushRemote(cpu, parts.spaces[space], va, generation)];
  }

  /** switch_mm_irqs_off. */
  *switchMm(cpu: Cpu, next: TaggedSpace): Steps {
    const state = this.words.statePa[cpu.index];
    cpu.maskInterrupts();
    const loaded = yield* this.load(cpu, state + STATE.LOADED_MM);
    const wasLazy = (yield* this.load(cpu, state + STATE.IS_LAZY)) !== 0;
    if (wasLazy) yield* this.store(cpu, state + STATE.IS_LAZY, 0);
    if (loaded !== next.index + 1) yield* this.change(cpu, next);
    else if (wasLazy) yield* this.catchUp(cpu, next);
    cpu.unmaskInterrupts();
  }

  /** enter_lazy_tlb: a kernel thread runs on the tables that are there; flushes leave this CPU out. */
  *enterLazy(cpu: Cpu): Steps {
    yield* this.store(cpu, this.words.statePa[cpu.index] + STATE.IS_LAZY, 1);
  }

  /** The space is loaded already, but flushes that came while this CPU was lazy have left it out. */
  private *catchUp(cpu: Cpu, space: TaggedSpace): Steps {
    const number = yield* this.load(cpu, this.words.statePa[cpu.index] + STATE.LOADED_NUMBER);
    // Either the flush sees that this CPU is not lazy any more, or this CPU sees the generation of the flush.
    yield* cpu.dmb();
    const generation = yield* this.load(cpu, space.contextPa);
    const slot = this.slotPa(cpu, number);
    if ((yield* this.load(cpu, slot + 4)) === generation) return;
    yield* this.store(cpu, slot + 4, generation);
    this.parts.invariants?.leaves(cpu);
    yield* this.writeCr3(cpu, space, { number, mustFlush: true });
  }

  private *change(cpu: Cpu, next: TaggedSpace): Steps {
    const { flaw, invariants } = this.parts;
    const state = this.words.statePa[cpu.index];
    invariants?.leaves(cpu);
    const isLate = flaw === 'switching-late';
    if (!isLate) yield* this.store(cpu, state + STATE.LOADED_MM, SWITCHING);
    yield* this.enterMask(cpu, next);
    const generation = yield* this.load(cpu, next.contextPa);
    const chosen = yield* this.choose(cpu, next, generation);
    if (isLate) yield* this.store(cpu, state + STATE.LOADED_MM, SWITCHING);
    if (chosen.mustFlush) {
      const slot = this.slotPa(cpu, chosen.number);
      yield* this.store(cpu, slot, next.index + 1);
      yield* this.store(cpu, slot + 4, generation);
    }
    yield* this.writeCr3(cpu, next, chosen);
    yield* this.store(cpu, state + STATE.LOADED_MM, next.index + 1);
    yield* this.store(cpu, state + STATE.LOADED_NUMBER, chosen.number);
  }

  /** Flushes of the space are sent here from now on: a full barrier, whether or not they have been all along. */
  private *enterMask(cpu: Cpu, { cpuMaskPa }: TaggedSpace): Steps {
    const { uncached, flaw } = this.parts;
    const at = cpuMaskPa + (cpu.index >>> 5) * 4;
    const bit = 1 << (cpu.index & 31);
    if (((yield* this.load(cpu, at)) & bit) === 0) {
      yield* cpu.modifyPhysical(at, (old) => (old | bit) >>> 0, uncached);
    } else if (flaw !== 'switching-buffered') yield* cpu.dmb();
  }

  /** choose_new_asid: the slot that the space has, or the next one in turn. */
  private *choose(cpu: Cpu, { index }: TaggedSpace, generation: number): Steps<Chosen> {
    const { parts } = this;
    for (let number = 1; number <= parts.asids; number++) {
      const slot = this.slotPa(cpu, number);
      if ((yield* this.load(cpu, slot)) !== index + 1) continue;
      const caughtUp = yield* this.load(cpu, slot + 4);
      return { number, mustFlush: caughtUp < generation };
    }
    const nextPa = this.words.statePa[cpu.index] + STATE.NEXT;
    const given = yield* this.load(cpu, nextPa);
    if (given >= parts.asids) parts.rolledOver(++this.rounds);
    const number = given >= parts.asids ? 1 : given + 1;
    yield* this.store(cpu, nextPa, number);
    return { number, mustFlush: parts.flaw !== 'no-flush' };
  }

  /** A write to CR3 flushes the entries of the new number in the same step, unless bit 63 says that they may stay. */
  private writeCr3(cpu: Cpu, space: TaggedSpace, { number, mustFlush }: Chosen): Steps {
    const { parts } = this;
    return writeContext(cpu, parts.registers, space.root, number, () => {
      if (mustFlush) cpu.machine.tlb.localStep(cpu.hw, TLBI_ASID, 0, 1, number);
      parts.invariants?.enters(cpu, { space, number, id: -1, currentPa: 0, mask: 0, isExclusive: false });
    });
  }

  /** flush_tlb_mm_range. */
  *flushTlbPage(cpu: Cpu, space: TaggedSpace, va: number): Steps {
    const { parts } = this;
    const { uncached, flaw } = parts;
    const asksFirst = flaw === 'mark-late';
    const early = asksFirst ? yield* this.whoRuns(cpu, space) : [];
    const generation = (yield* cpu.modifyPhysical(space.contextPa, (old) => (old + 1) >>> 0, uncached)) + 1;
    const state = this.words.statePa[cpu.index];
    cpu.maskInterrupts();
    if ((yield* this.load(cpu, state + STATE.LOADED_MM)) === space.index + 1) {
      yield* this.flushHere(cpu, space, va, generation);
    }
    cpu.unmaskInterrupts();
    const targets = asksFirst ? early : yield* this.whoRuns(cpu, space);
    yield* parts.call(cpu, targets, CALL_FLUSH_PAGE, space.index, va, generation);
  }

  /** native_flush_tlb_multi and should_flush_tlb: other CPUs that may use entries of the space before they switch. */
  private *whoRuns(cpu: Cpu, space: TaggedSpace): Steps<number[]> {
    const { uncached, flaw } = this.parts;
    const targets: number[] = [];
    for (const other of yield* ranOn(cpu, space, uncached)) {
      if (other === cpu.index) continue;
      const state = this.words.statePa[other];
      const loaded = yield* this.load(cpu, state + STATE.LOADED_MM);
      if ((yield* this.load(cpu, state + STATE.IS_LAZY)) !== 0) continue;
      const isSwitching = loaded === SWITCHING && flaw !== 'skip-switching';
      if (isSwitching || loaded === space.index + 1) targets.push(other);
    }
    return targets;
  }

  /** flush_tlb_func on a CPU that was interrupted for it. */
  private *flushRemote(cpu: Cpu, space: TaggedSpace, va: number, generation: number): Steps {
    const { uncached } = this.parts;
    const state = this.words.statePa[cpu.index];
    if ((yield* this.load(cpu, state + STATE.LOADED_MM)) !== space.index + 1) {
      const at = space.cpuMaskPa + (cpu.index >>> 5) * 4;
      const bit = 1 << (cpu.index & 31);
      yield* cpu.modifyPhysical(at, (old) => (old & ~bit) >>> 0, uncached);
    } else if ((yield* this.load(cpu, state + STATE.IS_LAZY)) !== 0) yield* this.leaveMm(cpu);
    else yield* this.flushHere(cpu, space, va, generation);
  }

  /** Catches up with the generation of the space: by the page if that is all that has been missed. */
  private *flushHere(cpu: Cpu, space: TaggedSpace, va: number, asked: number): Steps {
    const number = yield* this.load(cpu, this.words.statePa[cpu.index] + STATE.LOADED_NUMBER);
    // Read before the flush: what changes afterwards is another flush's affair.
    const newest = yield* this.load(cpu, space.contextPa);
    const slot = this.slotPa(cpu, number);
    const local = yield* this.load(cpu, slot + 4);
    if (local === newest) return;
    const isNext = asked === local + 1 && asked === newest;
    yield* cpu.tlbiLocal(isNext ? TLBI_VA : TLBI_ASID, isNext ? va : 0, 1, number);
    yield* this.store(cpu, slot + 4, newest);
  }

  /** leave_mm: a lazy CPU that is asked to flush changes to tables that map nothing of a user's. */
  private *leaveMm(cpu: Cpu): Steps {
    const state = this.words.statePa[cpu.index];
    this.parts.invariants?.leaves(cpu);
    yield* writeReserved(cpu, this.parts.registers);
    yield* this.store(cpu, state + STATE.LOADED_MM, 0);
    yield* this.store(cpu, state + STATE.LOADED_NUMBER, RESERVED_ASID);
  }

  private slotPa({ index }: Cpu, number: number): number {
    return this.words.slotsPa[index] + number * 8;
  }

  private load(cpu: Cpu, pa: number): Steps<number> {
    return cpu.loadPhysical(pa, 4, this.parts.uncached);
  }

  private store(cpu: Cpu, pa: number, word: number): Steps<number> {
    return cpu.storePhysical(pa, word, 4, this.parts.uncached);
  }
}
