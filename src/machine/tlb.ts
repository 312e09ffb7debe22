/**
 * A TLB: entries that remember the translation, and for the checker from which version of which table
 * word they were made. And the cache of upper-level table entries that a walk starts from.
 */
import { PTE } from './attributes.ts';
import type { Carver } from './carver.ts';
import type { TlbSpec } from './platform.ts';
import type { Touched } from './touched.ts';
import { nextRandom } from './xorshift.ts';

/** Words of an entry. */
export const ENTRY = {
  /** Virtual page number, aligned to the entry's size; -1 when invalid. */
  VPN: 0,
  /** ASID, -1 for a global entry. */
  ASID: 1,
  PTE: 2,
  /** log2 of the pages that it maps. */
  SIZE: 3,
  AGE: 4,
  /** Ghost: physical address and version of the table word, frame generation, when it was filled. */
  PTE_PA: 5,
  PTE_VERSION: 6,
  FRAME_GENERATION: 7,
  FILL_EPOCH: 8,
  FILL_CLOCK: 9,
  WORDS: 12,
} as const;

/** Kinds of invalidate. */
export const TLBI_ALL = 0;
/** Every non-global entry of an ASID. */
export const TLBI_ASID = 1;
/** Pages of an ASID, and global entries for them. */
export const TLBI_VA = 2;
/** Pages in any ASID. */
export const TLBI_VA_ALL_ASIDS = 3;
/** Like TLBI_VA, but walk caches may keep upper levels. */
export const TLBI_VA_LAST_LEVEL = 4;

const META_TICK = 0;
const META_RANDOM = 1;
/** 1 once a large or a global entry was filled: until then one page has one entry, and only pages are there. */
const META_LARGE = 2;

const HINTS = 64;

export class Tlb {
  readonly entries: Int32Array;
  readonly count: number;
  readonly ways: number;
  readonly setMask: number;
  readonly sizes: readonly number[];
  /** Entries that were filled since a Rewind was made or used. */
  touched: Touched | null = null;
  private readonly replacement: TlbSpec['replacement'];
  private readonly turn: Uint8Array | Int32Array;
  private readonly meta: Int32Array;
  /** Where each page was found last: a guess that is verified against the entry, private to the thread. */
  private readonly hints = new Int32Array(HINTS);

  constructor(carver: Carver, name: string, spec: TlbSpec, sizes: readonly number[]) {
    this.count = spec.entries;
    this.ways = spec.ways;
    this.setMask = spec.entries / spec.ways - 1;
    this.sizes = sizes;
    this.replacement = spec.replacement;
    this.entries = carver.i32(`${name}.entries`, spec.entries * ENTRY.WORDS);
    this.turn = carver.i32(`${name}.turn`, this.setMask + 1);
    this.meta = carver.i32(`${name}.meta`, 3);
  }

  /** Makes a TLB whose words are all zero an empty one; `seed` starts the random replacement. */
  reset(seed: number): void {
    for (let i = 0; i < this.count; i++) this.entries[i * ENTRY.WORDS] = -1;
    this.meta[META_RANDOM] = seed | 1;
  }

  /** Offset of the entry that translates the page, or -1. */
  lookup(vpn: number, asid: number): number {
    if (this.meta[META_LARGE] === 0) {
      const e = this.entries;
      const hint = this.hints[vpn & (HINTS - 1)];
      if (e[hint] === vpn && (e[hint + ENTRY.ASID] === asid || e[hint + ENTRY.ASID] === -1)) return hint;
      const at = this.findFrom(vpn & this.setMask, vpn, asid, 0, -1);
      if (at >= 0) this.hints[vpn & (HINTS - 1)] = at;
      return at;
    }
    for (const size of this.sizes) {
      const at = this.findFrom((vpn >>> size) & this.setMask, vpn, asid, size, -1);
      if (at >= 0) return at;
    }
    return -1;
  }

  /** Offset of a second entry that translates the page, or -1. */
  secondMatch(vpn: number, asid: number, first: number): number {
    if (this.meta[META_LARGE] === 0) return -1;
    for (const size of this.sizes) {
      const set = (vpn >>> size) & this.setMask;
      for (let at = this.findFrom(set, vpn, asid, size, -1); at >= 0; ) {
        if (at !== first) return at;
        at = this.findFrom(set, vpn, asid, size, at);
      }
    }
    return -1;
  }

  private findFrom(set: number, vpn: number, asid: number, size: number, after: number): number {
    const e = this.entries;
    const base = set * this.ways * ENTRY.WORDS;
    const end = base + this.ways * ENTRY.WORDS;
    const want = (vpn >>> size) << size;
    for (let at = after < 0 ? base : after + ENTRY.WORDS; at < end; at += ENTRY.WORDS) {
      if (e[at] !== want || e[at + ENTRY.SIZE] !== size) continue;
      const tag = e[at + ENTRY.ASID];
      if (tag === asid || tag === -1) return at;
    }
    return -1;
  }

  get keepsAges(): boolean {
    return this.replacement === 'lru';
  }

  /** Records a use for the replacement policy. */
  touch(at: number): void {
    if (this.replacement === 'lru') this.entries[at + ENTRY.AGE] = ++this.meta[META_TICK];
  }

