/**
 * The allocator of Linux/SPARC (arch/sparc/mm/srmmu.c, read at 00c010e130e5): one table of contexts for the system,
 * whose entry says where the tables of the context are. Free contexts are in one list, used ones in another, in the
 * order in which they were given; when none is free, the oldest is taken from its space, whose caches and TLB entries
 * are flushed first, and which then has none (NO_CONTEXT).
 *
 * Two things are added. Linux takes the oldest unless the space that is being left has it, and does not ask whether
 * another CPU runs it: on the machines that it supports there are 256 contexts and more. With fewer this is wrong on
 * two CPUs (flaw `steal-running`, as Linux has it), so here a CPU says under the lock which space it is going to run,
 * and such a context is passed over. And the space that is left is out of the registers before, so that its context
 * may be taken while the CPU switches.
 *
 * Simplified: the MMU reads the entry of the context table when the context register is written, not at every walk.
 */
import { ASID_RULE } from '../../checker/asid-rules.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { TLBI_ASID, TLBI_VA } from '../../machine/tlb.ts';
import { ranElsewhere } from '../address-space.ts';
import type { CallFunction } from '../cross-call.ts';
import { spinLock, spinUnlock } from '../spin-lock.ts';
import type { AllocatorKind, AllocatorParts, AsidAllocator } from './allocator.ts';
import { appendContext, CONTEXT, firstContext, removeContext } from './context-lists.ts';
import { writeContext, writeReserved } from './context-registers.ts';
import { bootContexts, laySrmmu, NO_CONTEXT, type SrmmuWords } from './srmmu-words.ts';
import type { TaggedSpace } from './tagged-space.ts';

const CALL_FLUSH_PAGE = 0;
const CALL_FLUSH_MM = 1;

export const srmmu: AllocatorKind<SrmmuWords> = {
  name: 'srmmu',
  scope: 'global',
  lay: (boot, lock, asids) => laySrmmu(boot, lock('context'), asids),
  boot: bootContexts,
  create: (parts, words) => new Srmmu(parts, words),
};

class Srmmu implements AsidAllocator {
  readonly scope = 'global';
  readonly calls: readonly CallFunction[];
  private readonly parts: AllocatorParts;
  private readonly words: SrmmuWords;

  constructor(parts: AllocatorParts, words: SrmmuWords) {
    this.parts = parts;
    this.words = words;
    this.calls = [
      (cpu, space, va) => this.localFlushPage(cpu, parts.spaces[space], va),
      (cpu, space) => this.localFlushMm(cpu, parts.spaces[space]),
    ];
  }

  /**
   * switch_mm. Nothing masks the cross calls of SPARC; here they are taken where a CPU waits, and before or after the
   * rest, within which their place makes no difference.
   */
  *switchMm(cpu: Cpu, next: TaggedSpace): Steps {
    const { parts, words } = this;
    const { uncached, invariants, registers, flaw } = parts;
    invariants?.leaves(cpu);
    cpu.maskInterrupts();
    if (flaw !== 'steal-running') yield* writeReserved(cpu, registers);
    const isLocked = flaw !== 'unlocked';
    if (isLocked) yield* this.lock(cpu);
    const current = words.currentPa[cpu.index];
    const old = yield* this.load(cpu, current);
    yield* this.store(cpu, current, next.index + 1);
    const number = yield* this.contextOf(cpu, next, old);
    if (isLocked) yield* spinUnlock(cpu, words.lock, uncached);
    const bit = 1 << (cpu.index & 31);
    const mask = next.cpuMaskPa + (cpu.index >>> 5) * 4;
    yield* cpu.modifyPhysical(mask, (ran) => (ran | bit) >>> 0, uncached);
    const root = yield* this.load(cpu, words.tablePa + number * 4);
    yield* writeContext(cpu, registers, root, number, () =>
      invariants?.enters(cpu, {
        space: next,
        number,
        id: -1,
        currentPa: next.contextPa,
        mask: 0xffff_ffff,
        isExclusive: true,
      }),
    );
    cpu.unmaskInterrupts();
  }

  /** smp_flush_tlb_page: each CPU that has run the space flushes by the number that it has then. */
  *flushTlbPage(cpu: Cpu, space: TaggedSpace, va: number): Steps {
    yield* cpu.dmb();
    if ((yield* this.load(cpu, space.contextPa)) === NO_CONTEXT) return;
    yield* this.parts.call(
      cpu,
      yield* ranElsewhere(cpu, space, this.parts.uncached),
      CALL_FLUSH_PAGE,
      space.index,
      va,
      0,
    );
    yield* this.localFlushPage(cpu, space, va);
  }

