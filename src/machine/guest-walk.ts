/**
 * The hardware table walker while a guest runs: its tables hold intermediate addresses, so each of them is translated
 * by stage 2 before it is read, and so is the address that the last of them gives. What the TLB gets stands for both
 * stages. A TLB invalidate, an exit or an entry that comes meanwhile cancels the walk and it starts again.
 *
 * What stage 1 has to say of an access, its accessed and dirty bits included, comes before stage 2 is asked for the page
 * itself: its faults take precedence (Arm, "AArch64 memory model", combining stage 1 and stage 2 attributes; QEMU
 * target/arm/ptw.c, get_phys_addr_twostage). The walker's write of those bits is a write to stage 2 (RISC-V privileged
 * architecture, hypervisor extension, pseudoinstructions for guest-page faults; for Arm from memory).
 */
import { frameAddress, PTE } from './attributes.ts';
import type { CpuState } from './cpu-state.ts';
import type { Stage2Fault } from './faults.ts';
import type { Stage2Leaf } from './ipa-cache.ts';
import { PAGE_SHIFT } from './platform.ts';
import { CTL, GUEST_MMU, HCR_FWB } from './registers.ts';
import { Stage2 } from './stage2.ts';
import type { MachineState } from './state.ts';
import { ENTRY } from './tlb.ts';
import { CLEAN, CONFLICT, type FaultKind, FORBIDDEN, physical, type Translation } from './translation.ts';
import { combine, FLAT_PTE, refusal, stage1Types, walksUncached } from './two-stages.ts';
import type { GuestTable } from './walk-cache.ts';
import type { WalkResult } from './walk-steps.ts';

/** Why an access of a guest faults: at its own stage 1, or at stage 2. */
export type GuestFault = FaultKind | Stage2Fault;

/** One walk, from its beginning to a fault, a fill, or an end without either. */
interface Walk {
  readonly cpu: CpuState;
  readonly va: number;
  readonly write: boolean;
  readonly fetch: boolean;
  /** Nobody waits for it: it sets no bits and starts no second time. */
  readonly speculative: boolean;
  fault: GuestFault | undefined;
}

export class GuestWalk {
  private readonly m: MachineState;
  private readonly translation: Translation;
  private readonly stage2: Stage2;
  private readonly accessedDirty: MachineState['platform']['mmu']['accessedDirty'];

  /** @throws Error for a platform without virtualization */
  constructor(state: MachineState, translation: Translation) {
    const { virtualization, mmu, name } = state.platform;
    if (!virtualization) throw new Error(`${name}: no stage 2`);
    this.m = state;
    this.translation = translation;
    this.stage2 = new Stage2(state, translation, virtualization);
    this.accessedDirty = mmu.accessedDirty;
  }

  /**
   * Fills the TLB for an access of the guest whose lookup gave `code` (see Translation.lookup), in this step.
   * @returns why the access faults; undefined: it is filled
   */
  *resolve(
    cpu: CpuState,
    va: number,
    code: number,
    write: boolean,
    fetch: boolean,
  ): Generator<number, GuestFault | undefined, void> {
    if (code === CONFLICT) return 'conflict';
    if (code === FORBIDDEN) return this.forbidden(va, write, fetch);
    if (code === CLEAN && this.accessedDirty === 'software') return 'permission';
    const walk: Walk = { cpu, va, write, fetch, speculative: false, fault: undefined };
    for (;;) {
      yield 0;
      if (yield* this.attempt(walk)) return undefined;
      if (walk.fault === undefined) continue;
      this.translation.endWalk(cpu);
      return walk.fault;
    }
  }

  /** A walk that nobody waits for, all of it in one step. The CPU's lock is not held. */
  speculate(cpu: CpuState, va: number, fetch: boolean): void {
    const steps = this.attempt({ cpu, va, write: false, fetch, speculative: true, fault: undefined });
    while (steps.next().done !== true);
    this.translation.endWalk(cpu);
  }

