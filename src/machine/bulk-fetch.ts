/**
 * Runs of loads, stores and instruction fetches, many in one step: what BulkPort does for data, with
 * fetches in between, and counted by kind. It holds its CPU's lock for up to CHUNK accesses at a time and
 * gives way to snoops; hits are done here, everything else goes through the ordinary ports, so there is one
 * machine. With a checker, or where events are listened to, every access goes through the ordinary ports.
 *
 * A stream is a Uint32Array: bits 31..2 the word's virtual address, bits 1..0 the kind: 0 load, 1 store,
 * 2 fetch, 3 load of a pair that belongs together (its store comes next).
 *
 * One instance belongs to one CPU in one thread.
 */
import { ATTRIBUTE_NORMAL } from './attributes.ts';
import { type Cache, EXCLUSIVE, MODIFIED } from './cache.ts';
import type { CpuState } from './cpu-state.ts';
import type { Machine } from './machine.ts';
import { PAGE_SHIFT } from './platform.ts';
import { COUNT, CTL } from './registers.ts';
import type { MachineState } from './state.ts';
import { ENTRY, type Tlb } from './tlb.ts';
import { MISS } from './translation.ts';

/** Accesses under one hold of the lock; a snoop that wants it cuts the chunk short. */
const CHUNK = 1024;
/** Within a chunk, after how many accesses it looks whether somebody waits for the lock. */
const POLL = 16;
/** How long a run that gave way waits for the snoop, in looks at the counter. */
const GIVE_WAY = 2000;
/** Translations in use, by the low bits of the page. */
const PAGES = 512;
/** Words of `keys` a page: one per kind. */
const KINDS = 4;
/** Of a word shifted right by 10: the bits that choose a key, but for the kind. */
const KEY_MASK = (PAGES - 1) * KINDS;
/**
 * A key is one word: the bits of the virtual page that did not choose it, where an address has them; a bit
 * that it is valid; and below that in which bits virtual and physical page differ. 0 is no page.
 */
