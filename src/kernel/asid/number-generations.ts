/**
 * Numbers that are handed out in generations, as Linux/arm64 hands out ASIDs (arch/arm64/mm/context.c, read at
 * 00ed905ab8e5) and, since commits 417838392f2e "KVM: arm64: Introduce a new VMID allocator for KVM" and 3248136b3637
 * "KVM: arm64: Align the VMID allocation with the arm64 ASID" (v5.18), KVM/arm64 hands out VMIDs
 * (arch/arm64/kvm/vmid.c, read at 100b4f092f87): a bitmap of the numbers of this generation; each CPU says which number
 * it is using, and at a rollover those are carried over, so that nobody need be interrupted. What differs between the
 * two, when TLBs are flushed, is the caller's (`Rollover`).
 *
 * The fast path replaces the CPU's number only if no rollover has cleared it, as since commit a8ffaaa060b8 "arm64:
 * asid: Do not replace active_asids if already 0", found with a TLA+ model; before, it was exchanged in any case:
 * flaw `xchg-fast-path`. Interrupts are masked throughout, as the scheduler has them.
 */
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { spinLock, spinUnlock } from '../spin-lock.ts';
import { ASID_BITS, ASID_MASK, FIRST_GENERATION, isSameGeneration } from './generation.ts';
import type { GenerationWords } from './generation-words.ts';
import { NumberMap } from './number-map.ts';

/** What the two users do differently; each is called under the lock. */
export interface Rollover {
  /** A generation has ended, and what CPUs are using has been noted: no TLB entry of it may be used by a new owner. */
  flush(cpu: Cpu): Steps;
  /** A CPU is about to use a number that it has got under the lock. */
  beforeUse(cpu: Cpu): Steps;
  /** @param times how many rollovers there have been */
  rolledOver(times: number): void;
  /** Every number is in use by some CPU. */
  tooFew(cpu: Cpu): void;
}

/** `no-reserved`: at a rollover the numbers that CPUs are using are not carried over. */
export type GenerationFlaw = 'xchg-fast-path' | 'no-reserved' | '';

export class NumberGenerations {
  private readonly words: GenerationWords;
  private readonly numbers: NumberMap;
  private readonly uncached: boolean;
  private readonly rollover: Rollover;
  private readonly flaw: GenerationFlaw;

  /** @param last usable numbers: 1 to this */
  constructor(
    words: GenerationWords,
    last: number,
    uncached: boolean,
    rollover: Rollover,
    flaw: GenerationFlaw,
  ) {
    this.words = words;
    this.numbers = new NumberMap(words.mapPa, last, uncached);
    this.uncached = uncached;
    this.rollover = rollover;
    this.flaw = flaw;
  }

  /**
   * check_and_switch_context up to the switch, kvm_arm_vmid_update: a number that the owner may use on this CPU.
   * @param contextPa the owner's word
   * @returns number and generation
   */
  *take(cpu: Cpu, contextPa: number): Steps<number> {
    const id = yield* this.load(cpu, contextPa);
    if (yield* this.takeFast(cpu, id)) return id;
    return yield* this.takeSlow(cpu, contextPa);
  }

  /** kvm_arm_vmid_clear_active: this CPU uses no number, though no rollover has come. */
  release(cpu: Cpu): Steps<number> {
    return this.store(cpu, this.words.activePa[cpu.index], FIRST_GENERATION);
  }

  /** The number is of this generation, and no rollover has come since this CPU said which one it uses. */
  private *takeFast(cpu: Cpu, id: number): Steps<boolean> {
    const active = this.words.activePa[cpu.index];
    if (this.flaw === 'xchg-fast-path') {
      if (!isSameGeneration(id, yield* this.load(cpu, this.words.generationPa))) return false;
      return (yield* this.exchange(cpu, active, id)) !== 0;
    }
    const old = yield* this.load(cpu, active);
    if (old === 0 || !isSameGeneration(id, yield* this.load(cpu, this.words.generationPa))) return false;
    const found = yield* cpu.modifyPhysical(active, (now) => (now === old ? id : undefined), this.uncached);
    return found === old;
  }

  private *takeSlow(cpu: Cpu, contextPa: number): Steps<number> {
    const { words, uncached } = this;
    yield* spinLock(cpu, words.lock, uncached);
    let id = yield* this.load(cpu, contextPa);
    const generation = yield* this.load(cpu, words.generationPa);
    if (!isSameGeneration(id, generation)) {
      id = yield* this.newNumber(cpu, id, generation);
      yield* this.store(cpu, contextPa, id);
    }
    yield* this.rollover.beforeUse(cpu);
    yield* this.store(cpu, words.activePa[cpu.index], id);
    yield* spinUnlock(cpu, words.lock, uncached);
    return id;
  }

  /** new_context, new_vmid, under the lock: the old number if that can be had in this generation, or a free one. */
  private *newNumber(cpu: Cpu, old: number, generation: number): Steps<number> {
    const { words, numbers } = this;
    const number = old & ASID_MASK;
    if (old !== 0) {
      const renewed = generation | number;
      if (yield* this.updateReserved(cpu, old, renewed)) return renewed;
      if (yield* numbers.testAndSet(cpu, number)) return renewed;
    }
    let now = generation;
    let free = yield* numbers.findFree(cpu, yield* this.load(cpu, words.nextPa));
    if (free === 0) {
      now = yield* this.rollOver(cpu, generation);
      free = yield* numbers.findFree(cpu, 1);
      if (free === 0) this.rollover.tooFew(cpu);
    }
    yield* numbers.testAndSet(cpu, free);
    yield* this.store(cpu, words.nextPa, free);
    return now | free;
  }

  /** True if some CPU was using it at the last rollover; every such note is brought up to date. */
  private *updateReserved(cpu: Cpu, old: number, renewed: number): Steps<boolean> {
    let isReserved = false;
    for (const at of this.words.reservedPa) {
      if ((yield* this.load(cpu, at)) !== old) continue;
      isReserved = true;
      yield* this.store(cpu, at, renewed);
    }
    return isReserved;
  }

  /** flush_context, and the generation before it. @returns the new generation */
  private *rollOver(cpu: Cpu, generation: number): Steps<number> {
    const { words, rollover } = this;
    const next = (generation + FIRST_GENERATION) >>> 0;
    yield* this.store(cpu, words.generationPa, next);
    rollover.rolledOver((next >>> ASID_BITS) - 1);
    const kept: number[] = [];
    // The new generation is seen before any CPU's number is taken away: pairs with the fast path.
    yield* cpu.dmb();
    for (const [index, active] of words.activePa.entries()) {
      let id = yield* this.exchange(cpu, active, 0);
      // It has not switched since the last rollover: the note is all that is known of what it runs.
      if (id === 0) id = yield* this.load(cpu, words.reservedPa[index]);
      if (this.flaw === 'no-reserved') continue;
      kept.push(id & ASID_MASK);
      yield* this.store(cpu, words.reservedPa[index], id);
    }
    yield* this.numbers.setTo(cpu, kept);
    yield* rollover.flush(cpu);
    return next;
  }

  private load(cpu: Cpu, pa: number): Steps<number> {
    return cpu.loadPhysical(pa, 4, this.uncached);
  }

  private store(cpu: Cpu, pa: number, word: number): Steps<number> {
    return cpu.storePhysical(pa, word, 4, this.uncached);
  }

  private exchange(cpu: Cpu, pa: number, word: number): Steps<number> {
    return cpu.modifyPhysical(pa, () => word, this.uncached);
  }
}
