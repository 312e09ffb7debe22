/**
 * From a virtual to a physical address: TLB lookup in one step. What it does runs inside a step of its caller; the steps
 * of a table walk are in walk-steps.ts.
 */
import { attributesOf, frameAddress, PTE } from './attributes.ts';
import type { Coherence } from './coherence.ts';
import type { CpuState } from './cpu-state.ts';
import type { DataPort } from './data-port.ts';
import { EVENT } from './events.ts';
import type { MemorySide } from './memory-side.ts';
import { PAGE_SHIFT } from './platform.ts';
import { COUNT, CTL, MMU_STAGE1 } from './registers.ts';
import type { MachineState } from './state.ts';
import { ENTRY, permits, type Tlb } from './tlb.ts';
import { guestAttributes } from './two-stages.ts';
import type { VirtualCoherency } from './virtual-coherency.ts';
import { WalkSteps } from './walk-steps.ts';

/** Results of a lookup below zero. */
export const MISS = -1;
/** The entry is there and forbids the access. */
export const FORBIDDEN = -2;
/** Writable, but the dirty bit is not set yet. */
export const CLEAN = -3;
/** Two entries match and the platform raises an abort for it. */
export const CONFLICT = -4;

/** The line sits in the L2 under another virtual index. */
export const VIRTUAL_COHERENCY = -5;

/** Why an access faults. */
export type FaultKind = 'translation' | 'permission' | 'access-flag' | 'conflict' | 'bus';

export class Translation extends WalkSteps {
  /** Attributes of the last successful lookup, and where the entry is that it found (-1: no translation was in use). */
  attributes = 0;
  entry = -1;
  entryTlb: Tlb;
  /** Where an access may raise a virtual coherency exception. */
  aliases: VirtualCoherency | null = null;

  private readonly needsDirty: boolean;

  constructor(state: MachineState, port: DataPort, coherence: Coherence, memory: MemorySide) {
    super(state, port, coherence, memory);
    this.entryTlb = state.cpus[0].dtlb;
    this.needsDirty = state.platform.mmu.accessedDirty !== 'ignored';
  }

  /** Memory attribute of an access of this CPU through a TLB entry: in a guest, not that of the entry alone. */
  effectiveAttributes(cpu: CpuState, pte: number, fetch: boolean): number {
    if (cpu.ctl[CTL.GUEST] === 0) return attributesOf(pte);
    return guestAttributes(pte, cpu.ctl[CTL.GUEST_CONTROL], fetch);
  }

  /**
   * Looks an access up in the TLBs. The CPU's lock is held.
   * @param performs false: nothing is loaded, stored or fetched, so no virtual coherency exception is raised
   * @returns the physical address, or MISS, FORBIDDEN, CLEAN, CONFLICT, VIRTUAL_COHERENCY
   */
  lookup(cpu: CpuState, va: number, write: boolean, fetch: boolean, performs = true): number {
    this.m.events?.push(EVENT.LOOKUP, cpu.index, va, 0, 0);
    const regime = cpu.ctl[CTL.MMU_ON];
    if (regime === 0) {
      this.attributes = 0;
      this.entry = -1;
      return performs ? this.unlessAliased(cpu, va, va >>> 0, fetch) : va >>> 0;
    }
    let tlb = fetch ? cpu.itlb : cpu.dtlb;
    const vpn = va >>> PAGE_SHIFT;
    const asid = this.tagOf(cpu);
    let at = tlb.lookup(vpn, asid);
    if (at < 0) {
      cpu.count(COUNT.tlbMisses);
      at = this.refillFromSecond(cpu, tlb, vpn, asid);
      if (at < 0) {
        const common = cpu.ctl[CTL.COMMON] === 0 ? undefined : this.commonTlb(cpu, va, asid, fetch);
        if (!common) return MISS;
        tlb = common;
        at = tlb.lookup(vpn, asid);
      }
    } else {
      tlb.touch(at);
    }
    const e = tlb.entries;
    const second = tlb.secondMatch(vpn, asid, at);
    if (second >= 0) {
      const aborts = this.m.platform.mmu.tlb.multipleMatch === 'abort';
      if (aborts || !agree(e, at, second, va)) this.m.check?.multipleMatch(cpu, va);
      if (aborts) return CONFLICT;
    }
    const pte = e[at + ENTRY.PTE];
    this.entry = at;
    this.entryTlb = tlb;
    if (fetch && (pte & PTE.EXECUTE) === 0) return FORBIDDEN;
    if (!permits(pte, write, this.needsDirty)) return (pte & PTE.WRITE) === 0 ? FORBIDDEN : CLEAN;
    this.attributes = regime === MMU_STAGE1 ? attributesOf(pte) : this.effectiveAttributes(cpu, pte, fetch);
    const pa = physical(pte, e[at + ENTRY.SIZE], va);
    return performs ? this.unlessAliased(cpu, va, pa, fetch) : pa;
  }

