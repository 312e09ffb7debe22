/**
 * VMIDs: which number tags the TLB entries of a VM. Two allocators; how many numbers there are is a parameter, so that
 * they run out in a few steps.
 *
 * `bitmap` is KVM/arm64 since v5.18 (arch/arm64/kvm/vmid.c): the algorithm of its ASIDs (kernel/asid/
 * number-generations.ts), but a rollover flushes all CPUs at once, and a vCPU that is put gives its number up.
 *
 * `counter` is KVM/arm and KVM/arm64 before (virt/kvm/arm/arm.c, update_vttbr) and KVM/RISC-V (arch/riscv/kvm/vmid.c,
 * read at 063565aca373): numbers are handed out in order; at a rollover every CPU is made to leave its guest, all TLBs
 * are flushed, and no vCPU goes back before it has looked whether its VM's number is of this generation.
 */

import type { Checker } from '../checker/checker.ts';
import { VMID_RULE } from '../checker/vmid-rules.ts';
import { ASID_BITS, ASID_MASK, FIRST_GENERATION, isSameGeneration } from '../kernel/asid/generation.ts';
import {
  type BootNumbers,
  bootGenerations,
  type GenerationWords,
  layGenerations,
} from '../kernel/asid/generation-words.ts';
import { NumberGenerations, type Rollover } from '../kernel/asid/number-generations.ts';
import type { BootMemory } from '../kernel/boot-memory.ts';
import { otherProcessors } from '../kernel/cross-call.ts';
import { type SpinLock, spinLock, spinUnlock } from '../kernel/spin-lock.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { Stage2Fence } from './stage2-fence.ts';
import type { VmLayout } from './vm-layout.ts';

export type VmidScheme = 'bitmap' | 'counter';

/** What a wrong allocator does. */
export type VmidFlaw =
  /** A rollover flushes nothing. */
  | 'no-flush'
  /** `bitmap`: at a rollover the numbers of running vCPUs are not carried over. */
  | 'no-reserved'
  /** `counter`: a rollover lets vCPUs go on that are in the guest. */
  | 'no-exit';

/** The same words serve both schemes. */
export type VmidWords = GenerationWords;

export interface VmidParts {
  readonly words: VmidWords;
  /** Usable numbers: 1 to this. */
  readonly vmids: number;
  readonly fence: Stage2Fence;
  readonly checker: Checker | null;
  readonly uncached: boolean;
  readonly flaw?: VmidFlaw;
  /** Is told of each rollover, with how many there have been. */
  rolledOver?(times: number): void;
}

/** Hands numbers out. Called with interrupts enabled: a rollover may have to wait for other CPUs. */
export interface VmidAllocator {
  /** A number that the VM may use on this CPU, and its generation: the low bits are the number. */
  take(cpu: Cpu, vm: VmLayout): Steps<number>;
  /** True if a number that was taken may not be used any more, as far as this CPU can know. */
  isOld(cpu: Cpu, id: number): Steps<boolean>;
  /** A vCPU is put: this CPU uses no number. */
  release(cpu: Cpu): Steps;
}

/** @param vmids usable numbers */
export function layVmids(boot: BootMemory, lock: (name: string) => SpinLock, vmids: number): VmidWords {
  return layGenerations(boot, () => lock('VMID'), vmids);
}

/** The state that a run begins in. @param at `running`: index of the VM whose vCPU a CPU has loaded, -1 for none */
export function bootVmids(
  boot: BootMemory,
  words: VmidWords,
  vms: readonly VmLayout[],
  at: Pick<BootNumbers, 'numbers' | 'running'>,
): void {
  const contextPa = vms.map((vm) => vm.contextPa);
  bootGenerations(boot.machine, words, { contextPa, ...at });
  boot.machine.poke(words.nextPa, Math.max(1, ...at.numbers));
}

export function vmidAllocator(scheme: VmidScheme, parts: VmidParts): VmidAllocator {
  return scheme === 'bitmap' ? new BitmapVmids(parts) : new CounterVmids(parts);
}