  /** The entry that the lookup found forbids the access: stage 1 has the first word. */
  private forbidden(va: number, write: boolean, fetch: boolean): GuestFault {
    const { entry, entryTlb } = this.translation;
    const e = entryTlb.entries;
    const stage1 = e[entry + ENTRY.STAGE1_PTE];
    const forStore = PTE.WRITE | (this.accessedDirty === 'software' ? PTE.DIRTY : 0);
    const wanted = (write ? forStore : 0) | (fetch ? PTE.EXECUTE : 0);
    if ((stage1 & wanted) !== wanted) return 'permission';
    const ipa = physical(e[entry + ENTRY.IPA], e[entry + ENTRY.SIZE], va);
    return { ipa, va, write, fetch, kind: 'permission', tableRead: false };
  }

  /** Walks once. Returns true if the TLB is filled; otherwise `walk.fault` says why not, if anything does. */
  private *attempt(walk: Walk): Generator<number, boolean, void> {
    const { cpu, va } = walk;
    const known = this.translation.beginGuestWalkStep(cpu, va);
    if ((cpu.ctl[CTL.GUEST_CONTROL] & GUEST_MMU) === 0) {
      const flat = { pte: FLAT_PTE, ptePa: -1, pteVersion: 0 };
      return yield* this.output(walk, flat, flat.pte, va, 20);
    }
    let level = known?.level ?? 0;
    let ipa = known?.ipa ?? cpu.ctl[CTL.ROOT] >>> 0;
    let table: GuestTable | undefined = known;
    for (;;) {
      const entryIpa = this.translation.entryAddress(ipa, level, va);
      table ??= yield* this.tableAt(walk, ipa, level, entryIpa);
      if (!table) return false;
      yield 0;
      const found = this.readStep(walk, table, entryIpa);
      const isTable = (found.pte & PTE.TABLE) !== 0 && level < this.translation.depth;
      if ((found.pte & PTE.VALID) === 0 || !isTable)
        return yield* this.leaf(walk, table, entryIpa, level, found);
      ipa = frameAddress(found.pte);
      level++;
      table = undefined;
    }
  }

  /** Where the walker finds a table, or the part of one that it wants; undefined: nowhere, or it was cancelled. */
  private *tableAt(
    walk: Walk,
    ipa: number,
    level: number,
    entryIpa: number,
  ): Generator<number, GuestTable | undefined, void> {
    const { cpu, va } = walk;
    const leaf = yield* this.stage2.translate(cpu, va, entryIpa);
    if (!this.permits(walk, leaf, entryIpa, false)) return undefined;
    const generation = this.translation.generationOf(physical(leaf.pte, leaf.size, entryIpa));
    const table = { ipa, level, leaf, generation };
    if (level > 0) this.translation.noteGuestTable(cpu, va, table);
    return table;
  }

  /** Does stage 2 let the walker at a table of the guest? If not, and nothing cancelled the walk, that is its fault. */
  private permits(walk: Walk, leaf: Stage2Leaf, ipa: number, write: boolean): boolean {
    const { cpu, va } = walk;
    if (this.translation.isCancelled(cpu)) return false;
    const kind = refusal(leaf.pte, write, false);
    if (kind !== undefined) walk.fault = { ipa, va, write, fetch: false, kind, tableRead: true };
    else if (!this.translation.frameExists(leaf.pte, leaf.size)) walk.fault = 'bus';
    return walk.fault === undefined;
  }

  private readStep({ cpu, va }: Walk, { leaf, generation }: GuestTable, entryIpa: number): WalkResult {
    cpu.ctl[CTL.WALK_GENERATION] = generation;
    const entryPa = physical(leaf.pte, leaf.size, entryIpa);
    const found = this.translation.readEntryStep(cpu, va, entryPa, this.isUncached(cpu, leaf));
    // What a cancelled walk reads has no consequence.
    if (cpu.ctl[CTL.WALK_CANCELLED] === 0) this.m.check?.walkedThrough(cpu, va, entryIpa, leaf);
    return found;
  }

