/**
 * The translations that a CPU's bulk runs have in use: a page is looked up in the TLB once, and known until
 * the TLBs or the context change. They say what the TLB would say, and never more.
 *
 * A key is found by a word's page and kind, and holds in one word what has to be compared and what to make
 * the physical address from.
 */
import { ATTRIBUTE_NORMAL } from './attributes.ts';
import type { CpuState } from './cpu-state.ts';
import { PAGE_SHIFT } from './platform.ts';
import { CTL, GUEST_CACHES } from './registers.ts';
import { ENTRY, type Tlb } from './tlb.ts';
import { globalTag } from './tlb-tag.ts';
import type { Translation } from './translation.ts';

/** Kinds of access, in the low bits of a stream's words. */
export const STORE = 1;
export const FETCH = 2;
/** A load of a pair that belongs together: its store comes next. */
const PAIR = 3;

/** Pages known at a time, by their low bits. */
const PAGES = 512;
/** Words of `keys` a page: one per kind. */
const KINDS = 4;
/** Of a word shifted right by 10: the bits that choose a key, but for the kind. */
export const KEY_MASK = (PAGES - 1) * KINDS;
/**
 * A key is one word: the bits of the virtual page that did not choose it, where an address has them; a bit
 * that it is valid; and below that in which bits virtual and physical page differ. 0 is no page.
 */
export const KEY_TAG = -PAGES << PAGE_SHIFT;
export const KEY_VALID_BIT = 20;

/** No count of changes. */
const NEVER = -1;

export class KnownPages {
  /** By page and kind: see KEY_TAG. */
  readonly keys = new Int32Array(PAGES * KINDS);
  /** What CTL.TLB_CHANGES was when the keys were last right. */
  change = NEVER;

  private readonly cpu: CpuState;
  private readonly translation: Translation;
  private readonly knowsFetches: boolean;
  /** The ASID when the keys were last right. */
  private asid = -1;
  /** By page and kind: offset of the TLB entry (-1: none), and its PTE. */
  private readonly entryAt = new Int32Array(PAGES * KINDS);
  private readonly ptes = new Int32Array(PAGES * KINDS);
  /** Of each entry of the TLBs, the key that was made from it last: the load's for data. */
  private readonly dataKeyAt: Int32Array;
  private readonly codeKeyAt: Int32Array;
  /** True once a key was made from an entry for many pages, which has many keys. */
  private sharesEntries = false;
  /** The page that the last lookup missed, and where, until the TLBs change. */
  private missingPage = -1;
  private missingFrom: Tlb | null = null;
  /** Which keys are in use: those for loads stand for all data. */
  private readonly live = new Int32Array(PAGES * KINDS);
  private readonly isLive = new Uint8Array(PAGES * KINDS);
  private liveCount = 0;

  constructor(cpu: CpuState, translation: Translation) {
    this.cpu = cpu;
    this.translation = translation;
    this.knowsFetches = !cpu.l1i.virtualTag;
    this.dataKeyAt = new Int32Array(cpu.dtlb.count).fill(-1);
    this.codeKeyAt = new Int32Array(cpu.itlb.count).fill(-1);
  }

  /** The machine is not what it was: every key is held against the TLBs before it is used again. */
  doubtAll(): void {
    this.change = NEVER;
    this.missingFrom = null;
  }

  /**
   * Forgets the keys that are not what the TLBs would say any more. To be called where `change` is not
   * CTL.TLB_CHANGES. The CPU's lock is held.
   */
  check(): void {
    const { missingFrom } = this;
    const asid = this.translation.tagOf(this.cpu);
    // Nearly always the walk that this CPU has waited for. A single change, in the same context, that has
    // brought the missing page in was its fill, and no other entry is gone but the one that it took.
    const filled =
      missingFrom !== null && this.isOneChange(asid) ? missingFrom.lookup(this.missingPage, asid) : -1;
    this.missingFrom = null;
    this.change = this.cpu.ctl[CTL.TLB_CHANGES];
    this.asid = asid;
    if (missingFrom === null || filled < 0) this.checkAll(asid);
    else this.forgetEntry(missingFrom, filled);
  }

  /** True if at most one entry may have changed since the keys were right. */
  private isOneChange(asid: number): boolean {
    const { change, asid: was, sharesEntries } = this;
    return this.cpu.ctl[CTL.TLB_CHANGES] === ((change + 1) | 0) && asid === was && !sharesEntries;
  }

  /** An entry of a TLB is another one than before. */
  private forgetEntry(tlb: Tlb, entry: number): void {
    const { dataKeyAt, codeKeyAt, cpu } = this;
    const at = (entry / ENTRY.WORDS) | 0;
    if (tlb === cpu.dtlb) this.forgetKeyOf(dataKeyAt[at], entry);
    if (tlb === cpu.itlb) this.forgetKeyOf(codeKeyAt[at], entry);
  }

