/**
 * Puts a machine back to where it was when this was made, at the cost of what has been touched since and not
 * of the size of its memory: memory and its shadow by line, caches by set, TLBs by entry, rings as far as they
 * have been filled; registers and the like, which are small, are copied whole. For machines of one thread only.
 */
import type { Cache } from './cache.ts';
import { Machine } from './machine.ts';
import { PAGE_SHIFT } from './platform.ts';
import { CTL, STORE, TLB_LOG } from './registers.ts';
import { ENTRY } from './tlb.ts';
import { Touched } from './touched.ts';

/** What is behind an invalid tag or beyond the last finding is never read, and one thread takes no locks. */
export const NEVER_READ = /^(cpu\d+\.\w+|shared|outer)\.(data|version)$|^bankLocks$|^shadow\.findings$/;
/** Stretches up to this length are copied by hand: calling somebody who is faster takes longer. */
const BY_HAND_WORDS = 64;
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
  'shadow.contractWritten',
  'shadow.contractBefore',
];

/** A stretch of a region for each touched number: `words` words from (number >> `shift`) * `words`. */
interface Tracked {
  readonly touched: Touched;
  readonly shift: number;
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

/** A region that is filled from its beginning, over and over: as far as it has been. */
interface Ring {
  /** Word that counts what was ever put in. */
  readonly countWord: number;
  readonly firstWord: number;
  readonly words: number;
  readonly entries: number;
}

/** A stretch that is copied whole. */
interface Whole {
  readonly firstWord: number;
  readonly was: Int32Array;
}

export class Rewind {
  private readonly now: Int32Array;
  private readonly was: Int32Array;
  private readonly nowBytes: Uint8Array;
  private readonly wasBytes: Uint8Array;
  private readonly whole: Whole[] = [];
  private readonly rings: Ring[] = [];
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
    const left = regionsOf(machine);
    const { state } = machine;
    const { wordsPerLine } = state;
    const lines = this.mark(state.presence.length / state.presenceWords);
    state.touched = lines;
    for (const name of BY_WORD) this.track(left, name, lines, wordsPerLine);
    for (const name of ['presence', 'fetchPresence']) this.track(left, name, lines, state.presenceWords);
    for (const name of ['shadow.frameGeneration', 'shadow.frameEpoch']) {
      this.track(left, name, lines, 1, PAGE_SHIFT - state.lineShift);
    }
    state.touchedLocks = this.mark(state.holders.length);
    this.track(left, 'times', state.touchedLocks, 2);
    this.track(left, 'holders', state.touchedLocks, 1);
    for (const [name, cache] of cachesOf(machine)) this.trackCache(left, name, cache);
    for (const [name, tlb] of tlbsOf(machine)) {
      tlb.touched = this.mark(tlb.count);
      // Whoever removes or uses an entry marks nothing: those that are there now are always brought back.
      for (let entry = 0; entry < tlb.count; entry++) {
        if (tlb.entries[entry * ENTRY.WORDS] >= 0) this.always.push([tlb.touched, entry]);
      }
      this.track(left, `${name}.entries`, tlb.touched, ENTRY.WORDS);
    }
    for (const cpu of state.cpus) {
      const [ctl, log] = ['ctl', 'tlbLog'].map((name) => left.get(`cpu${cpu.index}.${name}`)?.from ?? 0);
      const stored = (ctl >> 2) + CTL.STORES_IN;
      const slots = cpu.storesDue.length;
      this.addRing(left, `cpu${cpu.index}.stores`, stored, 0, STORE.WORDS, slots);
      this.addRing(left, `cpu${cpu.index}.storesDue`, stored, 0, 2, slots);
      this.addRing(left, `cpu${cpu.index}.tlbLog`, log >> 2, 1, TLB_LOG.WORDS, TLB_LOG.ENTRIES);
    }
    this.forget();
    this.copyWhole(left);
  }

  /** What nothing tracks is copied whole, however large it is; neighbours as one stretch. */
  private copyWhole(left: Regions): void {
    const stretches: [number, number][] = [];
    for (const { from, to } of left.values()) {
      const last = stretches[stretches.length - 1];
      // Up to a host cache line lies between neighbours.
      if (last && from - last[1] <= 128) last[1] = to;
      else stretches.push([from, to]);
    }
    for (const [from, to] of stretches) {
      this.whole.push({ firstWord: from >> 2, was: this.was.subarray(from >> 2, (to + 3) >> 2) });
    }
  }

  /** @param header words before the entries, which are copied always */
  private addRing(
    left: Regions,
    name: string,
    countWord: number,
    header: number,
    words: number,
    entries: number,
  ): void {
    const region = left.get(name);
    if (!region) return;
    const firstWord = (region.from >> 2) + header;
    this.rings.push({ countWord, firstWord, words, entries });
    if (header > 0) left.set(name, { from: region.from, to: firstWord * 4 });
    else left.delete(name);
  }

  private mark(size: number): Touched {
    const touched = new Touched(size);
    this.marks.push(touched);
    return touched;
  }

  private track(left: Regions, name: string, touched: Touched, words: number, shift = 0): void {
    const region = left.get(name);
    if (!region) return;
    this.tracked.push({ touched, shift, firstWord: region.from >> 2, words });
    left.delete(name);
  }

  private trackCache(left: Regions, name: string, cache: Cache): void {
    if (cache.pa.some((line) => line >= 0))
      throw new Error(`rewind: ${name} must be empty, its data is not kept`);
    const { ways } = cache;
    const touched = this.mark(cache.sets);
    cache.touched = touched;
    for (const part of ['pa', 'va', 'asid', 'age']) this.track(left, `${name}.${part}`, touched, ways);
    for (const [part, bytes] of [
      ['state', ways],
      ['primaryIndex', ways],
      ['mru', 1],
      ['turn', 1],
    ] as const) {
      const region = left.get(`${name}.${part}`);
      if (!region) continue;
      this.trackedBytes.push({ touched, firstByte: region.from, bytes });
      left.delete(`${name}.${part}`);
    }
  }

  /** Everything is as it was. */
  restore(): void {
    const { now, was } = this;
    // Rings first: what counts them is copied back below.
    for (const { countWord, firstWord, words, entries } of this.rings) {
      const to = firstWord + Math.min(now[countWord] >>> 0, entries) * words;
      for (let at = firstWord; at < to; at++) now[at] = was[at];
    }
    for (const { firstWord, was: then } of this.whole) {
      if (then.length > BY_HAND_WORDS) now.set(then, firstWord);
      else for (let i = 0; i < then.length; i++) now[firstWord + i] = then[i];
    }
    for (const { touched, shift, firstWord, words } of this.tracked) {
      for (let i = 0; i < touched.count; i++) {
        const from = firstWord + (touched.list[i] >> shift) * words;
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

/** Where in the buffer a region is, in bytes, by its name; in their order. */
type Regions = Map<string, { readonly from: number; readonly to: number }>;

function regionsOf(machine: Machine): Regions {
  const regions: Regions = new Map();
  for (const { name, offsetBytes, sizeBytes } of Machine.layout(machine.platform, machine.options)) {
    if (sizeBytes === 0 || NEVER_READ.test(name)) continue;
    regions.set(name, { from: offsetBytes, to: offsetBytes + sizeBytes });
  }
  return regions;
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