  private isUncached(cpu: CpuState, { pte }: Stage2Leaf): boolean {
    return walksUncached(pte, this.forcesWriteBack(cpu), cpu.ctl[CTL.GUEST_CONTROL]);
  }

  private forcesWriteBack(cpu: CpuState): boolean {
    return (cpu.ctl[CTL.HCR] & HCR_FWB) !== 0;
  }

  /** Stage 1 has come to its end. */
  private *leaf(
    walk: Walk,
    table: GuestTable,
    entryIpa: number,
    level: number,
    found: WalkResult,
  ): Generator<number, boolean, void> {
    const { cpu, va, write } = walk;
    if (this.translation.isCancelled(cpu)) return false;
    walk.fault = this.stage1Fault(walk, found.pte);
    if (walk.fault !== undefined) return false;
    const missing = this.missingBits(found.pte, write);
    if (missing === 0) {
      const size = this.translation.sizeOf(level);
      return yield* this.output(walk, found, found.pte, physical(found.pte, size, va), size);
    }
    if (walk.speculative || !this.permits(walk, table.leaf, entryIpa, true)) return false;
    yield 0;
    const before = found.pte;
    const now = this.translation.setBitsStep(cpu, found, missing, this.isUncached(cpu, table.leaf));
    // Somebody changed the entry between the read and the update: the walk is void.
    if ((now.pte | 0) !== (before | missing | 0)) return false;
    const size = this.translation.sizeOf(level);
    return yield* this.output(walk, now, now.pte, physical(now.pte, size, va), size);
  }

  private stage1Fault({ write, fetch, speculative }: Walk, pte: number): FaultKind | undefined {
    if ((pte & PTE.VALID) === 0) return 'translation';
    const isBySoftware = this.accessedDirty === 'software';
    if (isBySoftware && (pte & PTE.ACCESSED) === 0) return 'access-flag';
    if (speculative) return undefined;
    const isClean = isBySoftware && (pte & PTE.DIRTY) === 0;
    if (write && ((pte & PTE.WRITE) === 0 || isClean)) return 'permission';
    return fetch && (pte & PTE.EXECUTE) === 0 ? 'permission' : undefined;
  }

  /** Accessed and dirty bits that the walker itself must set in the guest's entry. */
  private missingBits(pte: number, write: boolean): number {
    if (this.accessedDirty !== 'hardware') return 0;
    return (PTE.ACCESSED | (write ? PTE.DIRTY : 0)) & ~pte;
  }

  /** Translates what stage 1 has given, and fills the TLB. @param size of the entry of stage 1, log2 of pages */
  private *output(
    walk: Walk,
    found: WalkResult,
    stage1: number,
    ipa: number,
    size: number,
  ): Generator<number, boolean, void> {
    const { cpu, va, write, fetch } = walk;
    const { translation } = this;
    const leaf = yield* this.stage2.translate(cpu, va, ipa);
    if (translation.isCancelled(cpu)) return false;
    // Without the right to do it, the entry is made all the same, and forbids it.
    const kind = refusal(leaf.pte, false, false);
    if (kind !== undefined) {
      walk.fault = { ipa, va, write, fetch, kind, tableRead: false };
      return false;
    }
    if (!translation.frameExists(leaf.pte, leaf.size)) {
      walk.fault = 'bus';
      return false;
    }
    const smaller = Math.min(size, leaf.size);
    const below = (1 << (smaller + PAGE_SHIFT)) - 1;
    const pa = physical(leaf.pte, leaf.size, ipa) & ~below;
    const isFlat = found.ptePa < 0;
    const typed = isFlat ? stage1 : stage1Types(stage1, cpu.ctl[CTL.GUEST_CONTROL], cpu.ctl[CTL.GUEST_TYPES]);
    const pte = combine(typed, leaf.pte, this.forcesWriteBack(cpu), pa);
    yield 0;
    const combined = { pte, ptePa: found.ptePa, pteVersion: found.pteVersion };
    return translation.fillGuestStep(cpu, va, smaller, combined, fetch, { stage1, leaf, ipa: ipa & ~below });
  }
}