  private forgetKeyOf(k: number, entry: number): void {
    if (k >= 0 && this.entryAt[k] === entry) this.forgetKey(k);
  }

  private forgetKey(k: number): void {
    const { keys } = this;
    keys[k] = 0;
    // Loads, stores and pairs of a page go by one entry.
    if ((k & 3) !== FETCH) keys[k + STORE] = keys[k + PAIR] = 0;
  }

  private checkAll(asid: number): void {
    const { keys, entryAt, ptes, live, isLive } = this;
    const { ctl } = this.cpu;
    // What a guest that has just switched its caches off had known is looked up again.
    const cachesData = ctl[CTL.GUEST] === 0 || (ctl[CTL.GUEST_CONTROL] & GUEST_CACHES) !== 0;
    const isCaching = ctl[CTL.CACHE_ON] !== 0 && cachesData;
    const global = globalTag(asid);
    let kept = 0;
    for (let i = 0; i < this.liveCount; i++) {
      const k = live[i];
      const { entries } = this.tlbOf(k & 3);
      const at = entryAt[k];
      const tag = entries[at + ENTRY.ASID];
      const isSame = at >= 0 && entries[at] === pageOf(keys[k], k) && entries[at + ENTRY.PTE] === ptes[k];
      const isOwn = entries[at + ENTRY.SIZE] === 0 && (tag === asid || tag === global);
      if (isCaching && isSame && isOwn) live[kept++] = k;
      else {
        this.forgetKey(k);
        isLive[k] = 0;
      }
    }
    this.liveCount = kept;
  }

  /** A lookup has missed in the TLB, which a walk will fill. */
  noteMissing(va: number, kind: number): void {
    this.missingPage = va >>> PAGE_SHIFT;
    this.missingFrom = this.cpu.ctl[CTL.TLB_CHANGES] === this.change ? this.tlbOf(kind) : null;
  }

  /** Makes a page known that has just been looked up. The CPU's lock is held. */
  remember(va: number, pa: number, kind: number): void {
    const { cpu, keys, translation } = this;
    const { entry, attributes } = translation;
    if (attributes !== ATTRIBUTE_NORMAL || cpu.ctl[CTL.CACHE_ON] === 0) return;
    if (kind === FETCH && !this.knowsFetches) return;
    if (cpu.ctl[CTL.TLB_CHANGES] !== this.change) this.takeIn(entry, kind);
    const vpn = va >>> PAGE_SHIFT;
    const first = (vpn & (PAGES - 1)) * KINDS;
    this.note(first + kind, vpn, pa, entry);
    if (kind === FETCH) return;
    this.note(first, vpn, pa, entry);
    this.note(first + PAIR, vpn, pa, entry);
    if (kind === STORE) return;
    if (entry < 0 || translation.storeNeedsNothing(cpu.dtlb.entries[entry + ENTRY.PTE])) {
      this.note(first + STORE, vpn, pa, entry);
    } else keys[first + STORE] = 0;
  }

  /** The lookup itself has moved `entry` up from the second level. */
  private takeIn(entry: number, kind: number): void {
    const asid = this.translation.tagOf(this.cpu);
    if (!this.isOneChange(asid)) {
      this.check();
      return;
    }
    this.missingFrom = null;
    this.change = this.cpu.ctl[CTL.TLB_CHANGES];
    this.forgetEntry(this.tlbOf(kind), entry);
  }

  private note(k: number, vpn: number, pa: number, entry: number): void {
    const { entries } = this.tlbOf(k & 3);
    const isFirst = (k & 3) === 0 || (k & 3) === FETCH;
    if (isFirst && this.isLive[k] === 0) {
      this.isLive[k] = 1;
      this.live[this.liveCount++] = k;
    }
    this.keys[k] = keyOf(vpn, pa >>> PAGE_SHIFT);
    this.entryAt[k] = entry;
    this.ptes[k] = entry < 0 ? 0 : entries[entry + ENTRY.PTE];
    if (entry < 0) return;
    if (entries[entry + ENTRY.SIZE] !== 0) this.sharesEntries = true;
    const at = (entry / ENTRY.WORDS) | 0;
    if (isFirst) ((k & 3) === FETCH ? this.codeKeyAt : this.dataKeyAt)[at] = k;
  }

  private tlbOf(kind: number): Tlb {
    return kind === FETCH ? this.cpu.itlb : this.cpu.dtlb;
  }

  /** Makes the entry that a key goes by its TLB's most recently used. */
  touch(known: number): void {
    const entry = this.entryAt[known];
    if (entry >= 0) this.tlbOf(known & 3).touch(entry);
  }
}

function keyOf(page: number, frame: number): number {
  return ((page << PAGE_SHIFT) & KEY_TAG) | (1 << KEY_VALID_BIT) | (page ^ frame);
}

/** The page of the key at `k`. */
function pageOf(key: number, k: number): number {
  return ((key & KEY_TAG) >>> PAGE_SHIFT) | (k >>> 2);
}