  private unlessAliased(cpu: CpuState, va: number, pa: number, fetch: boolean): number {
    if (this.aliases === null) return pa;
    return this.aliases.raises(cpu, va, pa, this.attributes, fetch) ? VIRTUAL_COHERENCY : pa;
  }

  /**
   * TLB of another CPU that has an entry for a page, where both say that theirs are common. It is used where it
   * is, not copied: what invalidates it there is enough. On threads that take steps at the same time nobody looks
   * into another CPU's TLB, which hardware may do or not.
   */
  private commonTlb(cpu: CpuState, va: number, asid: number, fetch: boolean): Tlb | undefined {
    const { m } = this;
    if (m.threaded && !m.serialized) return undefined;
    for (const other of m.processors) {
      if (other === cpu) continue;
      m.events?.push(EVENT.LOOKUP, other.index, va, 0, 0);
      if (other.ctl[CTL.COMMON] === 0) continue;
      const tlb = fetch ? other.itlb : other.dtlb;
      if (tlb.lookup(va >>> PAGE_SHIFT, asid) >= 0) return tlb;
    }
    return undefined;
  }

  private refillFromSecond(cpu: CpuState, tlb: Tlb, vpn: number, asid: number): number {
    const second = cpu.tlb2;
    const from = second ? second.lookup(vpn, asid) : -1;
    if (!second || from < 0) return -1;
    second.touch(from);
    cpu.count(COUNT.secondTlbHits);
    cpu.ctl[CTL.TLB_CHANGES]++;
    cpu.charge(this.m.platform.costs.secondTlbHitCycles);
    const at = tlb.allocate(vpn, second.entries[from + ENTRY.ASID], second.entries[from + ENTRY.SIZE]);
    for (let i = 0; i < ENTRY.WORDS; i++) {
      if (i !== ENTRY.AGE) tlb.entries[at + i] = second.entries[from + i];
    }
    return at;
  }

  /** Tells the checker about the use of the translation that the last lookup found. */
  judge(cpu: CpuState, va: number, write: boolean, fetch: boolean): void {
    const { check } = this.m;
    if (!check || this.entry < 0) return;
    check.translated(cpu, va, write, fetch, this.entryTlb.entries, this.entry);
  }

  /** True if a store may go through an entry without a fault and without setting its dirty bit. */
  storeNeedsNothing(pte: number): boolean {
    return permits(pte, true, this.needsDirty);
  }
}

/** Where an address within an entry of `size` pages, as log2, goes. */
export function physical(pte: number, size: number, va: number): number {
  const below = (1 << (size + PAGE_SHIFT)) - 1;
  return ((frameAddress(pte) & ~below) | (va & below)) >>> 0;
}

/**
 * Do two entries translate alike, accessed and dirty bits aside? Where they do not, a processor that raises
 * no abort may use either, or both at once (Intel, "TLBs, Paging-Structure Caches, and Their Invalidation",
 * application note 317080: different frame or attributes, for instance permissions).
 */
function agree(e: Int32Array, one: number, other: number, va: number): boolean {
  const a = e[one + ENTRY.PTE];
  const b = e[other + ENTRY.PTE];
  const attributes = PTE.WRITE | PTE.EXECUTE | (3 << PTE.ATTRIBUTE_SHIFT);
  if (((a ^ b) & attributes) !== 0) return false;
  return physical(a, e[one + ENTRY.SIZE], va) === physical(b, e[other + ENTRY.SIZE], va);
}
