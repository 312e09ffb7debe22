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
  /** Ghost: where the entry is, its version, frame generation of its first page, when it was read. */
  readonly ptePa: number;
  readonly version: number;
  readonly generation: number;
  readonly epoch: number;
}

/** Words of an entry; VMID 0 is an empty one, as the host has no stage 2. */
const IPA = { VMID: 0, PAGE: 1, PTE: 2, SIZE: 3, PTE_PA: 4, VERSION: 5, GENERATION: 6, EPOCH: 7, WORDS: 8 };

export class IpaCache {
  private readonly words: Int32Array;
  private readonly turn: Int32Array;
  private readonly count: number;

  constructor(carver: Carver, name: string, spec: { readonly entries: number }) {
    this.count = spec.entries;
    this.words = carver.i32(`${name}.entries`, spec.entries * IPA.WORDS);
    this.turn = carver.i32(`${name}.turn`, 1);
  }

  /** The leaf for a page of intermediate addresses, or undefined. */
  lookup(vmid: number, page: number): Stage2Leaf | undefined {
    const w = this.words;
    for (let at = 0; at < w.length; at += IPA.WORDS) {
      if (w[at] !== vmid || (page >>> w[at + IPA.SIZE]) << w[at + IPA.SIZE] !== w[at + IPA.PAGE]) continue;
      return {
        pte: w[at + IPA.PTE] >>> 0,
        size: w[at + IPA.SIZE],
        ptePa: w[at + IPA.PTE_PA] >>> 0,
        version: w[at + IPA.VERSION],
        generation: w[at + IPA.GENERATION],
        epoch: w[at + IPA.EPOCH],
      };
    }
    return undefined;
  }

  /** Remembers a valid leaf for `page`, in place of the oldest one. */
  insert(vmid: number, page: number, leaf: Stage2Leaf): void {
    if ((leaf.pte & PTE.VALID) === 0) return;
    const w = this.words;
    const at = this.turn[0] * IPA.WORDS;
    this.turn[0] = this.turn[0] + 1 === this.count ? 0 : this.turn[0] + 1;
    w[at] = vmid;
    w[at + IPA.PAGE] = (page >>> leaf.size) << leaf.size;
    w[at + IPA.PTE] = leaf.pte;
    w[at + IPA.SIZE] = leaf.size;
    w[at + IPA.PTE_PA] = leaf.ptePa;
    w[at + IPA.VERSION] = leaf.version;
    w[at + IPA.GENERATION] = leaf.generation;
    w[at + IPA.EPOCH] = leaf.epoch;
  }

  /** Removes what a TLB invalidate names here. @param vmid of the kinds that name one */
  invalidate(kind: number, page: number, pages: number, vmid: number): void {
    const w = this.words;
    for (let at = 0; at < w.length; at += IPA.WORDS) {
      if (w[at] === 0) continue;
      const isOfVmid = w[at] === vmid && (kind === TLBI_VMID || kind === TLBI_IPA);
      if (!isOfVmid && kind !== TLBI_GUESTS) continue;
      const first = w[at + IPA.PAGE];
      if (kind === TLBI_IPA && (first >= page + pages || first + (1 << w[at + IPA.SIZE]) <= page)) continue;
      w[at] = 0;
    }
  }
}
