/**
 * Runs of loads, stores and instruction fetches, many in one step: what BulkPort does for data, with
 * fetches in between, and counted by kind. It holds its CPU's lock for up to CHUNK accesses at a time and
 * gives way to snoops; hits are done here, everything else goes through the ordinary ports, so there is one
 * machine. With a checker every access goes through the ordinary ports.
 *
 * A stream is a Uint32Array: bits 31..2 the word's virtual address, bits 1..0 the kind: 0 load, 1 store,
 * 2 fetch, 3 load of a pair that belongs together (its store comes next).
 *
 * One instance belongs to one CPU in one thread.
 */
import { type Cache, EXCLUSIVE, MODIFIED } from './cache.ts';
import type { CpuState } from './cpu-state.ts';
import type { Machine } from './machine.ts';
import { COUNT, CTL } from './registers.ts';
import type { MachineState } from './state.ts';
import { ENTRY } from './tlb.ts';

/** Accesses under one hold of the lock; a snoop that wants it cuts the chunk short. */
const CHUNK = 256;
/** Within a chunk, how often it looks whether somebody waits for the lock: every 16 accesses. */
const POLL_MASK = 15;
/** How long a run that gave way waits for the snoop, in looks at the counter. */
const GIVE_WAY = 2000;
/** Translations in use, by the low bits of the page. */
const PAGES = 512;
/** Words of `keys` a page: one per kind. */
const KINDS = 4;
/** Of a word shifted right by 10: the bits that choose a key, but for the kind. */
const KEY_MASK = (PAGES - 1) * KINDS;
const STORE = 1;
const FETCH = 2;

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

/** A way number that does not fit the cache's own note of the most recently used way. */
const WIDE = 256;

export class StreamPort {
  /** Why the last run stopped early: a result of Translation.lookup, or 0. */
  stopped = 0;
  /** Keeps loads alive for the compiler. */
  sink = 0;

  private readonly machine: Machine;
  private readonly m: MachineState;
  private readonly cpu: CpuState;
  private readonly counts: Float64Array;
  private readonly fast: boolean;
  private readonly isWide: boolean;
  private readonly isUnified: boolean;
  /** By page and kind: the page (-1: look it up), its physical address, its TLB entry (-1: none) and PTE. */
  private readonly keys = new Int32Array(PAGES * KINDS).fill(-1);
  private readonly bases = new Int32Array(PAGES * KINDS);
  private readonly entryAt = new Int32Array(PAGES * KINDS);
  private readonly ptes = new Int32Array(PAGES * KINDS);
  private keysChange = -1;
  /** Which keys are in use: those for loads stand for all data. */
  private readonly live = new Int32Array(PAGES * KINDS);
  private readonly isLive = new Uint8Array(PAGES * KINDS);
  private liveCount = 0;
  private stores = 0;
  private fetches = 0;
  private lastCodePage = -1;

  /** @param counts STREAM.WORDS words that it adds to */
  constructor(machine: Machine, cpu: CpuState, counts: Float64Array) {
    this.machine = machine;
    this.m = machine.state;
    this.cpu = cpu;
    this.counts = counts;
    const { l1d, l1i } = machine.platform;
    this.isWide = l1d.ways > WIDE || l1i.ways > WIDE;
    const isTagged = l1d.organisation === 'vivt' || l1i.organisation === 'vivt';
    this.fast = l1d.write === 'write-back' && !isTagged && !this.isWide;
    this.isUnified = cpu.dtlb === cpu.itlb;
  }

  /**
   * Performs accesses `from` to `to`, or fewer if one needs a walk or faults (see `stopped`). Stores write
   * their index. Returns the index of the first access not done.
   */
  run(words: Uint32Array, from: number, to: number): number {
    const { m, cpu } = this;
    this.stopped = 0;
    let at = from;
    while (at < to && this.stopped === 0) {
      m.lockCpu(cpu);
      const end = Math.min(to, at + CHUNK);
      at = this.fast && m.check === null ? this.chunk(words, at, end) : this.slowly(words, at, end);
      m.unlockCpu(cpu);
      if (m.threaded && Atomics.load(cpu.ctl, CTL.SNOOPERS) > 0) this.giveWay();
    }
    return at;
  }

  private giveWay(): void {
    const { ctl } = this.cpu;
    for (let i = 0; i < GIVE_WAY && Atomics.load(ctl, CTL.SNOOPERS) > 0; i++);
  }