class BitmapVmids implements VmidAllocator, Rollover {
  private readonly parts: VmidParts;
  private readonly numbers: NumberGenerations;

  constructor(parts: VmidParts) {
    this.parts = parts;
    const { words, vmids, uncached, flaw } = parts;
    const numberFlaw = flaw === 'no-reserved' ? flaw : '';
    this.numbers = new NumberGenerations(words, vmids, uncached, this, numberFlaw);
  }

  /** kvm_arm_vmid_update. */
  take(cpu: Cpu, { contextPa }: VmLayout): Steps<number> {
    return this.numbers.take(cpu, contextPa);
  }

  /** A number that a CPU has said that it uses is carried over. */
  *isOld(): Steps<boolean> {
    return false;
  }

  *release(cpu: Cpu): Steps {
    yield* this.numbers.release(cpu);
  }

  /** flush_context: by broadcast, where ASIDs leave it to each CPU, since VMIDs seldom run out. */
  *flush(cpu: Cpu): Steps {
    if (this.parts.flaw !== 'no-flush') yield* this.parts.fence.everything(cpu);
  }

  *beforeUse(): Steps {}

  rolledOver(times: number): void {
    this.parts.rolledOver?.(times);
  }

  tooFew(cpu: Cpu): void {
    const { checker, vmids } = this.parts;
    checker?.violated(cpu.hw, VMID_RULE.TOO_FEW, vmids, cpu.machine.state.processors.length);
  }
}

class CounterVmids implements VmidAllocator {
  private readonly parts: VmidParts;

  constructor(parts: VmidParts) {
    this.parts = parts;
  }

  /** update_vttbr. */
  *take(cpu: Cpu, { contextPa }: VmLayout): Steps<number> {
    const { words, uncached } = this.parts;
    const found = yield* cpu.loadPhysical(contextPa, 4, uncached);
    if (!(yield* this.isOld(cpu, found))) return found;
    yield* spinLock(cpu, words.lock, uncached);
    let id = yield* cpu.loadPhysical(contextPa, 4, uncached);
    // Another vCPU of the VM may have been here first.
    if (yield* this.isOld(cpu, id)) {
      id = yield* this.next(cpu);
      yield* cpu.storePhysical(contextPa, id, 4, uncached);
    }
    yield* spinUnlock(cpu, words.lock, uncached);
    return id;
  }

  *isOld(cpu: Cpu, id: number): Steps<boolean> {
    const { words, uncached } = this.parts;
    return !isSameGeneration(id, yield* cpu.loadPhysical(words.generationPa, 4, uncached));
  }

  /** No CPU is asked which number it uses. */
  *release(): Steps {}

  /** Under the lock. `nextPa` has the number that was handed out last. @returns number and generation */
  private *next(cpu: Cpu): Steps<number> {
    const { words, uncached, vmids } = this.parts;
    let generation = yield* cpu.loadPhysical(words.generationPa, 4, uncached);
    let last = yield* cpu.loadPhysical(words.nextPa, 4, uncached);
    if (last >= vmids) {
      generation = yield* this.rollOver(cpu, generation);
      last = 0;
    }
    yield* cpu.storePhysical(words.nextPa, last + 1, 4, uncached);
    return (generation | (last + 1)) >>> 0;
  }

  private *rollOver(cpu: Cpu, generation: number): Steps<number> {
    const { words, uncached, fence, flaw, rolledOver } = this.parts;
    const next = ((generation & ~ASID_MASK) + FIRST_GENERATION) >>> 0;
    yield* cpu.storePhysical(words.generationPa, next, 4, uncached);
    rolledOver?.((next >>> ASID_BITS) - 1);
    // Whoever enters a guest from now on sees the new generation, and waits for the lock.
    yield* cpu.dmb();
    if (flaw !== 'no-exit') yield* fence.leaveGuests(cpu, otherProcessors(cpu));
    if (flaw !== 'no-flush') yield* fence.everything(cpu);
    return next;
  }
}