  /**
   * destroy_context: the space has ended, and its context is free when nothing is found by it any more. Linux looks at
   * mm->context and writes the context table before it takes the lock, as if the context could not be taken from the
   * space meanwhile (flaw `destroy-unlocked`).
   */
  *destroyContext(cpu: Cpu, space: TaggedSpace): Steps {
    const { parts, words } = this;
    const { uncached, flaw, registers } = parts;
    const isLate = flaw === 'destroy-unlocked';
    cpu.maskInterrupts();
    if (!isLate) yield* this.lock(cpu);
    const number = yield* this.load(cpu, space.contextPa);
    if (number !== NO_CONTEXT) {
      yield* this.store(cpu, words.tablePa + number * 4, registers.reservedRoot);
      if (flaw !== 'free-unflushed') yield* this.flushMm(cpu, space);
      if (isLate) yield* this.lock(cpu);
      yield* removeContext(cpu, words.poolPa, number, uncached);
      yield* appendContext(cpu, words.poolPa, this.freeList, number, 0, uncached);
      yield* this.store(cpu, space.contextPa, NO_CONTEXT);
      if (isLate) yield* spinUnlock(cpu, words.lock, uncached);
    }
    if (!isLate) yield* spinUnlock(cpu, words.lock, uncached);
    cpu.unmaskInterrupts();
  }

  /** Takes the lock, for which this CPU waits with interrupts enabled: its holder may be waiting for this CPU. */
  private *lock(cpu: Cpu): Steps {
    cpu.unmaskInterrupts();
    yield* spinLock(cpu, this.words.lock, this.parts.uncached);
    cpu.maskInterrupts();
  }

  /** Under the lock. @param old index + 1 of the space that this CPU has run */
  private *contextOf(cpu: Cpu, next: TaggedSpace, old: number): Steps<number> {
    const { parts, words } = this;
    const has = yield* this.load(cpu, next.contextPa);
    if (has !== NO_CONTEXT) return has;
    const number = yield* this.allocate(cpu, old);
    if (number === NO_CONTEXT) return number;
    yield* appendContext(cpu, words.poolPa, CONTEXT.USED, number, next.index + 1, parts.uncached);
    yield* this.store(cpu, next.contextPa, number);
    yield* this.store(cpu, words.tablePa + number * 4, next.root);
    return number;
  }

  /** alloc_context: a context that is in no list. */
  private *allocate(cpu: Cpu, old: number): Steps<number> {
    const { parts, words } = this;
    const { uncached } = parts;
    const free = yield* firstContext(cpu, words.poolPa, this.freeList, uncached);
    if (free.number !== this.freeList) {
      yield* removeContext(cpu, words.poolPa, free.number, uncached);
      return free.number;
    }
    const spared = parts.flaw === 'steal-running' ? [old] : [old, ...(yield* this.running(cpu))];
    let oldest = yield* firstContext(cpu, words.poolPa, CONTEXT.USED, uncached);
    while (oldest.number !== CONTEXT.USED && spared.includes(oldest.owner)) {
      oldest = yield* firstContext(cpu, words.poolPa, oldest.number, uncached);
    }
    if (oldest.number === CONTEXT.USED) {
      parts.checker?.violated(cpu.hw, ASID_RULE.TOO_FEW, parts.asids, words.currentPa.length);
      return NO_CONTEXT;
    }
    yield* this.steal(cpu, oldest.number, parts.spaces[oldest.owner - 1]);
    return oldest.number;
  }

  private *steal(cpu: Cpu, number: number, from: TaggedSpace): Steps {
    const { parts, words } = this;
    const taken = (yield* this.load(cpu, words.takenPa)) + 1;
    parts.rolledOver(taken);
    yield* this.store(cpu, words.takenPa, taken);
    if (parts.flaw !== 'no-flush') yield* this.flushMm(cpu, from);
    yield* removeContext(cpu, words.poolPa, number, parts.uncached);
    yield* this.store(cpu, from.contextPa, NO_CONTEXT);
  }

  /** flush_cache_mm and flush_tlb_mm, on every CPU that has run the space. */
  private *flushMm(cpu: Cpu, space: TaggedSpace): Steps {
    const others = yield* ranElsewhere(cpu, space, this.parts.uncached);
    cpu.unmaskInterrupts();
    yield* this.parts.call(cpu, others, CALL_FLUSH_MM, space.index, 0, 0);
    cpu.maskInterrupts();
    yield* this.localFlushMm(cpu, space);
  }

  private *localFlushMm(cpu: Cpu, space: TaggedSpace): Steps {
    const number = yield* this.load(cpu, space.contextPa);
    if (number !== NO_CONTEXT) yield* cpu.tlbiLocal(TLBI_ASID, 0, 1, number);
  }

  private *localFlushPage(cpu: Cpu, space: TaggedSpace, va: number): Steps {
    const number = yield* this.load(cpu, space.contextPa);
    if (number !== NO_CONTEXT) yield* cpu.tlbiLocal(TLBI_VA, va, 1, number);
  }

  /** Index + 1 of each space that a CPU runs or is going to run. */
  private *running(cpu: Cpu): Steps<number[]> {
    const running: number[] = [];
    for (const at of this.words.currentPa) running.push(yield* this.load(cpu, at));
    return running;
  }

  /** Head of the list of free contexts. */
  private get freeList(): number {
    return this.parts.asids + 1;
  }

  private load(cpu: Cpu, pa: number): Steps<number> {
    return cpu.loadPhysical(pa, 4, this.parts.uncached);
  }

  private store(cpu: Cpu, pa: number, word: number): Steps<number> {
    return cpu.storePhysical(pa, word, 4, this.parts.uncached);
  }
}
