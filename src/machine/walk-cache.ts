/**
 * The cache of upper-level table entries: where the table for a stretch of address space is, for a walk to start from.
 * A guest's tables are where stage 2 has led to, so its entries stand for both stages, as those of a TLB.
 */
import type { Carver } from './carver.ts';
import { LEAF_WORDS, leafAt, putLeaf, type Stage2Leaf } from './ipa-cache.ts';
import { isWhole, namesVmid, TLBI_ASID, TLBI_VA, TLBI_VA_ALL_ASIDS, TLBI_VA_LAST_LEVEL } from './tlb.ts';
import { VMID_SHIFT, vmidOfTag } from './tlb-tag.ts';

/** Words of a walk-cache entry. */
const WALK = {
  VPN: 0,
  ASID: 1,
  LEVEL: 2,
  TABLE: 3,
  SPAN: 4,
  GENERATION: 5,
  /** Of a guest's table, whose intermediate address is in TABLE: the leaf of stage 2 that leads to it. */
  LEAF: 6,
  WORDS: 6 + LEAF_WORDS,
} as const;

/** A table of a guest. */
export interface GuestTable {
  /** Its intermediate address. */
  readonly ipa: number;
  /** 0: the root. */
  readonly level: number;
  /** What of stage 2 leads to the part of it that is read. */
  readonly leaf: Stage2Leaf;
  /** Ghost: how often the frame that it is in has been freed. */
  readonly generation: number;
}

/** Upper-level entries: where the table for a stretch of address space is. */
export class WalkCache {
  private readonly words: Int32Array;
  private readonly turn: Int32Array;
  private readonly count: number;
  private readonly asidTagged: boolean;

  constructor(carver: Carver, name: string, spec: { entries: number; asidTagged: boolean }) {
    this.count = spec.entries;
    this.asidTagged = spec.asidTagged;
    this.words = carver.i32(`${name}.entries`, spec.entries * WALK.WORDS);
    this.turn = carver.i32(`${name}.turn`, 1);
  }

  reset(): void {
    for (let i = 0; i < this.count; i++) this.words[i * WALK.WORDS] = -1;
  }

  /**
   * Deepest known table for a page.
   * @returns level of that table (0 is the root), its physical address and its generation, or undefined
   */
  lookup(vpn: number, asid: number): { level: number; table: number; generation: number } | undefined {
    const w = this.words;
    const best = this.find(vpn, asid);
    if (best < 0) return undefined;
    return {
      level: w[best + WALK.LEVEL],
      table: w[best + WALK.TABLE] >>> 0,
      generation: w[best + WALK.GENERATION],
    };
  }

  /** Deepest known table of a guest for a page; arguments as `lookup`. */
  lookupGuest(vpn: number, tag: number): GuestTable | undefined {
    const w = this.words;
    const at = this.find(vpn, tag);
    if (at < 0) return undefined;
    return {
      ipa: w[at + WALK.TABLE] >>> 0,
      level: w[at + WALK.LEVEL],
      leaf: leafAt(w, at + WALK.LEAF),
      generation: w[at + WALK.GENERATION],
    };
  }

  private find(vpn: number, tag: number): number {
    const w = this.words;
    let best = -1;
    for (let at = 0; at < this.count * WALK.WORDS; at += WALK.WORDS) {
      if (w[at] < 0 || !this.isOf(at, tag)) continue;
      if (vpn < w[at] || vpn >= w[at] + w[at + WALK.SPAN]) continue;
      if (best < 0 || w[at + WALK.LEVEL] > w[best + WALK.LEVEL]) best = at;
    }
    return best;
  }

  /** Entries carry a VMID even where they carry no ASID. */
  private isOf(at: number, tag: number): boolean {
    const other = this.words[at + WALK.ASID] ^ tag;
    return this.asidTagged ? other === 0 : other >>> VMID_SHIFT === 0;
  }

  /** Remembers a table of a guest for the `span` pages from `vpn`. */
  insertGuest(vpn: number, span: number, tag: number, { ipa, level, leaf, generation }: GuestTable): void {
    const at = this.insert(vpn, span, tag, level, ipa, generation);
    putLeaf(this.words, at + WALK.LEAF, leaf);
  }

  /**
   * Remembers that the table of `level` for the `span` pages from `vpn` is at `table`.
   * @param generation ghost: how often the table's frame has been freed
   * @returns where the entry is
   */
  insert(vpn: number, span: number, asid: number, level: number, table: number, generation: number): number {
    const w = this.words;
    let at = -1;
    for (let i = 0; i < this.count && at < 0; i++) {
      const slot = i * WALK.WORDS;
      if (w[slot] === vpn && w[slot + WALK.LEVEL] === level && w[slot + WALK.ASID] === asid) at = slot;
    }
    if (at < 0) {
      at = this.turn[0] * WALK.WORDS;
      this.turn[0] = this.turn[0] + 1 === this.count ? 0 : this.turn[0] + 1;
    }
    w[at] = vpn;
    w[at + WALK.SPAN] = span;
    w[at + WALK.ASID] = asid;
    w[at + WALK.LEVEL] = level;
    w[at + WALK.TABLE] = table;
    w[at + WALK.GENERATION] = generation;
    return at;
  }

  /** Physical addresses of the tables that are remembered under an ASID; none where entries carry no ASID. */
  tablesOf(asid: number): number[] {
    const w = this.words;
    const tables: number[] = [];
    for (let at = 0; at < this.count * WALK.WORDS && this.asidTagged; at += WALK.WORDS) {
      if (w[at] >= 0 && w[at + WALK.ASID] === asid) tables.push(w[at + WALK.TABLE] >>> 0);
    }
    return tables;
  }

  /** Removes what a TLB invalidate names. @param asid with the VMID, a tag */
  invalidate(kind: number, vpn: number, pages: number, asid: number): void {
    if (kind === TLBI_VA_LAST_LEVEL) return;
    const w = this.words;
    for (let at = 0; at < this.count * WALK.WORDS; at += WALK.WORDS) {
      if (w[at] < 0) continue;
      if (isWhole(kind)) {
        if (namesVmid(kind, vmidOfTag(asid), vmidOfTag(w[at + WALK.ASID]))) w[at] = -1;
        continue;
      }
      if (vmidOfTag(w[at + WALK.ASID]) !== vmidOfTag(asid)) continue;
      const byAsid = kind === TLBI_ASID || kind === TLBI_VA;
      if (byAsid && this.asidTagged && w[at + WALK.ASID] !== asid) continue;
      const byPage = kind === TLBI_VA || kind === TLBI_VA_ALL_ASIDS;
      if (byPage && (w[at] >= vpn + pages || w[at] + w[at + WALK.SPAN] <= vpn)) continue;
      w[at] = -1;
    }
  }
}
