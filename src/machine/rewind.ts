/**
 * Puts a machine back to where it was when this was made, at the cost of what has been touched since and not
 * of the size of its memory: memory and its shadow by line, caches by set, large TLBs by entry; what is small
 * is copied whole. For machines of one thread only.
 */
import type { Cache } from './cache.ts';
import { Machine } from './machine.ts';

import { ENTRY } from './tlb.ts';
import { Touched } from './touched.ts';

/** Regions up to this size are copied whole. */
const SMALL_BYTES = 3072;
/** What is behind an invalid tag is never read, and one thread takes no locks. */
export const NEVER_READ = /^(cpu\d+\.\w+|shared|outer)\.(data|version)$|^(home|bank)Locks$/;
/** Words of memory, and what the checker keeps beside each. */
const BY_WORD = [
  'memory',
  'memoryVersion',
  'shadow.version',
  'shadow.value',
  'shadow.writer',
  'shadow.writerClock',
  'shadow.writerEpoch',
  'shadow.contract',
  'shadow.contractEpoch',
  'shadow.contractPte',
];

/** A stretch of a region for each touched number: `words` words from number * `words`. */
interface Tracked {
  readonly touched: Touched;
  /** First word of the region in the buffer. */
  readonly firstWord: number;
  readonly words: number;
}

/** The same for regions of bytes. */
interface TrackedBytes {
  readonly touched: Touched;
  readonly firstByte: number;
  readonly bytes: number;
}

export class Rewind {
  private readonly now: Int32Array;
  private readonly was: Int32Array;
  private readonly nowBytes: Uint8Array;
  private readonly wasBytes: Uint8Array;
  /** Words from, to, from, to, ... that are copied whole. */
  private readonly whole: number[] = [];
  private readonly tracked: Tracked[] = [];
  private readonly trackedBytes: TrackedBytes[] = [];
  private readonly marks: Touched[] = [];
  /** Numbers that count as touched at all times. */
  private readonly always: [Touched, number][] = [];
  private readonly machine: Machine;

  /** @throws Error for a machine that several threads share, or whose caches hold something already */
  constructor(machine: Machine) {
    if (machine.options.threaded) throw new Error('rewind: a machine that threads share cannot be rewound');
    this.machine = machine;
    this.now = new Int32Array(machine.buffer);
    this.was = this.now.slice();
    this.nowBytes = new Uint8Array(machine.buffer);
    this.wasBytes = new Uint8Array(this.was.buffer);
    const large = this.largeRegions(machine);
    const { state } = machine;
    const { wordsPerLine } = state;
    const lines = this.mark(state.presence.length / 2);
    state.touched = lines;
    for (const name of BY_WORD) this.track(large, name, lines, wordsPerLine);
    for (const name of ['presence', 'fetchPresence']) this.track(large, name, lines, 2);
    for (const [name, cache] of cachesOf(machine)) this.trackCache(large, name, cache);
    for (const [name, tlb] of tlbsOf(machine)) {
      if (!large.has(`${name}.entries`)) continue;
      tlb.touched = this.mark(tlb.count);
      // Whoever removes or uses an entry marks nothing: those that are there now are always brought back.
      for (let entry = 0; entry < tlb.count; entry++) {
        if (tlb.entries[entry * ENTRY.WORDS] >= 0) this.always.push([tlb.touched, entry]);
      }
      this.track(large, `${name}.entries`, tlb.touched, ENTRY.WORDS);
    }
    this.forget();
    // What nothing tracks is copied whole, however large it is.
    for (const { from, to } of large.values()) this.whole.push(from >> 2, (to + 3) >> 2);
  }

  /** Regions too large to be copied whole, by name; the small ones are noted, neighbours as one stretch. */
  private largeRegions(machine: Machine): Map<string, { from: number; to: number }> {
    const large = new Map<string, { from: number; to: number }>();
    const { whole } = this;
    for (const { name, offsetBytes, sizeBytes } of Machine.layout(machine.platform, machine.options)) {
      if (sizeBytes === 0 || NEVER_READ.test(name)) continue;
      const from = offsetBytes;
      const to = offsetBytes + sizeBytes;
      if (sizeBytes > SMALL_BYTES) large.set(name, { from, to });
      // Up to a host cache line lies between neighbours.
      else if (whole.length > 0 && from - whole[whole.length - 1] * 4 <= 128)
        whole[whole.length - 1] = (to + 3) >> 2;
      else whole.push(from >> 2, (to + 3) >> 2);
    }
    return large;
  }

  private mark(size: number): Touched {
    const touched = new Touched(size);
    this.marks.push(touched);
    return touched;
  }

  private track(large: Map<string, { from: number }>, name: string, touched: Touched, words: number): void {
    const region = large.get(name);
    if (!region) return;
    this.tracked.push({ touched, firstWord: region.from >> 2, words });
    large.delete(name);
  }

  private trackCache(large: Map<string, { from: number }>, name: string, cache: Cache): void {
    if (cache.pa.some((line) => line >= 0))
      throw new Error(`rewind: ${name} must be empty, its data is not kept`);
    const { ways } = cache;
    const touched = this.mark(cache.sets);
    cache.touched = touched;
    for (const part of ['pa', 'va', 'asid', 'age']) this.track(large, `${name}.${part}`, touched, ways);
    for (const [part, bytes] of [
      ['state', ways],
      ['mru', 1],
      ['turn', 1],
    ] as const) {
      const region = large.get(`${name}.${part}`);
      if (!region) continue;
      this.trackedBytes.push({ touched, firstByte: region.from, bytes });
      large.delete(`${name}.${part}`);
    }
  }

  /** Everything is as it was. */
  restore(): void {
    const { now, was, whole } = this;
    for (let i = 0; i < whole.length; i += 2) now.set(was.subarray(whole[i], whole[i + 1]), whole[i]);
    for (const { touched, firstWord, words } of this.tracked) {
      for (let i = 0; i < touched.count; i++) {
        const from = firstWord + touched.list[i] * words;
        for (let at = from; at < from + words; at++) now[at] = was[at];
      }
    }
    const { nowBytes, wasBytes } = this;
    for (const { touched, firstByte, bytes } of this.trackedBytes) {
      for (let i = 0; i < touched.count; i++) {
        const from = firstByte + touched.list[i] * bytes;
        for (let at = from; at < from + bytes; at++) nowBytes[at] = wasBytes[at];
      }
    }
    this.forget();
    this.machine.bulk.forgetTranslations();
  }

  private forget(): void {
    for (const touched of this.marks) touched.forget();
    for (const [touched, number] of this.always) touched.mark(number);
  }
}

function* cachesOf({ state }: Machine): Generator<[string, Cache]> {
  if (state.shared) yield ['shared', state.shared];
  if (state.outer) yield ['outer', state.outer];
  for (const cpu of state.cpus) {
    yield [`cpu${cpu.index}.l1d`, cpu.l1d];
    yield [`cpu${cpu.index}.l1i`, cpu.l1i];
    if (cpu.l2) yield [`cpu${cpu.index}.l2`, cpu.l2];
  }
}

function* tlbsOf({ state }: Machine) {
  for (const cpu of state.cpus) {
    yield [`cpu${cpu.index}.dtlb`, cpu.dtlb] as const;
    if (cpu.itlb !== cpu.dtlb) yield [`cpu${cpu.index}.itlb`, cpu.itlb] as const;
    if (cpu.tlb2) yield [`cpu${cpu.index}.tlb2`, cpu.tlb2] as const;
  }
}