const KEY_TAG = -PAGES << PAGE_SHIFT;
const KEY_VALID_BIT = 20;
const STORE = 1;
const FETCH = 2;
/** Matches no line with its kind: bit 2 is part of neither. */
const NO_LINE = 4;
/** Where a cache's meta words count its uses, and the last that it may count without ageing afresh. */
const TICK = 0;
const LAST_TICK = 0x7fff_fffe;

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
  /** Does the use of a page change what its TLB replaces next? */
  private readonly agesPages: boolean;
  /** By page and kind: translations in use, see KEY_TAG; their TLB entry (-1: none) and PTE. */
  private readonly keys = new Int32Array(PAGES * KINDS);
  private readonly entryAt = new Int32Array(PAGES * KINDS);
  private readonly ptes = new Int32Array(PAGES * KINDS);
  /** What CTL.TLB_CHANGES and the ASID were when the keys were last right. */
  private keysChange = -1;
  private keysAsid = -1;
  /** Of each entry of the TLBs, the key that was made from it last: the load's for data. */
  private readonly dataKeyAt: Int32Array;
  private readonly codeKeyAt: Int32Array;
  /** True once a key was made from an entry for many pages, which has many keys. */
  private sharesEntries = false;
  /** The page that the last lookup missed, and where, until the TLBs change. */
  private missingPage = -1;
  private missingFrom: Tlb | null = null;
  /** Which keys are in use: those for loads stand for all data. */
  private readonly live = new Int32Array(PAGES * KINDS);
  private readonly isLive = new Uint8Array(PAGES * KINDS);
  private liveCount = 0;
  /** Keys whose pages the hits of a chunk used, in order. */
  private readonly usedKeys = new Int32Array(CHUNK);
  private loads = 0;
  private stores = 0;

  /** @param counts STREAM.WORDS words that it adds to */
  constructor(machine: Machine, cpu: CpuState, counts: Float64Array) {
    this.machine = machine;
    this.m = machine.state;
    this.cpu = cpu;
    this.counts = counts;
    const { l1d, l1i } = machine.platform;
    this.isWide = l1d.ways > WIDE || l1i.ways > WIDE;
    const isTagged = l1d.organisation === 'vivt' || l1i.organisation === 'vivt';
    // Fetches that go past the data caches leave lines exclusive that a store must tell of all the same.
    const storesTell = l1i.snooped && l1i.fillsFrom === 'unification';
    this.fast = l1d.write === 'write-back' && !isTagged && !this.isWide && !storesTell;
    this.isUnified = cpu.dtlb === cpu.itlb;
    this.agesPages = cpu.dtlb.keepsAges || cpu.itlb.keepsAges;
    this.dataKeyAt = new Int32Array(cpu.dtlb.count).fill(-1);
    this.codeKeyAt = new Int32Array(cpu.itlb.count).fill(-1);
  }

  /**
   * Performs accesses `from` to `to`, or fewer if one needs a walk or faults (see `stopped`). Stores write
   * their index. Returns the index of the first access not done.
   */
  run(words: Uint32Array, from: number, to: number): number {
    const { m, cpu } = this;
    const fast = this.fast && m.check === null && m.events === null;
    this.stopped = 0;
    let at = from;
    while (at < to && this.stopped === 0) {
      m.lockCpu(cpu);
      const end = Math.min(to, at + CHUNK);
      at = fast ? this.chunk(words, at, end) : this.slowly(words, at, end);
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
    let loads = 0;
    let stores = 0;
    let fetches = 0;
    while (at < to) {
      if (this.keysChange !== ctl[CTL.TLB_CHANGES]) this.checkKeys();
      const hits = this.hits(words, at, to) - at;
      if (hits > 0) {
        at += hits;
        loads += this.loads;
        stores += this.stores;
        fetches += hits - this.loads - this.stores;
        cpu.charge(hits * l1HitCycles);
        if (at === to) break;
      }
      if (m.threaded && Atomics.load(ctl, CTL.SNOOPERS) !== 0) break;
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

  /**
   * Forgets the translations in use that are not what the TLBs would say any more: looked at only when the
   * TLBs or the context have changed. The CPU's lock is held.
   */
  private checkKeys(): void {
    const { cpu, missingFrom } = this;
    const change = cpu.ctl[CTL.TLB_CHANGES];
    if (this.keysChange === change) return;
    const asid = this.machine.translation.asidOf(cpu);
    // Nearly always the walk that this CPU has waited for. A single change, in the same context, that has
    // brought the missing page in was its fill, and no other entry is gone but the one that it took.
    const isOne = change === ((this.keysChange + 1) | 0) && asid === this.keysAsid && !this.sharesEntries;
    const filled = isOne && missingFrom !== null ? missingFrom.lookup(this.missingPage, asid) : -1;
    this.missingFrom = null;
    this.keysChange = change;
    this.keysAsid = asid;
    if (missingFrom === null || filled < 0) {
      this.checkAllKeys(asid);
      return;
    }
    const at = (filled / ENTRY.WORDS) | 0;
    if (missingFrom === cpu.dtlb) this.forgetKeyOf(this.dataKeyAt[at], filled);
    if (missingFrom === cpu.itlb) this.forgetKeyOf(this.codeKeyAt[at], filled);
  }

  private forgetKeyOf(k: number, entry: number): void {
    if (k >= 0 && this.entryAt[k] === entry) this.forgetKey(k);
  }

  private forgetKey(k: number): void {
    const { keys } = this;
    keys[k] = 0;
    // Loads, stores and pairs of a page go by one entry.
    if ((k & 3) !== FETCH) keys[k + STORE] = keys[k + 3] = 0;
  }

  private checkAllKeys(asid: number): void {
    const { keys, entryAt, ptes, live, isLive } = this;
    let kept = 0;
    for (let i = 0; i < this.liveCount; i++) {
      const k = live[i];
      const { entries } = this.tlbOf(k & 3);
      const at = entryAt[k];
      const tag = entries[at + ENTRY.ASID];
      const isSame = at >= 0 && entries[at] === pageOf(keys[k], k) && entries[at + ENTRY.PTE] === ptes[k];
      if (isSame && entries[at + ENTRY.SIZE] === 0 && (tag === asid || tag === -1)) live[kept++] = k;
      else {
        this.forgetKey(k);
        isLive[k] = 0;
      }
    }
    this.liveCount = kept;
  }

  /**
   * The hit path: nothing but hits of known pages in the L1 caches, until something else comes. Returns the
   * index of that; `loads` and `stores` count those, the rest are fetches.
   *
   * The compiler looks up where an array is, and how long, once per turn of a loop and again after every
   * call. So the loop calls nothing (TLB entries that age are noted and done afterwards), uses few arrays, and
   * does up to three accesses a turn.
   */
  private hits(words: Uint32Array, from: number, to: number): number {
    const { keys, usedKeys } = this;
    const { l1d, l1i, ctl } = this.cpu;
    const { pa, state, mru, age, data } = l1d;
    const { pa: codePa, mru: codeMru, age: codeAge, data: code } = l1i;
    // All numbers are made 32-bit integers here: in the loop it would be done for each access.
    const ways = l1d.ways | 0;
    const codeWays = l1i.ways | 0;
    const lineShift = l1d.lineShift | 0;
    // Which bits of the set come from the virtual line, and which from the physical one.
    const virtualSets = l1d.virtualIndex ? l1d.setMask | 0 : 0;
    const physicalSets = (l1d.setMask ^ virtualSets) | 0;
    const virtualCodeSets = l1i.virtualIndex ? l1i.setMask | 0 : 0;
    const physicalCodeSets = (l1i.setMask ^ virtualCodeSets) | 0;
    const wordMask = (l1d.wordsPerLine - 1) | 0;
    const lineWords = (lineShift - 2) | 0;
    const lineAndKind = (-1 << lineShift) | 3;
    const agesPages = this.agesPages ? 1 : 0;
    const isUnified = this.isUnified ? 1 : 0;
    const agesData = l1d.lru ? 1 : 0;
    const agesCode = l1i.lru ? 1 : 0;
    const snoopers = CTL.SNOOPERS;
    let tick = l1d.meta[TICK];
    let codeTick = l1i.meta[TICK];
    let lastPage = -1;
    let lastCodePage = -1;
    let codeLine = NO_LINE;
    let codeBase = 0;
    let used = 0;
    let loads = 0;
    let stores = 0;
    let sink = 0;
    const end = to | 0;
    let i = from | 0;
    // A snoop that waits for the lock costs its CPU more than a chunk cut short costs this one. A plain
    // read: whoever waits is noticed at the latest when the chunk ends.
    hits: while (i < end && ctl[snoopers] === 0) {
      const stop = Math.min(end, (i + POLL) | 0) | 0;
      while (i < stop) {
        let word = words[i] | 0;
        // From the line of the fetch before, which with its translation is the most recently used already.
        if ((word & lineAndKind) === codeLine) {
          sink ^= code[(codeBase + ((word >>> 2) & wordMask)) | 0];
          i = (i + 1) | 0;
          if (i === stop) break;
          word = words[i] | 0;
          if ((word & lineAndKind) === codeLine) {
            sink ^= code[(codeBase + ((word >>> 2) & wordMask)) | 0];
            i = (i + 1) | 0;
            if (i === stop) break;
            word = words[i] | 0;
            if ((word & lineAndKind) === codeLine) {
              sink ^= code[(codeBase + ((word >>> 2) & wordMask)) | 0];
              i = (i + 1) | 0;
              continue;
            }
          }
        }
        const kind = word & 3;
        const known = ((word >>> 10) & KEY_MASK) | kind;
        const key = keys[known] ^ (word & KEY_TAG);
        if (key >>> KEY_VALID_BIT !== 1) break hits;
        const line = ((word ^ (key << PAGE_SHIFT)) >>> lineShift) | 0;
        if (kind === FETCH) {
          const set = ((word >>> lineShift) & virtualCodeSets) | (line & physicalCodeSets);
          const base = Math.imul(set, codeWays);
          let slot = (base + codeMru[set]) | 0;
          if (codePa[slot] !== line) {
            const past = (base + codeWays) | 0;
            for (slot = base; slot < past && codePa[slot] !== line; ) slot = (slot + 1) | 0;
            if (slot === past || codeTick === LAST_TICK) break hits;
            codeMru[set] = slot - base;
            if (agesCode !== 0) codeAge[slot] = codeTick = (codeTick + 1) | 0;
          }
          codeBase = slot << lineWords;
          codeLine = word & lineAndKind;
          sink ^= code[(codeBase + ((word >>> 2) & wordMask)) | 0];
          i = (i + 1) | 0;
          if (agesPages === 0 || known === lastCodePage) continue;
          usedKeys[used] = lastCodePage = known;
          used = (used + 1) | 0;
          // In a TLB for both, data pages and code pages age each other.
          if (isUnified !== 0) lastPage = -1;
          continue;
        }
        const set = ((word >>> lineShift) & virtualSets) | (line & physicalSets);
        const base = Math.imul(set, ways);
        let slot = (base + mru[set]) | 0;
        if (pa[slot] !== line) {
          const past = (base + ways) | 0;
          for (slot = base; slot < past && pa[slot] !== line; ) slot = (slot + 1) | 0;
          if (slot === past || tick === LAST_TICK) break hits;
          mru[set] = slot - base;
          if (agesData !== 0) age[slot] = tick = (tick + 1) | 0;
        }
        const index = ((slot << lineWords) + ((word >>> 2) & wordMask)) | 0;
        if (kind !== STORE) {
          sink ^= data[index];
          loads = (loads + 1) | 0;
        } else {
          const held = state[slot];
          if (held !== MODIFIED) {
            if (held < EXCLUSIVE) break hits;
            state[slot] = MODIFIED;
          }
          data[index] = i;
          stores = (stores + 1) | 0;
        }
        i = (i + 1) | 0;
        if (agesPages === 0 || known >>> 2 === lastPage) continue;
        usedKeys[used] = known;
        used = (used + 1) | 0;
        lastPage = known >>> 2;
        if (isUnified !== 0) {
          lastCodePage = -1;
          codeLine = NO_LINE;
        }
      }
    }
    l1d.meta[TICK] = tick;
    l1i.meta[TICK] = codeTick;
    if (used > 0) this.agePages(used);
    this.loads = loads;
    this.stores = stores;
    this.sink = sink;
    return i;
  }

  /** Makes the entries that hits went by their TLB's most recently used, in the order of their use. */
  private agePages(used: number): void {
    const { usedKeys, entryAt } = this;
    for (let i = 0; i < used; i++) {
      const known = usedKeys[i];
      const entry = entryAt[known];
      if (entry >= 0) this.tlbOf(known & 3).touch(entry);
    }
  }

  /** An access that the hit path cannot do. Returns false if it needs a walk or faults. */
  private miss(word: number, index: number): boolean {
    const known = ((word >>> 10) & KEY_MASK) | (word & 3);
    const key = this.keys[known] ^ (word & KEY_TAG);
    const isKnown = key >>> KEY_VALID_BIT === 1 && this.machine.aliases === null;
    if (!isKnown) return this.translated(word, index, false);
    // Its translation is known: what it misses is the cache, or the right to store.
    const kind = word & 3;
    const entry = this.entryAt[known];
    if (entry >= 0) this.tlbOf(kind).touch(entry);
    const va = (word & ~3) >>> 0;
    this.access(va, (va ^ (key << PAGE_SHIFT)) >>> 0, kind, index, ATTRIBUTE_NORMAL);
    return true;
  }

  /** An access that is looked up in the TLB. Returns false if it needs a walk or faults. */
  private translated(word: number, index: number, judged: boolean): boolean {
    const { cpu } = this;
    const { translation } = this.machine;
    const va = (word & ~3) >>> 0;
    const kind = word & 3;
    const write = kind === STORE;
    const fetch = kind === FETCH;
    const pa = translation.lookup(cpu, va, write, fetch);
    if (pa < 0) {
      this.stopped = pa;
      this.missingPage = va >>> PAGE_SHIFT;
      this.missingFrom =
        pa === MISS && cpu.ctl[CTL.TLB_CHANGES] === this.keysChange ? this.tlbOf(kind) : null;
      return false;
    }
    if (judged) translation.judge(cpu, va, write, fetch);
    else this.remember(va, pa, kind);
    this.access(va, pa, kind, index, translation.attributes);
    return true;
  }

  private remember(va: number, pa: number, kind: number): void {
    const { cpu, keys } = this;
    const { translation } = this.machine;
    const { entry, attributes } = translation;
    if (attributes !== ATTRIBUTE_NORMAL || cpu.ctl[CTL.CACHE_ON] === 0) return;
    // The lookup itself may have moved an entry up from the second level.
    this.checkKeys();
    const vpn = va >>> PAGE_SHIFT;
    const first = (vpn & (PAGES - 1)) * KINDS;
    this.note(first + kind, vpn, pa, entry);
    if (kind === FETCH) return;
    this.note(first, vpn, pa, entry);
    this.note(first + 3, vpn, pa, entry);
    if (kind === STORE) return;
    if (entry < 0 || translation.storeNeedsNothing(cpu.dtlb.entries[entry + ENTRY.PTE])) {
      this.note(first + STORE, vpn, pa, entry);
    } else keys[first + STORE] = 0;
  }

  private tlbOf(kind: number): Tlb {
    return kind === FETCH ? this.cpu.itlb : this.cpu.dtlb;
  }

  private note(k: number, vpn: number, pa: number, entry: number): void {
    const { entries } = this.tlbOf(k & 3);
    const isFirst = (k & 3) === 0 || (k & 3) === FETCH;
    if (isFirst && this.isLive[k] === 0) {
      this.isLive[k] = 1;
      this.live[this.liveCount++] = k;
    }
    this.keys[k] = keyOf(vpn, pa >>> PAGE_SHIFT);
    this.entryAt[k] = entry;
    this.ptes[k] = entry < 0 ? 0 : entries[entry + ENTRY.PTE];
    if (entry < 0) return;
    if (entries[entry + ENTRY.SIZE] !== 0) this.sharesEntries = true;
    const at = (entry / ENTRY.WORDS) | 0;
    if (isFirst) ((k & 3) === FETCH ? this.codeKeyAt : this.dataKeyAt)[at] = k;
  }

  private access(va: number, pa: number, kind: number, index: number, attributes: number): void {
    const { cpu, counts, machine } = this;
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
      if (!this.translated(words[i], i, true)) return i;
    }
    return to;
  }
}

function keyOf(page: number, frame: number): number {
  return ((page << PAGE_SHIFT) & KEY_TAG) | (1 << KEY_VALID_BIT) | (page ^ frame);
}

/** The page of the key at `k`. */
function pageOf(key: number, k: number): number {
  return ((key & KEY_TAG) >>> PAGE_SHIFT) | (k >>> 2);
}

function hasRoom(cache: Cache, va: number, pa: number): boolean {
  const base = cache.setOf(va, pa >>> cache.lineShift) * cache.ways;
  for (let slot = base; slot < base + cache.ways; slot++) if (cache.pa[slot] < 0) return true;
  return false;
}
