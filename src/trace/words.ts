/**
 * The form that a trace has for the machine: one 32-bit word for each cache line that a record touches.
 * Bits 31..2 are a word's address, bits 1..0 one of KIND_* (a load of KIND_MODIFY is followed by its store).
 *
 * Traced addresses have 64 bits, simulated ones 32: the traced address space is cut into chunks of 16 MB,
 * which get one of 256 simulated chunks each at first touch. Every address bit that a cache or a TLB takes
 * an index from stays the same, and distinct addresses stay distinct. The encoder numbers the chunks of one
 * trace (so that it needs to know of no other); `ChunkMap` makes of that the chunks of an address space.
 *
 * A trace says which bytes, not which values: an access becomes one word access per line that it touches.
 */
import { acquireLock, releaseLock } from '../machine/locks.ts';
import { KIND_LOAD, KIND_MODIFY, KIND_STORE, type Records } from './records.ts';
import { TraceError } from './trace-error.ts';

const CHUNK_SHIFT = 24;
export const CHUNKS = 1 << (32 - CHUNK_SHIFT);
const OFFSET_MASK = (1 << CHUNK_SHIFT) - 1;

/** Takes words; `room` says how many more it takes before `flush` must be called. */
export interface WordSink {
  words: Uint32Array;
  length: number;
}

/** Names of traced chunks (bits 63..24 of an address): a word for bits 55..24, one for 63..56, plus 1. */
export const NAME_WORDS = 2;

export class Encoder {
  /** Chunks seen so far, in the order of their first touch: see NAME_WORDS. */
  readonly names: Int32Array;
  chunkCount = 0;
  private readonly where: string;
  private readonly lineShift: number;
  private readonly split: boolean;
  private readonly byName = new Map<number, number>();
  private lastLow = -1;
  private lastHigh = -1;
  private lastChunk = 0;
  private next = 0;

  /**
   * @param names room for the names of CHUNKS chunks
   * @param lineBytes the line of the machine's caches
   * @param split an access that touches two lines counts in both; otherwise its first byte counts
   */
  constructor(where: string, names: Int32Array, lineBytes: number, split: boolean) {
    this.where = where;
    this.names = names;
    this.lineShift = 31 - Math.clz32(lineBytes);
    this.split = split;
  }

  /**
   * Appends records to `sink` until they are all done or it is full. Call again with the same records
   * until it returns true.
   */
  encode(records: Records, sink: WordSink): boolean {
    const { kind: kinds, low: lows, high: highs, sizeBytes: sizes, count } = records;
    const { lineShift, split } = this;
    const out = sink.words;
    const most = out.length - 2;
    let length = sink.length;
    let at = this.next;
    for (; at < count && length <= most; at++) {
      const kind = kinds[at];
      const low = lows[at];
      const above = low >>> CHUNK_SHIFT;
      if (above !== this.lastLow || highs[at] !== this.lastHigh) this.findChunk(above, highs[at]);
      const first = (low & OFFSET_MASK) | (this.lastChunk << CHUNK_SHIFT);
      const straddles = split && low >>> lineShift !== (low + sizes[at] - 1) >>> lineShift;
      if (straddles) {
        const done = this.straddling(kind, low, highs[at], sizes[at], out, length);
        if (done < 0) break;
        length = done;
        continue;
      }
      out[length++] = (first & ~3) | kind;
      if (kind === KIND_MODIFY) out[length++] = (first & ~3) | KIND_STORE;
    }
    sink.length = length;
    this.next = at === count ? 0 : at;
    return at === count;
  }

