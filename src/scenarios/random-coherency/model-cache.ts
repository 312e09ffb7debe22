/**
 * A cache of the model: where a copy may sit and which one leaves. Written for clarity: copies are
 * objects, a set is an array of ways, recency is a list.
 */
import type { Platform } from '../../machine/platform.ts';

/** Modified, owned, exclusive, shared. */
export type CopyState = 'M' | 'O' | 'E' | 'S';

export interface Copy {
  /** Physical line number, and under virtual tags the virtual one and the ASID. */
  line: number;
  virtualLine: number;
  asid: number;
  state: CopyState;
  /** Words and the version of each. */
  words: number[];
  versions: number[];
  readonly set: number;
  readonly way: number;
}

export interface Place {
  readonly set: number;
  readonly way: number;
}

export function isDirty(copy: Copy): boolean {
  return copy.state === 'M' || copy.state === 'O';
}

/** May be stored to without asking anybody. */
export function isExclusive(copy: Copy): boolean {
  return copy.state === 'M' || copy.state === 'E';
}

interface Geometry {
  readonly sizeBytes: number;
  readonly ways: number;
  readonly replacement: Platform['l1d']['replacement'];
  readonly organisation?: Platform['l1d']['organisation'];
  readonly asidTagged?: boolean;
}

const PAGE_BYTES = 4096;

export class ModelCache {
  readonly geometry: Geometry;
  private readonly lineBytes: number;
  private readonly setCount: number;
  private readonly sets: (Copy | undefined)[][];
  /** Ways of each set, least recently used first. */
  private readonly recency: number[][];
  private readonly turn: number[];
  private random: number;

  constructor(geometry: Geometry, lineBytes: number, seed: number) {
    this.geometry = geometry;
    this.lineBytes = lineBytes;
    this.setCount = geometry.sizeBytes / lineBytes / geometry.ways;
    const perSet = <T>(make: () => T): T[] => Array.from({ length: this.setCount }, make);
    this.sets = perSet(() => new Array<Copy | undefined>(geometry.ways).fill(undefined));
    this.recency = perSet(() => Array.from({ length: geometry.ways }, (_, way) => way));
    this.turn = perSet(() => 0);
    this.random = seed | 1;
  }

  get isVirtuallyTagged(): boolean {
    return this.geometry.organisation === 'vivt';
  }

  private get isVirtuallyIndexed(): boolean {
    return this.isVirtuallyTagged || this.geometry.organisation === 'vipt';
  }

  private setOf(va: number, line: number): number {
    const index = this.isVirtuallyIndexed ? Math.floor(va / this.lineBytes) : line;
    return index % this.setCount;
  }

  /** What an access finds. */
  find(va: number, line: number, asid: number): Copy | undefined {
    const ways = this.sets[this.setOf(va, line)];
    if (!this.isVirtuallyTagged) return ways.find((copy) => copy?.line === line);
    const virtualLine = Math.floor(va / this.lineBytes);
    const isTagged = this.geometry.asidTagged === true;
    return ways.find((copy) => copy?.virtualLine === virtualLine && (!isTagged || copy.asid === asid));
  }

  /** Every copy of a physical line, lower sets and ways first: more than one under aliases. */
  copiesOf(line: number): Copy[] {
    const linesPerPage = PAGE_BYTES / this.lineBytes;
    const step = this.isVirtuallyIndexed ? Math.min(linesPerPage, this.setCount) : this.setCount;
    const found: Copy[] = [];
    for (let set = line % step; set < this.setCount; set += step) {
      for (const copy of this.sets[set]) if (copy?.line === line) found.push(copy);
    }
    return found;
  }

  /** Where a copy would go, which makes the replacement policy choose: an empty way if there is one. */
  placeFor(va: number, line: number): Place {
    const set = this.setOf(va, line);
    const ways = this.sets[set];
    const empty = ways.indexOf(undefined);
    if (empty >= 0) return { set, way: empty };
    if (ways.length === 1) return { set, way: 0 };
    switch (this.geometry.replacement) {
      case 'lru':
        return { set, way: this.recency[set][0] };
      case 'round-robin': {
        const way = this.turn[set];
        this.turn[set] = (way + 1) % ways.length;
        return { set, way };
      }
      default:
        return { set, way: this.nextRandom() % ways.length };
    }
  }

  /** Marsaglia's xorshift32 with shifts 13, 17, 5, as the platform description promises. */
  private nextRandom(): number {
    let x = this.random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.random = x;
    return x >>> 0;
  }

  at(place: Place): Copy | undefined {
    return this.sets[place.set][place.way];
  }

  /** Slots are numbered set by set. */
  atSlot(slot: number): Copy | undefined {
    const { ways } = this.geometry;
    return this.sets[Math.floor(slot / ways)][slot % ways];
  }

  get slots(): number {
    return this.setCount * this.geometry.ways;
  }

  put(
    place: Place,
    va: number,
    asid: number,
    line: number,
    state: CopyState,
    words: number[],
    versions: number[],
  ): Copy {
    const virtualLine = Math.floor(va / this.lineBytes);
    const copy: Copy = {
      line,
      virtualLine,
      asid,
      state,
      words: words.slice(),
      versions: versions.slice(),
      set: place.set,
      way: place.way,
    };
    this.sets[place.set][place.way] = copy;
    this.use(copy);
    return copy;
  }

  use(copy: Copy): void {
    const order = this.recency[copy.set];
    if (order[order.length - 1] === copy.way) return;
    order.splice(order.indexOf(copy.way), 1);
    order.push(copy.way);
  }

  drop(copy: Copy): void {
    this.sets[copy.set][copy.way] = undefined;
  }
}
