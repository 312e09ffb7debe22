/**
 * The private caches of the model: getting a line, snooping for it, moving it out. The rules are listed in
 * model.ts.
 */
import type { Platform } from '../../machine/platform.ts';
import { type Copy, isDirty, isExclusive, ModelCache } from './model-cache.ts';
import { type LineWords, ModelMemory } from './model-memory.ts';

export interface BufferedStore {
  readonly va: number;
  readonly pa: number;
  readonly asid: number;
  readonly size: number;
  readonly low: number;
  readonly high: number;
  readonly uncached: boolean;
}

export interface ModelCpu {
  readonly index: number;
  readonly l1d: ModelCache;
  readonly l1i: ModelCache;
  readonly l2: ModelCache | undefined;
  readonly buffer: BufferedStore[];
  monitor: number | undefined;
  asid: number;
}

/** A copy in the cache that holds it. */
export interface Held {
  readonly cache: ModelCache;
  readonly copy: Copy;
}

export class ModelCaches {
  readonly memory: ModelMemory;
  readonly cpus: readonly ModelCpu[];
  protected readonly platform: Platform;

  constructor(platform: Platform, cpus: number, seed: number) {
    const { lineBytes, l1d, l1i, l2 } = platform;
    this.platform = platform;
    this.memory = new ModelMemory(platform, seed);
    this.cpus = Array.from({ length: cpus }, (_, index) => {
      // Each cache starts its random replacement at a number of its own.
      const own = seed + 7919 * (index + 1);
      return {
        index,
        l1d: new ModelCache(l1d, lineBytes, own),
        l1i: new ModelCache(l1i, lineBytes, own + 1),
        l2: l2 && new ModelCache(l2, lineBytes, own + 2),
        buffer: [],
        monitor: undefined,
        asid: 0,
      };
    });
  }

  protected get isCoherent(): boolean {
    return this.platform.coherence !== 'none';
  }

  protected lineOf(pa: number): number {
    return Math.floor(pa / this.platform.lineBytes);
  }

  protected indexOf(pa: number): number {
    return (pa % this.platform.lineBytes) >> 2;
  }

  // --- Getting a line --------------------------------------------------------------------------

  protected hold(cpu: ModelCpu, va: number, line: number, forWrite: boolean, allocateL1: boolean): Held {
    const { l1d, l2 } = cpu;
    const hit = l1d.find(va, line, cpu.asid);
    if (hit && (!forWrite || isExclusive(hit))) return { cache: l1d, copy: hit };
    if (l2) return this.holdThroughL2(cpu, l2, va, line, forWrite, allocateL1, hit);
    if (hit) {
      this.upgrade(cpu, hit);
      return { cache: l1d, copy: hit };
    }
    const place = l1d.placeFor(va, line);
    const victim = l1d.at(place);
    if (victim) this.evictL1(cpu, victim);
    const { words, state } = this.obtain(cpu, line, forWrite);
    return { cache: l1d, copy: l1d.put(place, va, cpu.asid, line, state, words.words, words.versions) };
  }

  private holdThroughL2(
    cpu: ModelCpu,
    l2: ModelCache,
    va: number,
    line: number,
    forWrite: boolean,
    allocateL1: boolean,
    hit: Copy | undefined,
  ): Held {
    const { l1d } = cpu;
    let below = l2.find(0, line, 0);
    if (!below) {
      const place = l2.placeFor(0, line);
      const victim = l2.at(place);
      if (victim) this.evictL2(cpu, l2, victim);
      const { words, state } = this.obtain(cpu, line, forWrite);
      below = l2.put(place, 0, 0, line, state, words.words, words.versions);
    } else if (forWrite && !isExclusive(below)) this.upgrade(cpu, below);
    l2.use(below);
    if (hit) {
      if (isExclusive(below)) hit.state = 'E';
      return { cache: l1d, copy: hit };
    }
    if (!allocateL1) return { cache: l2, copy: below };
    const place = l1d.placeFor(va, line);
    const victim = l1d.at(place);
    if (victim) this.evictL1(cpu, victim);
    const state = isExclusive(below) ? 'E' : 'S';
    return { cache: l1d, copy: l1d.put(place, va, cpu.asid, line, state, below.words, below.versions) };
  }

  private upgrade(cpu: ModelCpu, copy: Copy): void {
    const found = this.isCoherent ? this.snoop(cpu, copy.line, true) : undefined;
    copy.state = isDirty(copy) || found?.dirty ? 'M' : 'E';
  }

