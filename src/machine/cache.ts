/**
 * One cache: sets and ways of lines that hold data. It knows where a line may sit and which line goes
 * next; what the states mean between caches is the business of coherence.ts.
 */
import type { Carver } from './carver.ts';
import { PAGE_SHIFT } from './platform.ts';
import type { Touched } from './touched.ts';
import { nextRandom } from './xorshift.ts';

/** Line states. Owned is dirty and shared; from Exclusive on a store needs to ask nobody. */
export const INVALID = 0;
export const SHARED = 1;
export const OWNED = 2;
export const EXCLUSIVE = 3;
export const MODIFIED = 4;

type Replacement = 'lru' | 'round-robin' | 'random';

export interface CacheGeometry {
  readonly sizeBytes: number;
  readonly ways: number;
  readonly replacement: Replacement;
  readonly organisation: 'pipt' | 'vipt' | 'vivt';
  readonly asidTagged: boolean;
}

/** True for a line that differs from what is below it. */
export function isDirty(state: number): boolean {
  return state === MODIFIED || state === OWNED;
}

/** In `meta`: counts the uses, up to LAST_TICK. */
export const META_TICK = 0;
const META_RANDOM = 1;
/** The last use that may be counted without ageing everything afresh. */
export const LAST_TICK = 0x7fff_fffe;
/** Ways that `mru` can tell apart. */
export const MRU_WAYS = 256;

export class Cache {
  readonly sets: number;
  readonly ways: number;
  readonly lineShift: number;
  readonly wordsPerLine: number;
  readonly setMask: number;
  readonly virtualIndex: boolean;
  readonly virtualTag: boolean;
  readonly asidTagged: boolean;
  readonly lru: boolean;
  /** Sets that one physical line may sit in: more than one only where a way is larger than a page. */
  readonly colours: number;

  /** Physical line number held by each way, -1 when invalid: a match implies validity. */
  readonly pa: Int32Array;
  /** Virtual line number and ASID of each way (VIVT only, otherwise empty). ASID -1 is global. */
  readonly va: Int32Array;
  readonly asid: Int32Array;
  readonly state: Uint8Array;
  readonly age: Int32Array;
  /** Most recently used way per set: looked at first, and needs no new age when hit again. */
  readonly mru: Uint8Array;
  readonly turn: Uint8Array;
  readonly data: Int32Array;
  readonly bytes: Uint8Array;
  /** Checker's version of each word (empty when the machine is unchecked). */
  readonly version: Int32Array;
  readonly meta: Int32Array;
  /** Sets that were filled since a Rewind was made or used. */
  touched: Touched | null = null;

  private readonly geometry: CacheGeometry;
  private readonly pageLineBits: number;

  constructor(carver: Carver, name: string, geometry: CacheGeometry, lineBytes: number, checked: boolean) {
    this.geometry = geometry;
    this.ways = geometry.ways;
    this.sets = (geometry.sizeBytes / lineBytes / geometry.ways) | 0;
    this.setMask = this.sets - 1;
    this.lineShift = 31 - Math.clz32(lineBytes);
    this.wordsPerLine = lineBytes >> 2;
    this.virtualIndex = geometry.organisation !== 'pipt';
    this.virtualTag = geometry.organisation === 'vivt';
    this.asidTagged = geometry.asidTagged;
    this.lru = geometry.replacement === 'lru';
    this.pageLineBits = PAGE_SHIFT - this.lineShift;
    this.colours = this.virtualIndex ? Math.max(1, this.sets >> this.pageLineBits) : 1;
    const lines = this.sets * this.ways;
    this.pa = carver.i32(`${name}.pa`, lines);
    this.va = carver.i32(`${name}.va`, this.virtualTag ? lines : 0);
    this.asid = carver.i32(`${name}.asid`, this.virtualTag ? lines : 0);
    this.state = carver.u8(`${name}.state`, lines);
    this.age = carver.i32(`${name}.age`, lines);
    this.mru = carver.u8(`${name}.mru`, this.sets);
    this.turn = carver.u8(`${name}.turn`, this.sets);
    this.data = carver.i32(`${name}.data`, lines * this.wordsPerLine);
    this.bytes = new Uint8Array(this.data.buffer, this.data.byteOffset, this.data.byteLength);
    this.version = carver.i32(`${name}.version`, checked ? lines * this.wordsPerLine : 0);
    this.meta = carver.i32(`${name}.meta`, 4);
  }

  /** Makes a cache whose words are all zero an empty one; `seed` starts the random replacement. */
  reset(seed: number): void {
    this.pa.fill(-1);
    this.meta[META_RANDOM] = seed | 1;
  }