  /** Chooses an entry for a page (its own earlier one if it is there) and clears it. Returns its offset. */
  allocate(vpn: number, asid: number, size: number): number {
    if (size > 0 || asid === -1) this.meta[META_LARGE] = 1;
    const set = (vpn >>> size) & this.setMask;
    const same = this.findFrom(set, vpn, asid, size, -1);
    const at = same >= 0 ? same : this.victim(set);
    this.touched?.mark(at / ENTRY.WORDS);
    this.touch(at);
    return at;
  }

  private victim(set: number): number {
    const e = this.entries;
    const base = set * this.ways * ENTRY.WORDS;
    const end = base + this.ways * ENTRY.WORDS;
    for (let at = base; at < end; at += ENTRY.WORDS) if (e[at] < 0) return at;
    if (this.replacement === 'round-robin') {
      const way = this.turn[set];
      this.turn[set] = way + 1 === this.ways ? 0 : way + 1;
      return base + way * ENTRY.WORDS;
    }
    if (this.replacement === 'random') {
      return base + (nextRandom(this.meta, META_RANDOM) % this.ways) * ENTRY.WORDS;
    }
    let oldest = base;
    for (let at = base; at < end; at += ENTRY.WORDS) {
      if (e[at + ENTRY.AGE] < e[oldest + ENTRY.AGE]) oldest = at;
    }
    return oldest;
  }

  /** Removes what an invalidate names. Returns the number of entries removed. */
  invalidate(kind: number, vpn: number, pages: number, asid: number, spareGlobal: boolean): number {
    const e = this.entries;
    let removed = 0;
    const byPage = kind >= TLBI_VA;
    if (byPage && pages * this.sizes.length * this.ways < this.count) {
      for (let page = vpn; page < vpn + pages; page++) {
        for (const size of this.sizes) {
          const base = ((page >>> size) & this.setMask) * this.ways * ENTRY.WORDS;
          for (let at = base; at < base + this.ways * ENTRY.WORDS; at += ENTRY.WORDS) {
            if (!this.named(at, kind, page, 1, asid, spareGlobal)) continue;
            e[at] = -1;
            removed++;
          }
        }
      }
      return removed;
    }
    for (let at = 0; at < this.count * ENTRY.WORDS; at += ENTRY.WORDS) {
      if (!this.named(at, kind, vpn, pages, asid, spareGlobal)) continue;
      e[at] = -1;
      removed++;
    }
    return removed;
  }

  private named(
    at: number,
    kind: number,
    vpn: number,
    pages: number,
    asid: number,
    spareGlobal: boolean,
  ): boolean {
    const e = this.entries;
    const first = e[at];
    if (first < 0) return false;
    if (kind === TLBI_ALL) return true;
    const tag = e[at + ENTRY.ASID];
    if (kind === TLBI_ASID) return tag === asid;
    if (first >= vpn + pages || first + (1 << e[at + ENTRY.SIZE]) <= vpn) return false;
    if (tag === -1) return !spareGlobal;
    return kind === TLBI_VA_ALL_ASIDS || tag === asid;
  }
}

/** Words of a walk-cache entry. */
const WALK = { VPN: 0, ASID: 1, LEVEL: 2, TABLE: 3, SPAN: 4, GENERATION: 5, WORDS: 8 } as const;

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
    let best = -1;
    for (let at = 0; at < this.count * WALK.WORDS; at += WALK.WORDS) {
      if (w[at] < 0 || (this.asidTagged && w[at + WALK.ASID] !== asid)) continue;
      if (vpn < w[at] || vpn >= w[at] + w[at + WALK.SPAN]) continue;
      if (best < 0 || w[at + WALK.LEVEL] > w[best + WALK.LEVEL]) best = at;
    }
    if (best < 0) return undefined;
    return {
      level: w[best + WALK.LEVEL],
      table: w[best + WALK.TABLE] >>> 0,
      generation: w[best + WALK.GENERATION],
    };
  }

  /**
   * Remembers that the table of `level` for the `span` pages from `vpn` is at `table`.
   * @param generation ghost: how often the table's frame has been freed
   */
  insert(vpn: number, span: number, asid: number, level: number, table: number, generation: number): void {
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

  invalidate(kind: number, vpn: number, pages: number, asid: number): void {
    if (kind === TLBI_VA_LAST_LEVEL) return;
    const w = this.words;
    for (let at = 0; at < this.count * WALK.WORDS; at += WALK.WORDS) {
      if (w[at] < 0) continue;
      const byAsid = kind === TLBI_ASID || kind === TLBI_VA;
      if (byAsid && this.asidTagged && w[at + WALK.ASID] !== asid) continue;
      const byPage = kind === TLBI_VA || kind === TLBI_VA_ALL_ASIDS;
      if (byPage && (w[at] >= vpn + pages || w[at] + w[at + WALK.SPAN] <= vpn)) continue;
      w[at] = -1;
    }
  }
}

/** True if an entry permits an access without further ado by the walker or the kernel. */
export function permits(pte: number, write: boolean, needsDirty: boolean): boolean {
  if (!write) return true;
  return (pte & PTE.WRITE) !== 0 && (!needsDirty || (pte & PTE.DIRTY) !== 0);
}
