/**
 * The allocator of Linux/arm64, arch/arm64/mm/context.c (read at 00ed905ab8e5; since commit 5aec715d7d31 "arm64: mm:
 * rewrite ASID allocator and MM context switching code", and in arch/arm since v3.8): a bitmap of the numbers of
 * this generation; each CPU says which number it is using, and at a rollover those are carried over, so that nobody
 * need be interrupted. Each CPU flushes its TLB the next time that it takes the slow path.
 *
 * The fast path replaces the CPU's number only if no rollover has cleared it, as since commit a8ffaaa060b8 "arm64:
 * asid: Do not replace active_asids if already 0", found with a TLA+ model; before, it was exchanged in any case:
 * flaw `xchg-fast-path`. Interrupts are masked throughout, as the scheduler has them.
 */

import { ASID_RULE } from '../../checker/asid-rules.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { TLBI_ALL, TLBI_VA } from '../../machine/tlb.ts';
import { type CallFunction, otherProcessors } from '../cross-call.ts';
import { spinLock, spinUnlock } from '../spin-lock.ts';
import type { AllocatorKind, AllocatorParts, AsidAllocator } from './allocator.ts';
import { type Arm64Words, bootArm64Numbers, layArm64Words } from './arm64-words.ts';
import { writeContext } from './context-registers.ts';
import { ASID_BITS, ASID_MASK, FIRST_GENERATION, isSameGeneration } from './generation.ts';
import { NumberMap } from './number-map.ts';
import type { TaggedSpace } from './tagged-space.ts';

const CALL_FLUSH_PAGE = 0;

export const arm64Bitmap: AllocatorKind<Arm64Words> = {
  name: 'arm64-bitmap',
  scope: 'global',
  lay: layArm64Words,
  boot: bootArm64Numbers,
  create: (parts, words) => new Arm64Bitmap(parts, words),
};

class Arm64Bitmap implements AsidAllocator {
  readonly scope = 'global';
  readonly calls: readonly CallFunction[];
  private readonly parts: AllocatorParts;
  private readonly words: Arm64Words;
  private readonly numbers: NumberMap;

  constructor(parts: AllocatorParts, words: Arm64Words) {
    this.parts = parts;
    this.words = words;
    this.numbers = new NumberMap(words.mapPa, parts.asids, parts.uncached);
    this.calls = [(cpu, space, va) => this.flushHere(cpu, space, va)];
  }

  /** check_and_switch_context, then cpu_switch_mm. */
  *switchMm(cpu: Cpu, next: TaggedSpace): Steps {
    const { parts } = this;
    parts.invariants?.leaves(cpu);
    cpu.maskInterrupts();
    let id = yield* this.load(cpu, next.contextPa);
    if (!(yield* this.takeFast(cpu, id))) id = yield* this.takeSlow(cpu, next);
    const number = id & ASID_MASK;
    yield* writeContext(cpu, parts.registers, next.root, number, () =>
      parts.invariants?.enters(cpu, {
        space: next,
        number,
        id,
        currentPa: next.contextPa,
        mask: ASID_MASK,
        isExclusive: true,
      }),
    );
    cpu.unmaskInterrupts();
  }

  /** The number is of this generation, and no rollover has come since this CPU said which one it uses. */
  private *takeFast(cpu: Cpu, id: number): Steps<boolean> {
    const active = this.words.activePa[cpu.index];
    if (this.parts.flaw === 'xchg-fast-path') {
      if (!isSameGeneration(id, yield* this.load(cpu, this.words.generationPa))) return false;
      return (yield* this.exchange(cpu, active, id)) !== 0;
    }
    const old = yield* this.load(cpu, active);
    if (old === 0 || !isSameGeneration(id, yield* this.load(cpu, this.words.generationPa))) return false;
    const found = yield* cpu.modifyPhysical(
      active,
      (now) => (now === old ? id : undefined),
      this.parts.uncached,
    );
    return found === old;
  }