  get lines(): number {
    return this.sets * this.ways;
  }

  /** Set of an access: by virtual address where the cache is indexed virtually. */
  setOf(va: number, line: number): number {
    return (this.virtualIndex ? va >>> this.lineShift : line) & this.setMask;
  }

  /**
   * Slot that an access hits, or -1. `asid` matters to tagged VIVT caches only.
   * @param va virtual address; equal to the physical one where there is no translation
   * @param line physical line number
   */
  lookup(va: number, line: number, asid: number): number {
    if (this.virtualTag) return this.lookupVirtual(va >>> this.lineShift, asid);
    const set = (this.virtualIndex ? va >>> this.lineShift : line) & this.setMask;
    const base = set * this.ways;
    const pa = this.pa;
    const first = base + this.mru[set];
    if (pa[first] === line) return first;
    for (let slot = base; slot < base + this.ways; slot++) if (pa[slot] === line) return slot;
    return -1;
  }

  private lookupVirtual(vaLine: number, asid: number): number {
    const base = (vaLine & this.setMask) * this.ways;
    for (let slot = base; slot < base + this.ways; slot++) {
      if (this.va[slot] !== vaLine || this.pa[slot] < 0) continue;
      if (!this.asidTagged || this.asid[slot] === asid || this.asid[slot] === -1) return slot;
    }
    return -1;
  }

  /**
   * Next slot that holds the physical line, whatever virtual index it was filled through, or -1.
   * Start with `after` = -1; an aliasing cache may hold several.
   */
  findPhysical(line: number, after: number): number {
    const low = line & ((1 << this.pageLineBits) - 1);
    for (let colour = 0; colour < this.colours; colour++) {
      const set = this.colours === 1 ? line & this.setMask : low | (colour << this.pageLineBits);
      const base = set * this.ways;
      for (let slot = Math.max(base, after + 1); slot < base + this.ways; slot++) {
        if (this.pa[slot] === line) return slot;
      }
    }
    return -1;
  }

  /** Records a use of `slot` for the replacement policy. */
  touch(slot: number): void {
    const set = (slot / this.ways) | 0;
    const way = slot - set * this.ways;
    if (this.mru[set] === way) return;
    this.mru[set] = way;
    if (this.lru) this.age[slot] = this.nextTick();
  }

  /** Slot to fill next in `set`: an invalid way first, otherwise by the replacement policy. */
  victim(set: number): number {
    const base = set * this.ways;
    for (let slot = base; slot < base + this.ways; slot++) if (this.pa[slot] < 0) return slot;
    if (this.ways === 1) return base;
    switch (this.geometry.replacement) {
      case 'round-robin': {
        const way = this.turn[set];
        this.turn[set] = way + 1 === this.ways ? 0 : way + 1;
        return base + way;
      }
      case 'random':
        return base + (nextRandom(this.meta, META_RANDOM) % this.ways);
      default: {
        let oldest = base;
        for (let slot = base + 1; slot < base + this.ways; slot++) {
          if (this.age[slot] < this.age[oldest]) oldest = slot;
        }
        return oldest;
      }
    }
  }

  /** Puts a line's identity into an empty slot and makes it most recently used. */
  install(slot: number, va: number, line: number, asid: number, state: number): void {
    this.pa[slot] = line;
    this.state[slot] = state;
    if (this.virtualTag) {
      this.va[slot] = va >>> this.lineShift;
      this.asid[slot] = this.asidTagged ? asid : -1;
    }
    const set = (slot / this.ways) | 0;
    this.touched?.mark(set);
    this.mru[set] = slot - set * this.ways;
    if (this.lru) this.age[slot] = this.nextTick();
  }

  drop(slot: number): void {
    this.pa[slot] = -1;
    this.state[slot] = INVALID;
  }

  private nextTick(): number {
    const tick = this.meta[META_TICK] + 1;
    if (tick <= LAST_TICK) {
      this.meta[META_TICK] = tick;
      return tick;
    }
    this.compressAges();
    this.meta[META_TICK] = this.ways + 1;
    return this.ways + 1;
  }

  /** Keeps only the order of the ages within each set, when the tick runs out. */
  private compressAges(): void {
    for (let base = 0; base < this.lines; base += this.ways) {
      const order = Array.from({ length: this.ways }, (_, way) => base + way);
      order.sort((a, b) => this.age[a] - this.age[b]);
      for (const [rank, slot] of order.entries()) this.age[slot] = rank + 1;
    }
  }
}
