/**
 * A private L2 that remembers through which virtual index each of its lines came in (PIdx of the R4000SC), and
 * that the primary caches include: a line that leaves takes the instruction cache's copy at that index along.
 */
import { Cache, type CacheGeometry } from './cache.ts';
import type { Carver } from './carver.ts';
import { PAGE_BYTES, PAGE_SHIFT } from './platform.ts';

export class IndexedCache extends Cache {
  /** Told of a line that leaves, with an address of the index that it was filled through. */
  left: ((line: number, va: number) => void) | null = null;
  /** PIdx of each way. */
  private readonly primaryIndex: Uint8Array;
  private readonly indexMask: number;

  /** @param indices that a page can have in the primary caches: their colours */
  constructor(
    carver: Carver,
    name: string,
    geometry: CacheGeometry,
    lineBytes: number,
    checked: boolean,
    indices: number,
  ) {
    super(carver, name, geometry, lineBytes, checked);
    this.indexMask = indices - 1;
    this.primaryIndex = carver.u8(`${name}.primaryIndex`, this.lines);
  }

  /** True if the line in `slot` came in through another index than that of `va`. */
  isElsewhere(slot: number, va: number): boolean {
    return this.primaryIndex[slot] !== this.indexOf(va);
  }

  override install(slot: number, va: number, line: number, asid: number, state: number): void {
    super.install(slot, va, line, asid, state);
    this.primaryIndex[slot] = this.indexOf(va);
  }

  override drop(slot: number): void {
    const line = this.pa[slot];
    super.drop(slot);
    if (line < 0 || this.left === null) return;
    const withinPage = (line << this.lineShift) & (PAGE_BYTES - 1);
    this.left(line, (this.primaryIndex[slot] << PAGE_SHIFT) | withinPage);
  }

  private indexOf(va: number): number {
    return (va >>> PAGE_SHIFT) & this.indexMask;
  }
}
