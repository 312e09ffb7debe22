/**
 * Memory and the caches that all CPUs share, in the model. Rules:
 * - The shared L2 and the outer cache fill on reads and on write-backs, and include nothing.
 * - A read takes the line from the first level that has it; every level that was passed keeps it.
 * - A write-back of a whole line goes to the first level, over the copy there if there is one.
 * - A dirty line that leaves the shared L2 goes into the outer cache only if that has the line, else to
 *   memory; one that leaves the outer cache goes to memory.
 * - One word written past the private caches goes into the first level that has the line, else to memory.
 * - A line of an older version that is written over a newer one loses that write, word by word.
 */
import type { Platform } from '../../machine/platform.ts';
import { type Copy, isDirty, ModelCache } from './model-cache.ts';

export interface LineWords {
  words: number[];
  versions: number[];
}

/** What the model expects the checker to report. */
export interface Expected {
  readonly kind: 'stale-data' | 'stale-instruction' | 'lost-write';
  readonly cpu: number;
  readonly pa: number;
  /** -1 for a lost write. */
  readonly got: number;
  readonly version: number;
  readonly newest: number;
}

export class ModelMemory {
  readonly shared: ModelCache | undefined;
  readonly outer: ModelCache | undefined;
  readonly wordsPerLine: number;
  readonly lineBytes: number;
  readonly words: Int32Array;
  readonly versions: Int32Array;
  /** What a coherent machine would hold: value and number of writes of each word. */
  readonly truth: Int32Array;
  readonly newest: Int32Array;
  readonly expected: Expected[] = [];

  constructor(platform: Platform, seed: number) {
    const { lineBytes, memoryBytes } = platform;
    this.lineBytes = lineBytes;
    this.wordsPerLine = lineBytes / 4;
    this.shared = platform.shared && new ModelCache(platform.shared, lineBytes, seed);
    this.outer = platform.outer && new ModelCache(platform.outer, lineBytes, seed + 1);
    this.words = new Int32Array(memoryBytes / 4);
    this.versions = new Int32Array(memoryBytes / 4);
    this.truth = new Int32Array(memoryBytes / 4);
    this.newest = new Int32Array(memoryBytes / 4);
  }

  get levels(): ModelCache[] {
    return [this.shared, this.outer].filter((level) => level !== undefined);
  }

  readLine(cpu: number, line: number): LineWords {
    return this.readFrom(cpu, this.levels, line);
  }

  private readFrom(cpu: number, levels: ModelCache[], line: number): LineWords {
    const [level, ...below] = levels;
    if (!level) return this.memoryLine(line);
    const copy = level.find(0, line, 0);
    if (copy) {
      level.use(copy);
      return { words: copy.words.slice(), versions: copy.versions.slice() };
    }
    const got = this.readFrom(cpu, below, line);
    const place = level.placeFor(0, line);
    this.makeRoom(cpu, level, level.at(place));
    level.put(place, 0, 0, line, 'S', got.words, got.versions);
    return got;
  }

  private memoryLine(line: number): LineWords {
    const words: number[] = [];
    const versions: number[] = [];
    for (let i = 0; i < this.wordsPerLine; i++) {
      words.push(this.words[line * this.wordsPerLine + i]);
      versions.push(this.versions[line * this.wordsPerLine + i]);
    }
    return { words, versions };
  }

  /** A whole line comes from a private cache. */
  writeLine(cpu: number, line: number, from: LineWords): void {
    const [level] = this.levels;
    if (!level) {
      this.toMemory(cpu, line, from);
      return;
    }
    const copy = level.find(0, line, 0);
    if (copy) {
      this.over(cpu, line, from, copy.versions, 0);
      copy.words = from.words.slice();
      copy.versions = from.versions.slice();
      copy.state = 'M';
      level.use(copy);
      return;
    }
    const place = level.placeFor(0, line);
    this.makeRoom(cpu, level, level.at(place));
    level.put(place, 0, 0, line, 'M', from.words, from.versions);
  }

  private makeRoom(cpu: number, level: ModelCache, victim: Copy | undefined): void {
    if (!victim) return;
    if (isDirty(victim)) this.pushDown(cpu, level, victim);
    level.drop(victim);
  }

  /** Writes a dirty copy of a level behind the private caches one level down. */
  pushDown(cpu: number, level: ModelCache, copy: Copy): void {
    const below = level === this.shared ? this.outer?.find(0, copy.line, 0) : undefined;
    if (!below) {
      this.toMemory(cpu, copy.line, copy);
      return;
    }
    this.over(cpu, copy.line, copy, below.versions, 0);
    below.words = copy.words.slice();
    below.versions = copy.versions.slice();
    below.state = 'M';
  }

  private toMemory(cpu: number, line: number, from: LineWords): void {
    const first = line * this.wordsPerLine;
    this.over(cpu, line, from, this.versions, first);
    this.words.set(from.words, first);
    this.versions.set(from.versions, first);
  }

  private over(cpu: number, line: number, from: LineWords, below: ArrayLike<number>, at: number): void {
    for (const [i, version] of from.versions.entries()) {
      if (version >= below[at + i]) continue;
      const word = line * this.wordsPerLine + i;
      this.expectLost(cpu, word, version);
    }
  }

  expectLost(cpu: number, word: number, version: number): void {
    this.expected.push({
      kind: 'lost-write',
      cpu,
      pa: word * 4,
      got: -1,
      version,
      newest: this.newest[word],
    });
  }

  /** The level that answers for one word behind the private caches. */
  private holder(pa: number): Copy | undefined {
    const line = Math.floor(pa / this.lineBytes);
    for (const level of this.levels) {
      const copy = level.find(0, line, 0);
      if (copy) return copy;
    }
    return undefined;
  }

  peekWord(pa: number): { word: number; version: number } {
    const copy = this.holder(pa);
    const i = (pa % this.lineBytes) >> 2;
    if (copy) return { word: copy.words[i], version: copy.versions[i] };
    return { word: this.words[pa >> 2], version: this.versions[pa >> 2] };
  }

  patchWord(pa: number, word: number, version: number): void {
    const copy = this.holder(pa);
    if (!copy) {
      this.words[pa >> 2] = word;
      this.versions[pa >> 2] = version;
      return;
    }
    const i = (pa % this.lineBytes) >> 2;
    copy.words[i] = word;
    copy.versions[i] = version;
    copy.state = 'M';
  }

  /**
   * A dirty copy is thrown away. Its newest words are lost unless a level between it and memory, or memory,
   * has them as well.
   */
  discard(cpu: number, copy: Copy, below: readonly (ModelCache | undefined)[]): void {
    for (const [i, version] of copy.versions.entries()) {
      const word = copy.line * this.wordsPerLine + i;
      if (version !== this.newest[word]) continue;
      const saved = below.map((level) => level?.find(0, copy.line, 0)?.versions[i] ?? 0);
      if (version > Math.max(this.versions[word], ...saved)) this.expectLost(cpu, word, version);
    }
  }
}
