/**
 * A TLB: entries that remember the translation, and for the checker from which version of which table
 * word they were made.
 */
import { PTE } from './attributes.ts';
import type { Carver } from './carver.ts';
import type { TlbSpec } from './platform.ts';
import { globalTag, vmidOfTag } from './tlb-tag.ts';
import type { Touched } from './touched.ts';
import { nextRandom } from './xorshift.ts';

/** Words of an entry. */
export const ENTRY = {
  /** Virtual page number, aligned to the entry's size; -1 when invalid. */
  VPN: 0,
  /** ASID and VMID: see tlb-tag.ts. Of the host, the ASID, -1 for a global entry. */
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
  /** Of a guest's entry: what it was made from; ghost but for STAGE1_PTE and IPA. Of others STAGE2_PTE_PA is -1. */
  STAGE2_PTE_PA: 10,
  STAGE2_VERSION: 11,
  STAGE2_PTE: 12,
  STAGE1_PTE: 13,
  /** Intermediate address of its first page. */
  IPA: 14,
  /** A power of two. */
  WORDS: 16,
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
/**
 * The host's, for its guests; the number that goes with them is a VMID. Everything of a VMID: what was made from
 * stage 1 or from both stages, walk cache, and what is remembered of stage 2 alone (Arm DDI 0601, TLBI VMALLS12E1).
 */
export const TLBI_VMID = 5;
/** The same but for what is remembered of stage 2 alone (TLBI VMALLE1 with that VMID in VTTBR: entries of stage 1). */
export const TLBI_VMID_STAGE1 = 6;
/**
 * Pages of intermediate addresses: what is remembered of stage 2 alone, and nothing that was made from both stages
 * (TLBI IPAS2E1: "not required to apply" to that), which is why KVM follows it by the one before
 * (arch/arm64/kvm/hyp/vhe/tlb.c, __kvm_tlb_flush_vmid_ipa).
 */
export const TLBI_IPA = 7;
/** Everything of every VMID but the host's (TLBI ALLE1 of a host in EL2, as in __kvm_flush_vm_context there). */
export const TLBI_GUESTS = 8;

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

  /** Offset of the entry that translates the page for a tag, or -1. */
  lookup(vpn: number, asid: number): number {
    if (this.meta[META_LARGE] === 0) {
      const e = this.entries;
      const hint = this.hints[vpn & (HINTS - 1)];
      // No global entry is there: filling one says that the TLB has such entries.
      if (e[hint] === vpn && e[hint + ENTRY.ASID] === asid) return hint;
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
    const global = globalTag(asid);
    for (let at = after < 0 ? base : after + ENTRY.WORDS; at < end; at += ENTRY.WORDS) {
      if (e[at] !== want || e[at + ENTRY.SIZE] !== size) continue;
      const tag = e[at + ENTRY.ASID];
      if (tag === asid || tag === global) return at;
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
    if (size > 0 || asid < 0) this.meta[META_LARGE] = 1;
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

  /** Removes what an invalidate names. Returns the number of entries removed. @param asid with the VMID, a tag */
  invalidate(kind: number, vpn: number, pages: number, asid: number, spareGlobal: boolean): number {
    if (kind === TLBI_IPA) return 0;
    const e = this.entries;
    let removed = 0;
    const byPage = kind >= TLBI_VA && kind <= TLBI_VA_LAST_LEVEL;
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
    const tag = e[at + ENTRY.ASID];
    if (kind === TLBI_ASID) return tag === asid;
    if (isWhole(kind)) return namesVmid(kind, vmidOfTag(asid), vmidOfTag(tag));
    if (first >= vpn + pages || first + (1 << e[at + ENTRY.SIZE]) <= vpn) return false;
    if (tag === globalTag(asid)) return !spareGlobal;
    return tag === asid || (kind === TLBI_VA_ALL_ASIDS && tag >= 0 && vmidOfTag(tag) === vmidOfTag(asid));
  }
}

/** True if an entry permits an access without further ado by the walker or the kernel. */
export function permits(pte: number, write: boolean, needsDirty: boolean): boolean {
  if (!write) return true;
  return (pte & PTE.WRITE) !== 0 && (!needsDirty || (pte & PTE.DIRTY) !== 0);
}

/** True for kinds of invalidate that name all entries of a VMID, or of all guests. */
export function isWhole(kind: number): boolean {
  return kind === TLBI_ALL || kind > TLBI_VA_LAST_LEVEL;
}

/** Does such an invalidate, given `vmid`, name what was made from stage 1, or from both, for the VMID `of`? */
export function namesVmid(kind: number, vmid: number, of: number): boolean {
  if (kind === TLBI_IPA) return false;
  return kind === TLBI_GUESTS ? of !== 0 : of === vmid;
}
