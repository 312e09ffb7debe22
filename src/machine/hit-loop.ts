/**
 * Nothing but hits of known pages in the L1 caches, as many as come one after the other: what makes bulk
 * runs fast. It does to the machine what the ordinary ports would do, but for clocks and counters, which its
 * caller sees to.
 *
 * The compiler looks up where an array is, and how long, once per turn of a loop and again after every call.
 * So the loop calls nothing (TLB entries that age are noted and done afterwards), uses few arrays, and does up
 * to three accesses a turn.
 */
import { EXCLUSIVE, LAST_TICK, META_TICK, MODIFIED } from './cache.ts';
import type { CpuState } from './cpu-state.ts';
import { FETCH, KEY_MASK, KEY_TAG, KEY_VALID_BIT, type KnownPages, STORE } from './known-pages.ts';
import { PAGE_SHIFT } from './platform.ts';
import { CTL } from './registers.ts';

/** After how many accesses it looks whether another CPU wants something of this one. */
const POLL = 16;
/** Matches no line with its kind: bit 2 is part of neither. */
const NO_LINE = 4;

export class HitLoop {
  /** What the last run did; the rest were fetches. */
  loads = 0;
  stores = 0;
  /** Keeps loads alive for the compiler. */
  sink = 0;

  private readonly cpu: CpuState;
  private readonly pages: KnownPages;
  private readonly isUnified: boolean;
  /** Does the use of a page change what its TLB replaces next? */
  private readonly agesPages: boolean;
  /** Keys whose pages the hits of a run used, in order. */
  private readonly usedKeys: Int32Array;

  /** @param most accesses in one run */
  constructor(cpu: CpuState, pages: KnownPages, most: number) {
    this.cpu = cpu;
    this.pages = pages;
    this.isUnified = cpu.dtlb === cpu.itlb;
    this.agesPages = cpu.dtlb.keepsAges || cpu.itlb.keepsAges;
    this.usedKeys = new Int32Array(most);
  }

  /**
   * Does accesses from `from` on as long as they hit, up to `to`, and until another CPU wants something.
   * Stores write their index. Returns the index of the first access not done. The CPU's lock is held.
   */
  run(words: Uint32Array, from: number, to: number): number {
    const { usedKeys } = this;
    const { keys } = this.pages;
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
    const request = CTL.REQUEST;
    let tick = l1d.meta[META_TICK];
    let codeTick = l1i.meta[META_TICK];
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
    // A plain read: whoever waits is noticed at the latest when the run ends.
    hits: while (i < end && ctl[request] === 0) {
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
    l1d.meta[META_TICK] = tick;
    l1i.meta[META_TICK] = codeTick;
    for (let n = 0; n < used; n++) this.pages.touch(usedKeys[n]);
    this.loads = loads;
    this.stores = stores;
    this.sink = sink;
    return i;
  }
}