  private chunk(words: Uint32Array, from: number, to: number): number {
    const { cpu, counts, m } = this;
    const { counters, ctl } = cpu;
    const { l1HitCycles } = m.platform.costs;
    let at = from;
    let stores = 0;
    let fetches = 0;
    let others = 0;
    while (at < to) {
      if (this.keysChange !== ctl[CTL.TLB_CHANGES]) this.checkKeys();
      const hits = this.hits(words, at, to) - at;
      if (hits > 0) {
        at += hits;
        stores += this.stores;
        fetches += this.fetches;
        cpu.charge(hits * l1HitCycles);
        if (at === to) break;
      }
      if (m.threaded && Atomics.load(ctl, CTL.SNOOPERS) !== 0) break;
      if (!this.miss(words[at], at, false)) break;
      others++;
      at++;
    }
    const loads = at - from - others - stores - fetches;
    counters[COUNT.loads] += loads;
    counters[COUNT.stores] += stores;
    counters[COUNT.fetches] += fetches;
    counts[STREAM.LOADS] += loads;
    counts[STREAM.STORES] += stores;
    counts[STREAM.FETCHES] += fetches;
    return at;
  }

  /**
   * Forgets the translations in use that are not what the TLBs would say any more: looked at only when the
   * TLBs or the context have changed. The CPU's lock is held.
   */
  private checkKeys(): void {
    const { cpu, keys, entryAt, ptes, live, isLive } = this;
    const change = cpu.ctl[CTL.TLB_CHANGES];
    if (this.keysChange === change) return;
    this.keysChange = change;
    const asid = this.machine.translation.asidOf(cpu);
    let kept = 0;
    for (let i = 0; i < this.liveCount; i++) {
      const k = live[i];
      const { entries } = (k & 3) === FETCH ? cpu.itlb : cpu.dtlb;
      const at = entryAt[k];
      const tag = entries[at + ENTRY.ASID];
      const isSame = at >= 0 && entries[at] === keys[k] && entries[at + ENTRY.PTE] === ptes[k];
      if (isSame && entries[at + ENTRY.SIZE] === 0 && (tag === asid || tag === -1)) live[kept++] = k;
      else {
        // Loads, stores and pairs of a page go by one entry.
        if ((k & 3) !== FETCH) keys[k + STORE] = keys[k + 3] = -1;
        keys[k] = -1;
        isLive[k] = 0;
      }
    }
    this.liveCount = kept;
  }

  /**
   * The hit path: nothing but hits of known pages in the L1 caches, until something else comes. Returns the
   * index of that; `stores` and `fetches` count those. A fetch from the line of the fetch before changes
   * nothing but the count: the line and its translation are the most recently used already.
   */
  private hits(words: Uint32Array, from: number, to: number): number {
    const { keys, bases, cpu } = this;
    const { l1d, l1i, ctl } = cpu;
    const { pa, state, mru, data, ways, setMask, lineShift } = l1d;
    const { data: code } = l1i;
    const virtualData = l1d.virtualIndex && l1d.colours > 1;
    const wordMask = l1d.wordsPerLine - 1;
    const lineWords = lineShift - 2;
    const agesPages = cpu.dtlb.keepsAges;
    const { threaded } = this.m;
    let lastPage = -1;
    let codeLine = -1;
    let codeBase = 0;
    this.lastCodePage = -1;
    let stores = 0;
    let fetches = 0;
    let sink = 0;
    let i = from;
    for (; i < to; i++) {
      // A snoop that waits for the lock costs its CPU more than a chunk cut short costs this one.
      if (threaded && (i & POLL_MASK) === 0 && Atomics.load(ctl, CTL.SNOOPERS) !== 0) break;
      const word = words[i] | 0;
      const virtualLine = word >>> lineShift;
      const kind = word & 3;
      if (kind === FETCH) {
        if (virtualLine !== codeLine) {
          const slot = this.fetchLine(word, virtualLine);
          if (slot < 0) break;
          codeBase = slot << lineWords;
          codeLine = virtualLine;
          // In a TLB for both, data pages and code pages age each other.
          if (this.isUnified) {
            lastPage = -1;
            codeLine = -1;
          }
        }
        sink ^= code[codeBase + ((word >>> 2) & wordMask)];
        fetches++;
        continue;
      }
      const vpn = word >>> 12;
      const known = ((word >>> 10) & KEY_MASK) | kind;
      if (keys[known] !== vpn) break;
      const line = (bases[known] | (word & 0xffc)) >>> lineShift;
      const set = (virtualData ? virtualLine : line) & setMask;
      let slot = (Math.imul(set, ways) + mru[set]) | 0;
      if (pa[slot] !== line) {
        slot = findWay(l1d, set, line);
        if (slot < 0) break;
      }
      const index = (slot << lineWords) + ((word >>> 2) & wordMask);
      if (kind !== STORE) sink ^= data[index];
      else {
        const held = state[slot];
        if (held < EXCLUSIVE) break;
        if (held !== MODIFIED) state[slot] = MODIFIED;
        data[index] = i;
        stores++;
      }
      if (vpn !== lastPage) {
        lastPage = vpn;
        if (agesPages) this.agePage(known);
      }
    }
    this.stores = stores;
    this.fetches = fetches;
    this.sink = sink;
    return i;
  }

  private agePage(known: number): void {
    this.cpu.dtlb.touch(Math.max(0, this.entryAt[known]));
    if (this.isUnified) this.lastCodePage = -1;
  }

