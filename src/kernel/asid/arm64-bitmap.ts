/**
 * The allocator of Linux/arm64, arch/arm64/mm/context.c (read at 00ed905ab8e5; since commit 5aec715d7d31 "arm64: mm:
 * rewrite ASID allocator and MM context switching code", and in arch/arm since v3.8): numbers with generations, and no
 * IPI at a rollover (number-generations.ts). Each CPU flushes its TLB the next time that it takes the slow path.
 */

import { ASID_RULE } from '../../checker/asid-rules.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { TLBI_ALL, TLBI_VA } from '../../machine/tlb.ts';
import { type CallFunction, otherProcessors } from '../cross-call.ts';
import type { AllocatorKind, AllocatorParts, AsidAllocator } from './allocator.ts';
import { type Arm64Words, bootArm64Numbers, layArm64Words } from './arm64-words.ts';
import { writeContext } from './context-registers.ts';
import { ASID_MASK } from './generation.ts';
import { type GenerationFlaw, NumberGenerations, type Rollover } from './number-generations.ts';
import type { TaggedSpace } from './tagged-space.ts';

const CALL_FLUSH_PAGE = 0;

/** Flaws of the numbers, by the names that scenarios give to them. */
const NUMBER_FLAWS: Readonly<Record<string, GenerationFlaw>> = {
  'xchg-fast-path': 'xchg-fast-path',
  'no-reserved-asids': 'no-reserved',
};

export const arm64Bitmap: AllocatorKind<Arm64Words> = {
  name: 'arm64-bitmap',
  scope: 'global',
  lay: layArm64Words,
  boot: bootArm64Numbers,
  create: (parts, words) => new Arm64Bitmap(parts, words),
};

class Arm64Bitmap implements AsidAllocator, Rollover {
  readonly scope = 'global';
  readonly calls: readonly CallFunction[];
  private readonly parts: AllocatorParts;
  private readonly words: Arm64Words;
  private readonly numbers: NumberGenerations;

  constructor(parts: AllocatorParts, words: Arm64Words) {
    this.parts = parts;
    this.words = words;
    const { asids, uncached, flaw } = parts;
    this.numbers = new NumberGenerations(words, asids, uncached, this, NUMBER_FLAWS[flaw] ?? '');
    this.calls = [(cpu, space, va) => this.flushHere(cpu, space, va)];
  }

  /** check_and_switch_context, then cpu_switch_mm. */
  *switchMm(cpu: Cpu, next: TaggedSpace): Steps {
    const { parts } = this;
    parts.invariants?.leaves(cpu);
    cpu.maskInterrupts();
    const id = yield* this.numbers.take(cpu, next.contextPa);
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

  rolledOver(times: number): void {
    this.parts.rolledOver(times);
  }

  tooFew(cpu: Cpu): void {
    const { asids, checker, machine } = this.parts;
    checker?.violated(cpu.hw, ASID_RULE.TOO_FEW, asids, machine.state.processors.length);
  }

  /** Nobody flushes now: each CPU will, before it uses a number that it takes under the lock. */
  *flush(cpu: Cpu): Steps {
    const { activePa, pendingPa } = this.words;
    if (this.parts.flaw === 'no-flush-pending') return;
    for (let word = 0; word * 32 < activePa.length; word++) {
      yield* cpu.storePhysical(pendingPa + word * 4, 0xffff_ffff, 4, this.parts.uncached);
    }
  }

  *beforeUse(cpu: Cpu): Steps {
    const { uncached } = this.parts;
    const at = this.words.pendingPa + (cpu.index >>> 5) * 4;
    const bit = 1 << (cpu.index & 31);
    if (((yield* cpu.loadPhysical(at, 4, uncached)) & bit) === 0) return;
    yield* cpu.modifyPhysical(at, (pending) => (pending & ~bit) >>> 0, uncached);
    yield* cpu.tlbiLocal(TLBI_ALL, 0, 1, 0);
    yield* cpu.isb();
  }

  *flushTlbPage(cpu: Cpu, space: TaggedSpace, va: number): Steps {
    const { machine, call, uncached } = this.parts;
    yield* cpu.dsb();
    if (!machine.platform.broadcast) {
      yield* this.flushHere(cpu, space.index, va);
      yield* call(cpu, otherProcessors(cpu), CALL_FLUSH_PAGE, space.index, va, 0);
      return;
    }
    const id = yield* cpu.loadPhysical(space.contextPa, 4, uncached);
    yield* cpu.tlbiBroadcast(TLBI_VA, va, 1, id & ASID_MASK);
    yield* cpu.dsb();
    yield* cpu.isb();
  }

  private *flushHere(cpu: Cpu, space: number, va: number): Steps {
    const id = yield* cpu.loadPhysical(this.parts.spaces[space].contextPa, 4, this.parts.uncached);
    yield* cpu.tlbiLocal(TLBI_VA, va, 1, id & ASID_MASK);
    yield* cpu.isb();
  }
}
