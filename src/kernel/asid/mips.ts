/**
 * The allocator of Linux/MIPS (arch/mips/include/asm/mmu_context.h, arch/mips/kernel/smp.c and arch/mips/mm/tlb-r4k.c
 * of 2.6.20 to 4.19): each CPU has its own counter of numbers with a generation above them (asid_cache), and each
 * address space a number for each CPU (cpu_context). A rollover is the affair of one CPU, which flushes its own TLB
 * (and its virtually tagged instruction cache) and tells nobody.
 *
 * A page is flushed by number on this CPU and by a cross call on the others; where the caller runs the only thread of
 * the space, nobody can be about to switch to it, and the others merely lose its number (cpu_context 0: a new one at
 * the next switch). Which CPUs run the space is not enough to decide that: flaw `zero-if-inactive`.
 *
 * MIPS refills its TLB by software, so nothing comes back between the flush of a rollover and the new number. Where
 * hardware walks, the old tables are taken away first; flaw `flush-in-place` leaves that out, as MIPS can.
 */
import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { Machine } from '../../machine/machine.ts';
import { TLBI_ALL, TLBI_VA } from '../../machine/tlb.ts';
import type { BootMemory } from '../boot-memory.ts';
import { type CallFunction, otherProcessors } from '../cross-call.ts';
import type { AllocatorKind, AllocatorParts, AsidAllocator, BootAsids } from './allocator.ts';
import { writeContext, writeReserved } from './context-registers.ts';
import { ASID_BITS, ASID_MASK, FIRST_GENERATION, isSameGeneration } from './generation.ts';
import type { TaggedSpace } from './tagged-space.ts';

const CALL_FLUSH_PAGE = 0;

export interface MipsWords {
  /** asid_cache, by CPU: generation and the number that was handed out last. */
  readonly cachePa: readonly number[];
  /** By CPU: index + 1 of the space that it runs (current->mm, and the bits of mm_cpumask). */
  readonly currentPa: readonly number[];
}

export const mips: AllocatorKind<MipsWords> = {
  name: 'mips',
  scope: 'per-cpu',
  lay: (boot: BootMemory) => ({
    cachePa: boot.machine.state.processors.map(() => boot.line()),
    currentPa: boot.machine.state.processors.map(() => boot.line()),
  }),
  boot: bootNumbers,
  create: (parts, words) => new Mips(parts, words),
};

/** mm_users of a space, in its line: how many threads it has. Two at boot, which may run anywhere. */
export function bootThreads(machine: Machine, { contextPa }: TaggedSpace, threads: number): void {
  machine.poke(contextPa, threads);
}

function bootNumbers(
  machine: Machine,
  { cachePa, currentPa }: MipsWords,
  spaces: readonly TaggedSpace[],
  _asids: number,
  { numbers, running }: BootAsids,
): void {
  for (const pa of cachePa) machine.poke(pa, FIRST_GENERATION | Math.max(0, ...numbers));
  for (const space of spaces) {
    bootThreads(machine, space, 2);
    const number = numbers[space.index];
    if (number !== 0) for (const pa of space.cpuContextPa) machine.poke(pa, FIRST_GENERATION | number);
  }
  for (const [cpu, space] of running.entries()) machine.poke(currentPa[cpu], space + 1);
}

class Mips implements AsidAllocator {
  readonly scope = 'per-cpu';
  readonly calls: readonly CallFunction[];
  private readonly parts: AllocatorParts;
  private readonly words: MipsWords;

  constructor(parts: AllocatorParts, words: MipsWords) {
    this.parts = parts;
    this.words = words;
    this.calls = [(cpu, space, va) => this.localFlushPage(cpu, parts.spaces[space], va)];
  }

  /** switch_mm: interrupts are masked throughout, so a flush comes before or after all of it. */
  *switchMm(cpu: Cpu, next: TaggedSpace): Steps {
    const { parts, words } = this;
    parts.invariants?.leaves(cpu);
    cpu.maskInterrupts();
    let id = yield* this.load(cpu, next.cpuContextPa[cpu.index]);
    if (!isSameGeneration(id, yield* this.load(cpu, words.cachePa[cpu.index]))) {
      id = yield* this.newContext(cpu, next);
    }
    yield* this.run(cpu, next, id);
    yield* this.store(cpu, words.currentPa[cpu.index], next.index + 1);
    cpu.unmaskInterrupts();
  }