  /** A fetch from another line than the one before: its slot in the L1I, or -1 if it misses something. */
  private fetchLine(word: number, virtualLine: number): number {
    const { l1i, itlb } = this.cpu;
    const known = ((word >>> 10) & KEY_MASK) | FETCH;
    const vpn = word >>> 12;
    if (this.keys[known] !== vpn) return -1;
    const line = (this.bases[known] | (word & 0xffc)) >>> l1i.lineShift;
    const set = (l1i.virtualIndex ? virtualLine : line) & l1i.setMask;
    let slot = (Math.imul(set, l1i.ways) + l1i.mru[set]) | 0;
    if (l1i.pa[slot] !== line) {
      slot = findWay(l1i, set, line);
      if (slot < 0) return -1;
    }
    if (vpn !== this.lastCodePage) {
      this.lastCodePage = vpn;
      if (itlb.keepsAges) itlb.touch(Math.max(0, this.entryAt[known]));
    }
    return slot;
  }

  /** An access that the hit path cannot do. Returns false if it needs a walk or faults. */
  private miss(word: number, index: number, judged: boolean): boolean {
    const { cpu } = this;
    const { translation } = this.machine;
    const va = (word & ~3) >>> 0;
    const kind = word & 3;
    const write = kind === STORE;
    const fetch = kind === FETCH;
    const pa = translation.lookup(cpu, va, write, fetch);
    if (pa < 0) {
      this.stopped = pa;
      return false;
    }
    if (judged) translation.judge(cpu, va, write, fetch);
    else this.remember(va, pa, kind);
    this.access(va, pa, kind, index);
    return true;
  }

  private remember(va: number, pa: number, kind: number): void {
    const { cpu, keys } = this;
    const { translation } = this.machine;
    const { entry, attributes } = translation;
    if (attributes !== 0 || cpu.ctl[CTL.CACHE_ON] === 0) return;
    // The lookup itself may have moved an entry up from the second level.
    this.checkKeys();
    const vpn = va >>> 12;
    const first = (vpn & (PAGES - 1)) * KINDS;
    this.note(first + kind, vpn, pa, entry);
    if (kind === FETCH) return;
    this.note(first, vpn, pa, entry);
    this.note(first + 3, vpn, pa, entry);
    if (kind === STORE) return;
    if (entry < 0 || translation.storeNeedsNothing(cpu.dtlb.entries[entry + ENTRY.PTE])) {
      this.note(first + STORE, vpn, pa, entry);
    } else keys[first + STORE] = -1;
  }

  private note(k: number, vpn: number, pa: number, entry: number): void {
    const tlb = (k & 3) === FETCH ? this.cpu.itlb : this.cpu.dtlb;
    const isFirst = (k & 3) === 0 || (k & 3) === FETCH;
    if (isFirst && this.isLive[k] === 0) {
      this.isLive[k] = 1;
      this.live[this.liveCount++] = k;
    }
    this.keys[k] = vpn;
    this.bases[k] = pa & ~0xfff;
    this.entryAt[k] = entry;
    this.ptes[k] = entry < 0 ? 0 : tlb.entries[entry + ENTRY.PTE];
  }

  private access(va: number, pa: number, kind: number, index: number): void {
    const { cpu, counts, machine } = this;
    const { attributes } = machine.translation;
    const { counters } = cpu;
    if (this.isWide) this.unhint(va, pa, kind);
    if (kind === FETCH) {
      const before = counters[COUNT.l1iMisses];
      const evicts = !hasRoom(cpu.l1i, va, pa);
      machine.fetchPort.fetch(cpu, va, pa, attributes);
      counts[STREAM.FETCHES]++;
      if (counters[COUNT.l1iMisses] === before) return;
      counts[STREAM.FETCH_MISSES]++;
      if (evicts) counts[STREAM.FETCH_EVICTIONS]++;
      return;
    }
    const before = counters[COUNT.l1dMisses];
    if (kind === STORE) {
      counters[COUNT.stores]++;
      machine.port.store(cpu, va, pa, 4, index, 0, attributes);
      counts[STREAM.STORES]++;
      counts[STREAM.STORE_MISSES] += counters[COUNT.l1dMisses] - before;
    } else {
      counters[COUNT.loads]++;
      machine.port.load(cpu, va, pa, 4, attributes);
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
      if (!this.miss(words[i], i, true)) return i;
    }
    return to;
  }
}

/** Slot of a line that is not the set's most recently used, which it becomes; -1 if it is not there. */
function findWay(cache: Cache, set: number, line: number): number {
  const { pa, ways } = cache;
  const base = Math.imul(set, ways);
  const end = base + ways;
  let slot = base;
  while (slot < end && pa[slot] !== line) slot++;
  if (slot === end) return -1;
  cache.touch(slot);
  return slot;
}

function hasRoom(cache: Cache, va: number, pa: number): boolean {
  const base = cache.setOf(va, pa >>> cache.lineShift) * cache.ways;
  for (let slot = base; slot < base + cache.ways; slot++) if (cache.pa[slot] < 0) return true;
  return false;
}
