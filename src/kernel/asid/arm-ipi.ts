/**
 * The allocator of Linux/ARM up to v3.7, arch/arm/mm/context.c and arch/arm/include/asm/mmu_context.h: one counter of
 * numbers with a generation above them, and at a rollover an IPI that makes every CPU flush its TLB and take a new
 * number for what it runs. Read as of v3.6 (in trees made from it) and, with check_context in place of
 * check_and_switch_context, as of v3.4. `switchMm` is the later one: context_switch calls it with interrupts masked,
 * and a new number is taken with interrupts enabled (switch_new_context, after the switch), since its rollover waits
 * for the others. Up to v3.4 check_context and cpu_switch_mm had interrupts enabled throughout: flaw `switch-between`.
 *
 * As published it breaks a rule on three CPUs and more (variant third-cpu of asid-rollover). The counter has the new
 * generation before any IPI is sent. One CPU has had its IPI, so the space that it runs has a number of the new
 * generation; another one, whose IPI is still pending, switches to that space (a thread of the same process), finds
 * the generation of the counter, and writes the number with a TLB that is not flushed. The comment above check_context
 * in v3.4 says why that could not be: its CPU has interrupts enabled, so it has its own IPI before it can see such a
 * number; which supposes that the IPI comes to all CPUs at once. From v3.5 on the same test is made with interrupts
 * masked. Nothing of the wrong space's is used by the program there: the IPI is taken, and the TLB flushed, when
 * interrupts are enabled again, before the task goes on; but until then the hardware has the number and the entries.
 * It cannot be where no space runs on two CPUs. Since v3.8 (b5466f872852 "ARM: mm: remove IPI broadcasting on ASID
 * rollover") there is no IPI.
 *
 * Simplified: set_mm_context checks and sets under mm->context.id_lock, here that is one atomic; which CPUs have run
 * a space is not kept, so a flush without broadcasts calls all of them. From v3.5 on a reserved table base is set
 * before the generation is looked at; here that is left to the order in which registers are written.
 */

import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { Machine } from '../../machine/machine.ts';
import { TLBI_ALL, TLBI_VA } from '../../machine/tlb.ts';
import type { BootMemory } from '../boot-memory.ts';
import { type CallFunction, otherProcessors } from '../cross-call.ts';
import { type SpinLock, spinLock, spinUnlock } from '../spin-lock.ts';
import type { AllocatorKind, AllocatorParts, AsidAllocator, BootAsids } from './allocator.ts';
import { writeContext, writeReserved } from './context-registers.ts';
import { ASID_BITS, ASID_MASK, FIRST_GENERATION, isSameGeneration } from './generation.ts';
import type { TaggedSpace } from './tagged-space.ts';

/** Functions of cross calls. */
const CALL_RESET = 0;
const CALL_FLUSH_PAGE = 1;

export interface ArmIpiWords {
  /** cpu_last_asid: generation and the number that was handed out last. */
  readonly lastPa: number;
  readonly lock: SpinLock;
  /** By CPU: index + 1 of the space that it runs or is switching to (current->active_mm). */
  readonly currentPa: readonly number[];
}

export const armIpi: AllocatorKind<ArmIpiWords> = {
  name: 'arm-ipi',
  scope: 'global',
  lay: (boot: BootMemory, lock) => ({
    lastPa: boot.line(),
    lock: lock('ASID'),
    currentPa: boot.machine.state.processors.map(() => boot.line()),
  }),
  boot: bootNumbers,
  create: (parts, words) => new ArmIpi(parts, words),
};

function bootNumbers(
  machine: Machine,
  { lastPa, currentPa }: ArmIpiWords,
  spaces: readonly TaggedSpace[],
  _asids: number,
  { numbers, running }: BootAsids,
): void {
  machine.poke(lastPa, FIRST_GENERATION | Math.max(0, ...numbers));
  for (const { index, contextPa } of spaces) {
    if (numbers[index] !== 0) machine.poke(contextPa, FIRST_GENERATION | numbers[index]);
  }
  for (const [cpu, space] of running.entries()) machine.poke(currentPa[cpu], space + 1);
}

class ArmIpi implements AsidAllocator {
  readonly scope = 'global';
  readonly calls: readonly CallFunction[];
  private readonly parts: AllocatorParts;
  private readonly words: ArmIpiWords;

  constructor(parts: AllocatorParts, words: ArmIpiWords) {
    this.parts = parts;
    this.words = words;
    this.calls = [(cpu) => this.resetContext(cpu), (cpu, space, va) => this.flushHere(cpu, space, va)];
  }

  *switchMm(cpu: Cpu, next: TaggedSpace): Steps {
    const { parts, words } = this;
    parts.invariants?.leaves(cpu);
    const masks = parts.flaw !== 'switch-between';
    if (masks) cpu.maskInterrupts();
    yield* cpu.storePhysical(words.currentPa[cpu.index], next.index + 1, 4, parts.uncached);
    let id = yield* this.readId(cpu, next);
    if (!isSameGeneration(id, yield* cpu.loadPhysical(words.lastPa, 4, parts.uncached))) {
      // A rollover waits for every CPU, which must be able to answer meanwhile.
      if (masks) cpu.unmaskInterrupts();
      yield* this.newContext(cpu, next);
      if (masks) cpu.maskInterrupts();
      id = yield* this.readId(cpu, next);
    }
    yield* this.cpuSwitchMm(cpu, next, id);
    if (masks) cpu.unmaskInterrupts();
  }