  /** flush_tlb_page. */
  *flushTlbPage(cpu: Cpu, space: TaggedSpace, va: number): Steps {
    const { parts } = this;
    const { flaw, call } = parts;
    yield* cpu.dmb();
    const others = otherProcessors(cpu);
    if (flaw === 'zero-if-inactive') {
      const active: number[] = [];
      for (const other of others) {
        const runs = (yield* this.load(cpu, this.words.currentPa[other])) === space.index + 1;
        if (runs) active.push(other);
        else yield* this.store(cpu, space.cpuContextPa[other], 0);
      }
      yield* call(cpu, active, CALL_FLUSH_PAGE, space.index, va, 0);
    } else if (yield* this.hasOnlyThread(cpu, space)) {
      for (const other of others) yield* this.store(cpu, space.cpuContextPa[other], 0);
    } else yield* call(cpu, others, CALL_FLUSH_PAGE, space.index, va, 0);
    yield* this.localFlushPage(cpu, space, va);
  }

  /** The only thread of the space runs on this CPU (mm_users is 1 and current->mm is the space). */
  private *hasOnlyThread(cpu: Cpu, space: TaggedSpace): Steps<boolean> {
    if ((yield* this.load(cpu, space.contextPa)) !== 1) return false;
    return (yield* this.load(cpu, this.words.currentPa[cpu.index])) === space.index + 1;
  }

  /** local_flush_tlb_page: by the number that the space has on this CPU, if it has one. */
  private *localFlushPage(cpu: Cpu, space: TaggedSpace, va: number): Steps {
    cpu.maskInterrupts();
    const id = yield* this.load(cpu, space.cpuContextPa[cpu.index]);
    if (id !== 0) yield* cpu.tlbiLocal(TLBI_VA, va, 1, id & ASID_MASK);
    cpu.unmaskInterrupts();
  }

  /** get_new_mmu_context: interrupts are masked. */
  private *newContext(cpu: Cpu, space: TaggedSpace): Steps<number> {
    const { parts, words } = this;
    const cachePa = words.cachePa[cpu.index];
    let id = (yield* this.load(cpu, cachePa)) + 1;
    if ((id & ASID_MASK) > parts.asids) {
      id = ((id | ASID_MASK) + 2) >>> 0;
      parts.rolledOver((id >>> ASID_BITS) - 1);
      yield* this.flushAllHere(cpu);
    }
    yield* this.store(cpu, cachePa, id);
    yield* this.store(cpu, space.cpuContextPa[cpu.index], id);
    return id;
  }

  /** A new cycle of numbers: nothing of the last one is left on this CPU. */
  private *flushAllHere(cpu: Cpu): Steps {
    const { machine, registers, flaw } = this.parts;
    const { l1i, mmu } = machine.platform;
    if (l1i.organisation === 'vivt') yield* cpu.invalidateFetchAll();
    if (mmu.refill === 'hardware' && flaw !== 'flush-in-place') yield* writeReserved(cpu, registers);
    if (flaw !== 'no-flush') yield* cpu.tlbiLocal(TLBI_ALL, 0, 1, 0);
  }

  private run(cpu: Cpu, space: TaggedSpace, id: number): Steps {
    const number = id & ASID_MASK;
    return writeContext(cpu, this.parts.registers, space.root, number, () =>
      this.parts.invariants?.enters(cpu, {
        space,
        number,
        id,
        currentPa: space.cpuContextPa[cpu.index],
        mask: ASID_MASK,
        isExclusive: false,
      }),
    );
  }

  private load(cpu: Cpu, pa: number): Steps<number> {
    return cpu.loadPhysical(pa, 4, this.parts.uncached);
  }

  private store(cpu: Cpu, pa: number, word: number): Steps<number> {
    return cpu.storePhysical(pa, word, 4, this.parts.uncached);
  }
}
