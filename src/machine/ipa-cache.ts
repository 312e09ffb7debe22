/**
 * What a CPU remembers of stage 2 alone: translations from intermediate to physical addresses, for walks to start
 * from. No access uses it directly, and only invalidates by intermediate address or of a whole VMID remove from it,
 * which is why software that changes stage 2 invalidates twice: here, and what was made from both stages.
 */
import { PTE } from './attributes.ts';
import type { Carver } from './carver.ts';
import { TLBI_GUESTS, TLBI_IPA, TLBI_VMID } from './tlb.ts';

/** A leaf of stage 2 as a walk found it. */
export interface Stage2Leaf {
  /** The entry; without PTE.VALID there is no translation, and the rest means nothing but where the walk ended. */
  readonly pte: number;
  /** log2 of the pages that it maps. */
  readonly size: number;
  /** Ghost: where the entry is, its version, frame generation of its first page. */
  readonly ptePa: number;
  readonly version: number;
  readonly generation: number;
}

/** A leaf as words of a cache's entry. */
export const LEAF_WORDS = 5;

/** The leaf at `at`. */
export function leafAt(w: Int32Array, at: number): Stage2Leaf {
  return {
    pte: w[at] >>> 0,
    size: w[at + 1],
    ptePa: w[at + 2] >>> 0,
    version: w[at + 3],
    generation: w[at + 4],
  };
}

export function putLeaf(
  w: Int32Array,
  at: number,
  { pte, size, ptePa, version, generation }: Stage2Leaf,
): void {
  w[at] = pte;
  w[at + 1] = size;
  w[at + 2] = ptePa;
  w[at + 3] = version;
  w[at + 4] = generation;
}

/** Words of an entry; VMID 0 is an empty one, as the host has no stage 2. */
const VMID = 0;
const PAGE = 1;
const LEAF = 2;
const WORDS = LEAF + LEAF_WORDS;

export class IpaCache {
  private readonly words: Int32Array;
  private readonly turn: Int32Array;
  private readonly count: number;

  constructor(carver: Carver, name: string, spec: { readonly entries: number }) {
    this.count = spec.entries;
    this.words = carver.i32(`${name}.entries`, spec.entries * WORDS);
    this.turn = carver.i32(`${name}.turn`, 1);
  }

  /** The leaf for a page of intermediate addresses, or undefined. */
  lookup(vmid: number, page: number): Stage2Leaf | undefined {
    const w = this.words;
    for (let at = 0; at < w.length; at += WORDS) {
      if (w[at + VMID] !== vmid) continue;
      const leaf = leafAt(w, at + LEAF);
      if ((page >>> leaf.size) << leaf.size === w[at + PAGE]) return leaf;
    }
    return undefined;
  }

  /** Remembers a valid leaf for `page`, in place of the oldest one. */
  insert(vmid: number, page: number, leaf: Stage2Leaf): void {
    if ((leaf.pte & PTE.VALID) === 0) return;
    const w = this.words;
    const at = this.turn[0] * WORDS;
    this.turn[0] = this.turn[0] + 1 === this.count ? 0 : this.turn[0] + 1;
    w[at + VMID] = vmid;
    w[at + PAGE] = (page >>> leaf.size) << leaf.size;
    putLeaf(w, at + LEAF, leaf);
  }

  /** Removes what a TLB invalidate names here. @param vmid of the kinds that name one */
  invalidate(kind: number, page: number, pages: number, vmid: number): void {
    const w = this.words;
    for (let at = 0; at < w.length; at += WORDS) {
      if (w[at + VMID] === 0) continue;
      const isOfVmid = w[at + VMID] === vmid && (kind === TLBI_VMID || kind === TLBI_IPA);
      if (!isOfVmid && kind !== TLBI_GUESTS) continue;
      const first = w[at + PAGE];
      const { size } = leafAt(w, at + LEAF);
      if (kind === TLBI_IPA && (first >= page + pages || first + (1 << size) <= page)) continue;
      w[at + VMID] = 0;
    }
  }
}