  private *takeSlow(cpu: Cpu, next: TaggedSpace): Steps<number> {
    const { parts, words } = this;
    yield* spinLock(cpu, words.lock, parts.uncached);
    let id = yield* this.load(cpu, next.contextPa);
    const generation = yield* this.load(cpu, words.generationPa);
    if (!isSameGeneration(id, generation)) {
      id = yield* this.newContext(cpu, id, generation);
      yield* this.store(cpu, next.contextPa, id);
    }
    yield* this.flushIfPending(cpu);
    yield* this.store(cpu, words.activePa[cpu.index], id);
    yield* spinUnlock(cpu, words.lock, parts.uncached);
    return id;
  }

  private *flushIfPending(cpu: Cpu): Steps {
    const at = this.words.pendingPa + (cpu.index >>> 5) * 4;
    const bit = 1 << (cpu.index & 31);
    if (((yield* this.load(cpu, at)) & bit) === 0) return;
    yield* cpu.modifyPhysical(at, (pending) => (pending & ~bit) >>> 0, this.parts.uncached);
    yield* cpu.tlbiLocal(TLBI_ALL, 0, 1, 0);
    yield* cpu.isb();
  }

  /** new_context, under the lock: the old number if that can be had in this generation, or a free one. */
  private *newContext(cpu: Cpu, old: number, generation: number): Steps<number> {
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
      if (free === 0) {
        const { parts } = this;
        parts.checker?.violated(
          cpu.hw,
          ASID_RULE.TOO_FEW,
          parts.asids,
          parts.machine.state.processors.length,
        );
      }
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
    const { words, parts } = this;
    const next = (generation + FIRST_GENERATION) >>> 0;
    yield* this.store(cpu, words.generationPa, next);
    parts.rolledOver((next >>> ASID_BITS) - 1);
    const kept: number[] = [];
    // The new generation is seen before any CPU's number is taken away: pairs with the fast path.
    yield* cpu.dmb();
    for (const [index, active] of words.activePa.entries()) {
      let id = yield* this.exchange(cpu, active, 0);
      // It has not switched since the last rollover: the note is all that is known of what it runs.
      if (id === 0) id = yield* this.load(cpu, words.reservedPa[index]);
      if (parts.flaw === 'no-reserved-asids') continue;
      kept.push(id & ASID_MASK);
      yield* this.store(cpu, words.reservedPa[index], id);
    }
    yield* this.numbers.setTo(cpu, kept);
    if (parts.flaw === 'no-flush-pending') return next;
    for (let word = 0; word * 32 < words.activePa.length; word++) {
      yield* this.store(cpu, words.pendingPa + word * 4, 0xffff_ffff);
    }
    return next;
  }

  *flushTlbPage(cpu: Cpu, space: TaggedSpace, va: number): Steps {
    const { machine, call } = this.parts;
    yield* cpu.dsb();
    if (!machine.platform.broadcast) {
      yield* this.flushHere(cpu, space.index, va);
      yield* call(cpu, otherProcessors(cpu), CALL_FLUSH_PAGE, space.index, va, 0);
      return;
    }
    const id = yield* this.load(cpu, space.contextPa);
    yield* cpu.tlbiBroadcast(TLBI_VA, va, 1, id & ASID_MASK);
    yield* cpu.dsb();
    yield* cpu.isb();
  }

  private *flushHere(cpu: Cpu, space: number, va: number): Steps {
    const id = yield* this.load(cpu, this.parts.spaces[space].contextPa);
    yield* cpu.tlbiLocal(TLBI_VA, va, 1, id & ASID_MASK);
    yield* cpu.isb();
  }

  private load(cpu: Cpu, pa: number): Steps<number> {
    return cpu.loadPhysical(pa, 4, this.parts.uncached);
  }

  private store(cpu: Cpu, pa: number, word: number): Steps<number> {
    return cpu.storePhysical(pa, word, 4, this.parts.uncached);
  }

  private exchange(cpu: Cpu, pa: number, word: number): Steps<number> {
    return cpu.modifyPhysical(pa, () => word, this.parts.uncached);
  }
}