  /** One word per line; a modify loads them all, then stores them all. Returns the new length, -1: no room. */
  private straddling(
    kind: number,
    low: number,
    high: number,
    size: number,
    out: Uint32Array,
    from: number,
  ): number {
    const lineBytes = 1 << this.lineShift;
    const start = high * 0x1_0000_0000 + low;
    const lines = Math.floor((start + size - 1) / lineBytes) - Math.floor(start / lineBytes) + 1;
    if (from + lines * 2 > out.length) {
      if (from > 0) return -1;
      throw new TraceError(
        `${this.where}: an access of ${size} bytes touches ${lines} lines: use larger lines`,
      );
    }
    let length = from;
    const passes = kind === KIND_MODIFY ? [KIND_LOAD, KIND_STORE] : [kind];
    for (const pass of passes) {
      for (let line = 0; line < lines; line++) {
        const va = line === 0 ? start : (Math.floor(start / lineBytes) + line) * lineBytes;
        const lowPart = va % 0x1_0000_0000;
        this.findChunk(lowPart >>> CHUNK_SHIFT, Math.floor(va / 0x1_0000_0000));
        out[length++] = ((lowPart & OFFSET_MASK & ~3) | (this.lastChunk << CHUNK_SHIFT) | pass) >>> 0;
      }
    }
    return length;
  }

  private findChunk(above: number, high: number): void {
    this.lastLow = above;
    this.lastHigh = high;
    const name = high * 256 + above;
    let chunk = this.byName.get(name);
    if (chunk === undefined) {
      chunk = this.chunkCount;
      if (chunk === CHUNKS) {
        throw new TraceError(
          `${this.where}: touches more than ${CHUNKS} chunks of 16 MB, which is all that fits 32-bit addresses: trace a shorter part of the program`,
        );
      }
      this.names[chunk * NAME_WORDS] = (high << 8) | above | 0;
      this.names[chunk * NAME_WORDS + 1] = (high >>> 24) + 1;
      this.byName.set(name, chunk);
      this.chunkCount++;
    }
    this.lastChunk = chunk;
  }
}

/** Words of a ChunkMap: a lock, then the names of the chunks of an address space. */
export const CHUNK_MAP_WORDS = 16 + CHUNKS * NAME_WORDS;

/** Which traced chunk each chunk of an address space stands for. Shared by the CPUs that run the space. */
export class ChunkMap {
  private readonly map: Int32Array;

  /** @param map CHUNK_MAP_WORDS words, shared, zero at first */
  constructor(map: Int32Array) {
    this.map = map;
  }

  /**
   * The space's chunk for a traced one, given out at the first call: its own number, modulo 256, or the
   * next that is free.
   * @throws TraceError when all are taken
   */
  chunkOf(low: number, high: number): number {
    const { map } = this;
    acquireLock(map, 0);
    try {
      for (let i = 0; i < CHUNKS; i++) {
        const chunk = (low + i) & (CHUNKS - 1);
        const at = 16 + chunk * NAME_WORDS;
        if (map[at + 1] === 0) {
          map[at] = low;
          map[at + 1] = high;
        }
        if (map[at] === low && map[at + 1] === high) return chunk;
      }
    } finally {
      releaseLock(map, 0);
    }
    throw new TraceError(
      `the traces of one address space touch more than ${CHUNKS} chunks of 16 MB: give each its own with --spaces each`,
    );
  }
}

/** Puts the chunks of an address space in the place of a trace's own numbers. */
export class Relocation {
  private readonly table = new Int32Array(CHUNKS);
  private known = 0;
  private isIdentity = true;
  private readonly names: Int32Array;
  private readonly map: ChunkMap;

  constructor(names: Int32Array, map: ChunkMap) {
    this.names = names;
    this.map = map;
  }

  /** @param chunkCount chunks that the trace had named when these words were encoded */
  relocate(words: Uint32Array, chunkCount: number): void {
    for (; this.known < chunkCount; this.known++) this.resolve(this.known);
    if (this.isIdentity) return;
    const { table } = this;
    for (let i = 0; i < words.length; i++) {
      const word = words[i];
      words[i] = (word & OFFSET_MASK) | (table[word >>> CHUNK_SHIFT] << CHUNK_SHIFT);
    }
  }

  private resolve(chunk: number): void {
    const to = this.map.chunkOf(this.names[chunk * NAME_WORDS], this.names[chunk * NAME_WORDS + 1]);
    this.table[chunk] = to;
    if (to !== chunk) this.isIdentity = false;
  }
}
