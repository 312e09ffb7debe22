/**
 * Runs of loads, stores and instruction fetches, many in one step, counted by kind. A run holds its CPU's lock
 * for up to CHUNK accesses at a time and answers snoops in between; hits are done in a loop of their own, and
 * everything else goes through the ordinary ports, so there is one machine. With a checker, or where events
 * are listened to, every access goes through the ordinary ports.
 *
 * A stream is a Uint32Array: bits 31..2 the word's virtual address, bits 1..0 the kind: 0 load, 1 store,
 * 2 fetch, 3 load of a pair that belongs together (its store comes next).
 *
 * One instance belongs to one CPU in one thread.
 */
import { ATTRIBUTE_NORMAL } from './attributes.ts';
import { type Cache, MRU_WAYS } from './cache.ts';
import type { CpuState } from './cpu-state.ts';
import type { DataPort } from './data-port.ts';
import type { FetchPort } from './fetch-port.ts';
import { HitLoop } from './hit-loop.ts';
import { FETCH, KEY_MASK, KEY_TAG, KEY_VALID_BIT, KnownPages, STORE } from './known-pages.ts';
import { PAGE_SHIFT } from './platform.ts';
import { COUNT, CTL } from './registers.ts';
import type { MachineState } from './state.ts';
import { MISS, type Translation } from './translation.ts';
import type { VirtualCoherency } from './virtual-coherency.ts';

/** Accesses under one hold of the lock, if nobody wants it. */
const CHUNK = 1024;
/** The same where each goes through the ordinary ports, and nobody is looked for in between. */
const SLOW_CHUNK = 64;
/** How long a run that gave way waits for whoever wanted the lock, in looks at the counter. */
const GIVE_WAY = 2000;

/** What a stream's accesses did, by kind. */
export const STREAM = {
  LOADS: 0,
  STORES: 1,
  FETCHES: 2,
  LOAD_MISSES: 3,
  STORE_MISSES: 4,
  FETCH_MISSES: 5,
  /** Fills of the L1I that had to throw a line out. */
  FETCH_EVICTIONS: 6,
  WORDS: 7,
} as const;

/** What of a machine a run goes through. */
export interface BulkParts {
  readonly state: MachineState;
  readonly port: DataPort;
  readonly fetchPort: FetchPort;
  readonly translation: Translation;
  readonly aliases: VirtualCoherency | null;
}

export class StreamPort {
  /** Why the last run stopped early: a result of Translation.lookup, or 0. */
  stopped = 0;

  private readonly parts: BulkParts;
  private readonly m: MachineState;
  private readonly cpu: CpuState;
  private readonly counts: Float64Array;
  private readonly mayBeFast: boolean;
  /** A cache's own note of the most recently used way is too narrow. */
  private readonly isWide: boolean;
  private readonly pages: KnownPages;
  private readonly hits: HitLoop;

  /** @param counts STREAM.WORDS words that it adds to */
  constructor(parts: BulkParts, cpu: CpuState, counts: Float64Array) {
    this.parts = parts;
    this.m = parts.state;
    this.cpu = cpu;
    this.counts = counts;
    const { l1d, l1i } = parts.state.platform;
    this.isWide = l1d.ways > MRU_WAYS || l1i.ways > MRU_WAYS;
    // Fetches that go past the data caches leave lines exclusive that a store must tell of all the same.
    const storesTell = l1i.snooped && l1i.fillsFrom === 'unification';
    const isTagged = l1d.organisation === 'vivt';
    this.mayBeFast = l1d.write === 'write-back' && !isTagged && !this.isWide && !storesTell;
    this.pages = new KnownPages(cpu, parts.translation);
    this.hits = new HitLoop(cpu, this.pages, CHUNK);
  }

  /** The machine is not what it was: translations in use are looked up again. */
  forgetTranslations(): void {
    this.pages.doubtAll();
  }

  /**
   * Performs accesses `from` to `to`, or fewer if one needs a walk or faults (see `stopped`). Stores write
   * their index. Returns the index of the first access not done.
   */
  run(words: Uint32Array, from: number, to: number): number {
    const { m, cpu } = this;
    const { ctl } = cpu;
    // On threads a fast run answers snoops, which a checked machine has none of.
    const isFast = this.mayBeFast && m.check === null && m.events === null && !(m.threaded && m.checked);
    const answers = isFast && m.threaded;
    this.stopped = 0;
    if (answers) Atomics.store(ctl, CTL.ANSWERS, 1);
    let at = from;
    while (at < to && this.stopped === 0) {
      m.lockCpu(cpu);
      if (isFast) at = this.chunk(words, at, Math.min(to, at + CHUNK));
      else at = this.slowly(words, at, Math.min(to, at + SLOW_CHUNK));
      m.unlockCpu(cpu);
      if (m.threaded && Atomics.load(ctl, CTL.SNOOPERS) > 0) this.giveWay();
    }
    if (answers) Atomics.store(ctl, CTL.ANSWERS, 0);
    return at;
  }

  private giveWay(): void {
    const { ctl } = this.cpu;
    for (let i = 0; i < GIVE_WAY && Atomics.load(ctl, CTL.SNOOPERS) > 0; i++);
  }

