/** An L1 cache simulator in a few lines, with nothing in common with the machine: LRU by order in a list. */
import { KIND_FETCH, KIND_MODIFY, KIND_STORE } from '../../src/trace/records.ts';

export interface Access {
  readonly kind: number;
  readonly address: number;
  readonly size: number;
}

export interface Geometry {
  readonly size: number;
  readonly ways: number;
  readonly line: number;
}

class ListCache {
  accesses: [number, number] = [0, 0];
  misses: [number, number] = [0, 0];
  evictions = 0;
  dirtyEvictions = 0;
  private readonly sets: { line: number; dirty: boolean }[][];
  private readonly geometry: Geometry;

  constructor(geometry: Geometry) {
    this.geometry = geometry;
    const count = geometry.size / geometry.ways / geometry.line;
    this.sets = Array.from({ length: count }, () => []);
  }

  touch(line: number, write: boolean): void {
    const set = this.sets[line % this.sets.length];
    const at = set.findIndex((held) => held.line === line);
    this.accesses[write ? 1 : 0]++;
    let held = { line, dirty: false };
    if (at >= 0) [held] = set.splice(at, 1);
    else this.misses[write ? 1 : 0]++;
    held.dirty ||= write;
    set.unshift(held);
    if (set.length <= this.geometry.ways) return;
    this.evictions++;
    if (set.pop()?.dirty) this.dirtyEvictions++;
  }

  get dirty(): number {
    return this.sets.flat().filter((held) => held.dirty).length;
  }
}

/** Counts in the form that `flushlab trace run --compare` takes. */
export function referenceCounts(accesses: readonly Access[], geometry: Geometry) {
  const code = new ListCache(geometry);
  const data = new ListCache(geometry);
  for (const { kind, address, size } of accesses) {
    const passes = kind === KIND_MODIFY ? [false, true] : [kind === KIND_STORE];
    const cache = kind === KIND_FETCH ? code : data;
    for (const write of passes) {
      const last = Math.floor((address + size - 1) / geometry.line);
      for (let line = Math.floor(address / geometry.line); line <= last; line++) cache.touch(line, write);
    }
  }
  return {
    geometry,
    refsim: {
      I: [code.accesses[0], code.misses[0]],
      R: [data.accesses[0], data.misses[0]],
      W: [data.accesses[1], data.misses[1]],
      d_evictions: data.evictions,
      d_dirty_evictions: data.dirtyEvictions,
      d_dirty_at_end: data.dirty,
    },
  };
}