  *flushTlbPage(cpu: Cpu, space: TaggedSpace, va: number): Steps {
    const { machine, call } = this.parts;
    if (machine.platform.broadcast) {
      yield* cpu.dsb();
      const id = yield* this.readId(cpu, space);
      yield* cpu.tlbiBroadcast(TLBI_VA, va, 1, id & ASID_MASK);
      yield* cpu.dsb();
      yield* cpu.isb();
      return;
    }
    yield* cpu.dmb();
    yield* this.flushHere(cpu, space.index, va);
    yield* call(cpu, otherProcessors(cpu), CALL_FLUSH_PAGE, space.index, va, 0);
  }

  /** Which number the space has is read by each CPU when it flushes. */
  private *flushHere(cpu: Cpu, space: number, va: number): Steps {
    const id = yield* this.readId(cpu, this.parts.spaces[space]);
    yield* cpu.tlbiLocal(TLBI_VA, va, 1, id & ASID_MASK);
    yield* cpu.isb();
  }

  private readId(cpu: Cpu, { contextPa }: TaggedSpace): Steps<number> {
    return cpu.loadPhysical(contextPa, 4, this.parts.uncached);
  }

  /** cpu_switch_mm: interrupts are masked, or the number may be an old one by the time that it is written. */
  private cpuSwitchMm(cpu: Cpu, space: TaggedSpace, id: number): Steps {
    const number = id & ASID_MASK;
    return writeContext(cpu, this.parts.registers, space.root, number, () =>
      this.parts.invariants?.enters(cpu, {
        space,
        number,
        id,
        currentPa: space.contextPa,
        mask: ASID_MASK,
        isExclusive: false,
      }),
    );
  }

  /** __new_context. Interrupts are enabled: whoever waits for the lock answers the call of its holder. */
  private *newContext(cpu: Cpu, space: TaggedSpace): Steps {
    const { parts, words } = this;
    const { uncached, asids, flaw } = parts;
    const isMasked = flaw === 'irqs-masked';
    if (isMasked) cpu.maskInterrupts();
    yield* spinLock(cpu, words.lock, uncached);
    const id = yield* this.readId(cpu, space);
    const last = yield* cpu.loadPhysical(words.lastPa, 4, uncached);
    if (!isSameGeneration(id, last)) {
      let asid = last + 1;
      const number = asid & ASID_MASK;
      if (number === 0 || number > asids) asid = yield* this.rollOver(cpu, last);
      else yield* cpu.storePhysical(words.lastPa, asid, 4, uncached);
      yield* this.setMmContext(cpu, space, asid);
    }
    yield* spinUnlock(cpu, words.lock, uncached);
    if (isMasked) cpu.unmaskInterrupts();
  }

  /** @returns number and generation for what this CPU switches to */
  private *rollOver(cpu: Cpu, last: number): Steps<number> {
    const { parts, words } = this;
    const first = ((last | ASID_MASK) + 1) >>> 0;
    parts.rolledOver((first >>> ASID_BITS) - 1);
    yield* cpu.storePhysical(words.lastPa, first, 4, parts.uncached);
    yield* this.flushContext(cpu);
    yield* cpu.dmb();
    if (parts.flaw !== 'no-ipi') yield* parts.call(cpu, otherProcessors(cpu), CALL_RESET, 0, 0, 0);
    yield* cpu.storePhysical(words.lastPa, first + parts.machine.state.processors.length, 4, parts.uncached);
    return first + cpu.index + 1;
  }

  /** flush_context: nothing that a walk makes afterwards carries a number of the last generation. */
  private *flushContext(cpu: Cpu): Steps {
    const { registers, flaw } = this.parts;
    if (flaw === 'flush-before-reserved') yield* cpu.tlbiLocal(TLBI_ALL, 0, 1, 0);
    yield* writeReserved(cpu, registers);
    if (flaw === 'flush-before-reserved' || flaw === 'ipi-no-flush') return;
    yield* cpu.tlbiLocal(TLBI_ALL, 0, 1, 0);
    yield* cpu.isb();
  }

  /** reset_context: a new number for what this CPU runs, from the CPU that rolls over. */
  private *resetContext(cpu: Cpu): Steps {
    const { parts, words } = this;
    const { uncached } = parts;
    const current = yield* cpu.loadPhysical(words.currentPa[cpu.index], 4, uncached);
    if (current === 0) return;
    const space = parts.spaces[current - 1];
    parts.invariants?.leaves(cpu);
    const first = yield* cpu.loadPhysical(words.lastPa, 4, uncached);
    yield* this.flushContext(cpu);
    yield* this.setMmContext(cpu, space, first + cpu.index + 1);
    yield* this.cpuSwitchMm(cpu, space, yield* this.readId(cpu, space));
  }

  /** set_mm_context: threads of one process may be given a number on several CPUs; the first one counts. */
  private *setMmContext(cpu: Cpu, { contextPa }: TaggedSpace, asid: number): Steps {
    yield* cpu.modifyPhysical(
      contextPa,
      (old) => (isSameGeneration(old, asid) ? undefined : asid),
      this.parts.uncached,
    );
  }
}