  private obtain(cpu: ModelCpu, line: number, forWrite: boolean): { words: LineWords; state: Copy['state'] } {
    const found = this.isCoherent ? this.snoop(cpu, line, forWrite) : { dirty: undefined, hadCopy: false };
    const words = found.dirty ?? this.memory.readLine(cpu.index, line);
    if (forWrite) return { words, state: found.dirty ? 'M' : 'E' };
    const isFetched = this.platform.l1i.snooped && this.cpus.some((c) => c.l1i.copiesOf(line).length > 0);
    const isShared = this.platform.coherence === 'msi' || found.hadCopy || isFetched;
    return { words, state: isShared ? 'S' : 'E' };
  }

  // --- Snoops ----------------------------------------------------------------------------------

  protected snoop(
    cpu: ModelCpu,
    line: number,
    forWrite: boolean,
  ): { dirty: LineWords | undefined; hadCopy: boolean } {
    let dirty: LineWords | undefined;
    let hadCopy = false;
    if (forWrite && this.platform.l1i.snooped) {
      for (const { l1i } of this.cpus) for (const copy of l1i.copiesOf(line)) l1i.drop(copy);
    }
    for (const target of this.cpus) {
      if (target === cpu) continue;
      const found = this.snoopOne(target, line, forWrite);
      dirty = found.dirty ?? dirty;
      hadCopy ||= found.hadCopy;
    }
    return { dirty, hadCopy };
  }

  protected snoopOne(target: ModelCpu, line: number, forWrite: boolean) {
    const { l1d, l2 } = target;
    const staysDirty = this.platform.coherence === 'moesi' ? 'O' : 'S';
    let dirty: LineWords | undefined;
    const copies = l1d.copiesOf(line);
    for (const copy of copies) {
      if (isDirty(copy)) {
        if (dirty) this.memory.writeLine(target.index, line, dirty);
        dirty = copy;
        copy.state = l2 ? 'S' : staysDirty;
      } else copy.state = 'S';
      if (forWrite) l1d.drop(copy);
    }
    const below = l2?.find(0, line, 0);
    if (l2 && below) {
      if (dirty) {
        below.words = dirty.words.slice();
        below.versions = dirty.versions.slice();
      } else if (isDirty(below)) dirty = below;
      below.state = dirty ? staysDirty : 'S';
      if (forWrite) l2.drop(below);
    }
    if (dirty && !forWrite && staysDirty === 'S') this.memory.writeLine(target.index, line, dirty);
    const hadCopy = copies.length > 0 || below !== undefined;
    if (forWrite && hadCopy) this.lost(target, line);
    return { dirty, hadCopy };
  }

  protected invalidateOthers(cpu: ModelCpu, line: number): void {
    if (!this.isCoherent) return;
    const { dirty } = this.snoop(cpu, line, true);
    if (dirty) this.memory.writeLine(cpu.index, line, dirty);
  }

  /** If that was the last copy of the line in the CPU's private caches, its monitor opens. */
  lost(cpu: ModelCpu, line: number): void {
    if (cpu.monitor !== line) return;
    if (cpu.l1d.copiesOf(line).length === 0 && !cpu.l2?.find(0, line, 0)) cpu.monitor = undefined;
  }

  // --- Copies that leave -----------------------------------------------------------------------

  evictL1(cpu: ModelCpu, copy: Copy): void {
    const below = cpu.l2?.find(0, copy.line, 0);
    if (isDirty(copy)) {
      if (below) {
        below.words = copy.words.slice();
        below.versions = copy.versions.slice();
        below.state = 'M';
      } else this.memory.writeLine(cpu.index, copy.line, copy);
    }
    cpu.l1d.drop(copy);
    this.lost(cpu, copy.line);
  }

  evictL2(cpu: ModelCpu, l2: ModelCache, copy: Copy): void {
    this.mergeFromL1(cpu, copy);
    for (const above of cpu.l1d.copiesOf(copy.line)) cpu.l1d.drop(above);
    if (isDirty(copy)) this.memory.writeLine(cpu.index, copy.line, copy);
    l2.drop(copy);
    this.lost(cpu, copy.line);
  }

  /** Brings an L2 copy up to date with the dirty L1D copies, which stay as clean ones. */
  mergeFromL1(cpu: ModelCpu, below: Copy): void {
    for (const above of cpu.l1d.copiesOf(below.line)) {
      if (!isDirty(above)) continue;
      below.words = above.words.slice();
      below.versions = above.versions.slice();
      below.state = 'M';
      above.state = 'E';
    }
  }
}