  private chunk(words: Uint32Array, from: number, to: number): number {
    const { cpu, counts, m, pages, hits } = this;
    const { counters, ctl } = cpu;
    const { l1HitCycles } = m.platform.costs;
    let at = from;
    let loads = 0;
    let stores = 0;
    let fetches = 0;
    while (at < to) {
      if (pages.change !== ctl[CTL.TLB_CHANGES]) pages.check();
      const hit = hits.run(words, at, to) - at;
      if (hit > 0) {
        at += hit;
        loads += hits.loads;
        stores += hits.stores;
        fetches += hit - hits.loads - hits.stores;
        cpu.charge(hit * l1HitCycles);
        if (at === to) break;
      }
      if (m.threaded && Atomics.load(ctl, CTL.REQUEST) !== 0) {
        if (!this.parts.port.answer(cpu)) break;
        continue;
      }
      if (!this.miss(words[at], at)) break;
      at++;
    }
    counters[COUNT.loads] += loads;
    counters[COUNT.stores] += stores;
    counters[COUNT.fetches] += fetches;
    counts[STREAM.LOADS] += loads;
    counts[STREAM.STORES] += stores;
    counts[STREAM.FETCHES] += fetches;
    return at;
  }

  /** An access that the hit loop cannot do. Returns false if it needs a walk or faults. */
  private miss(word: number, index: number): boolean {
    const { pages } = this;
    const known = ((word >>> 10) & KEY_MASK) | (word & 3);
    const key = pages.keys[known] ^ (word & KEY_TAG);
    const isKnown = key >>> KEY_VALID_BIT === 1 && this.parts.aliases === null;
    if (!isKnown) return this.translated(word, index, false);
    // Its translation is known: what it misses is the cache, or the right to store.
    pages.touch(known);
    const va = (word & ~3) >>> 0;
    this.access(va, (va ^ (key << PAGE_SHIFT)) >>> 0, word & 3, index, ATTRIBUTE_NORMAL);
    return true;
  }

  /** An access that is looked up in the TLB. Returns false if it needs a walk or faults. */
  private translated(word: number, index: number, judged: boolean): boolean {
    const { cpu, pages } = this;
    const { translation } = this.parts;
    const va = (word & ~3) >>> 0;
    const kind = word & 3;
    const write = kind === STORE;
    const fetch = kind === FETCH;
    const pa = translation.lookup(cpu, va, write, fetch);
    if (pa < 0) {
      this.stopped = pa;
      if (pa === MISS) pages.noteMissing(va, kind);
      return false;
    }
    if (judged) translation.judge(cpu, va, write, fetch);
    else pages.remember(va, pa, kind);
    this.access(va, pa, kind, index, translation.attributes);
    return true;
  }

  private access(va: number, pa: number, kind: number, index: number, attributes: number): void {
    const { cpu, counts, parts } = this;
    const { counters } = cpu;
    if (this.isWide) this.unhint(va, pa, kind);
    if (kind === FETCH) {
      const before = counters[COUNT.l1iMisses];
      const evicts = !hasRoom(cpu.l1i, va, pa);
      parts.fetchPort.fetch(cpu, va, pa, attributes);
      counts[STREAM.FETCHES]++;
      if (counters[COUNT.l1iMisses] === before) return;
      counts[STREAM.FETCH_MISSES]++;
      if (evicts) counts[STREAM.FETCH_EVICTIONS]++;
      return;
    }
    const before = counters[COUNT.l1dMisses];
    if (kind === STORE) {
      counters[COUNT.stores]++;
      parts.port.store(cpu, va, pa, 4, index, 0, attributes);
      counts[STREAM.STORES]++;
      counts[STREAM.STORE_MISSES] += counters[COUNT.l1dMisses] - before;
    } else {
      counters[COUNT.loads]++;
      parts.port.load(cpu, va, pa, 4, attributes);
      counts[STREAM.LOADS]++;
      counts[STREAM.LOAD_MISSES] += counters[COUNT.l1dMisses] - before;
    }
  }

  /** The cache's own note of the most recently used way has 8 bits: with more ways it must not be trusted. */
  private unhint(va: number, pa: number, kind: number): void {
    const cache = kind === FETCH ? this.cpu.l1i : this.cpu.l1d;
    const slot = cache.lookup(va, pa >>> cache.lineShift, this.cpu.ctl[CTL.ASID]);
    if (slot >= 0) cache.mru[(slot / cache.ways) | 0] = (slot % cache.ways) + 1;
  }

  private slowly(words: Uint32Array, from: number, to: number): number {
    for (let i = from; i < to; i++) {
      this.cpu.ctl[CTL.ACCESS_EPOCH] = this.m.epoch;
      if (!this.translated(words[i], i, true)) return i;
    }
    return to;
  }
}

function hasRoom(cache: Cache, va: number, pa: number): boolean {
  const base = cache.setOf(va, pa >>> cache.lineShift) * cache.ways;
  for (let slot = base; slot < base + cache.ways; slot++) if (cache.pa[slot] < 0) return true;
  return false;
}
