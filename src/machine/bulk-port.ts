/**
 * Many accesses in one step. A bulk run holds its own CPU's lock for up to CHUNK accesses at a time and
 * gives way to snoops in between; hits are done here, everything else goes through the ordinary port, so
 * the two model the same machine. With a checker every access goes through the ordinary port.
 *
 * A trace is a Uint32Array: bits 31..2 the word's virtual address, bit 0 set for a store.
 */
import { type Cache, EXCLUSIVE, MODIFIED } from './cache.ts';
import type { CpuState } from './cpu-state.ts';
import type { DataPort } from './data-port.ts';
import { COUNT, CTL } from './registers.ts';
import type { MachineState } from './state.ts';
import { ENTRY } from './tlb.ts';
import type { Translation } from './translation.ts';

/** Accesses under one hold of the lock: short enough that a snoop waits about a microsecond. */
const CHUNK = 64;
/** Within a chunk, how often it looks whether somebody waits for the lock: every 8 accesses. */
const POLL_MASK = 7;
/** How long a run that gave way waits for the snoop, in looks at the counter. */
const GIVE_WAY = 2000;
const PAGES = 64;

export class BulkPort {
  /** Why the last run stopped early: a result of Translation.lookup, or 0. */
  stopped = 0;

  private readonly m: MachineState;
  private readonly port: DataPort;
  private readonly translation: Translation;
  private readonly fast: boolean;
  /**
   * Translations in use, by the low bits of the page: the page for loads and for stores (-1: look it up),
   * its physical address, and its TLB entry. Good for one CPU and as long as its TLBs do not change.
   */
  private readonly keys = new Int32Array(PAGES * 2).fill(-1);
  private readonly bases = new Int32Array(PAGES);
  private readonly entryAt = new Int32Array(PAGES);
  private keysOf = -1;
  private keysChange = -1;
  private stores = 0;

  constructor(state: MachineState, port: DataPort, translation: Translation) {
    this.m = state;
    this.port = port;
    this.translation = translation;
    const { l1d, l1i } = state.platform;
    const storesTell = l1i.snooped && l1i.fillsFrom === 'unification';
    this.fast = l1d.write === 'write-back' && l1d.organisation !== 'vivt' && !storesTell;
  }

  /**
   * Performs accesses `from` to `to` of the trace, or fewer if one needs a walk or faults (see
   * `stopped`). Stores write their index. Returns the index of the first access not done.
   */
  run(cpu: CpuState, trace: Uint32Array, from: number, to: number): number {
    const { m } = this;
    this.stopped = 0;
    const fast = this.fast && m.check === null && m.events === null;
    const answers = fast && m.threaded && !m.checked;
    if (answers) Atomics.store(cpu.ctl, CTL.ANSWERS, 1);
    let at = from;
    while (at < to && this.stopped === 0) {
      m.lockCpu(cpu);
      const end = Math.min(to, at + CHUNK);
      at = fast ? this.chunk(cpu, trace, at, end) : this.slowly(cpu, trace, at, end);
      m.unlockCpu(cpu);
      if (m.threaded && Atomics.load(cpu.ctl, CTL.SNOOPERS) > 0) this.giveWay(cpu);
    }
    if (answers) Atomics.store(cpu.ctl, CTL.ANSWERS, 0);
    return at;
  }

  /** The machine is not what it was: translations in use are looked up again. */
  forgetTranslations(): void {
    this.keysOf = -1;
  }

  private giveWay(cpu: CpuState): void {
    for (let i = 0; i < GIVE_WAY && Atomics.load(cpu.ctl, CTL.SNOOPERS) > 0; i++);
  }

  private chunk(cpu: CpuState, trace: Uint32Array, from: number, to: number): number {
    let at = from;
    while (at < to) {
      this.checkKeys(cpu);
      const hits = this.hits(cpu, trace, at, to) - at;
      at += hits;
      cpu.charge(hits * this.m.platform.costs.l1HitCycles);
      cpu.counters[COUNT.loads] += hits - this.stores;
      cpu.counters[COUNT.stores] += this.stores;
      if (at === to) break;
      if (Atomics.load(cpu.ctl, CTL.REQUEST) !== 0) {
        if (!this.port.answer(cpu)) break;
        continue;
      }
      if (!this.miss(cpu, trace[at], at)) break;
      at++;
    }
    return at;
  }

  /** Forgets the translations in use if they may be out of date. The CPU's lock is held. */
  private checkKeys(cpu: CpuState): void {
    const change = cpu.ctl[CTL.TLB_CHANGES];
    if (this.keysOf === cpu.index && this.keysChange === change) return;
    this.keys.fill(-1);
    this.keysOf = cpu.index;
    this.keysChange = change;
  }

  /**
   * The hit path: nothing but hits of known pages in the L1D, until something else comes. Returns the
   * index of that; `stores` counts the stores. Kept small, so that it stays in registers.
   */
  private hits(cpu: CpuState, trace: Uint32Array, from: number, to: number): number {
    const { keys, bases } = this;
    const { l1d } = cpu;
    const { pa, state, mru, data, ways, setMask, lineShift, virtualIndex } = l1d;
    const wordMask = l1d.wordsPerLine - 1;
    const lineWords = lineShift - 2;
    const tlb = cpu.dtlb.keepsAges ? cpu.dtlb : null;
    const { ctl } = cpu;
    let lastPage = -1;
    let stores = 0;
    let sink = 0;
    let i = from;
    for (; i < to; i++) {
      // A snoop that waits for the lock costs its CPU more than a chunk cut short costs this one.
      if ((i & POLL_MASK) === 0 && Atomics.load(ctl, CTL.REQUEST) !== 0) break;
      const word = trace[i] | 0;
      const vpn = word >>> 12;
      const known = vpn & (PAGES - 1);
      if (keys[known * 2 + (word & 1)] !== vpn) break;
      const address = bases[known] | (word & 0xffc);
      const line = address >>> lineShift;
      const set = (virtualIndex ? word >>> lineShift : line) & setMask;
      let slot = (Math.imul(set, ways) + mru[set]) | 0;
      if (pa[slot] !== line) {
        slot = findWay(l1d, set, line);
        if (slot < 0) break;
      }
      const index = (slot << lineWords) + ((address >>> 2) & wordMask);
      if ((word & 1) === 0) sink ^= data[index];
      else {
        const held = state[slot];
        if (held < EXCLUSIVE) break;
        if (held !== MODIFIED) state[slot] = MODIFIED;
        data[index] = i;
        stores++;
      }
      if (tlb !== null && vpn !== lastPage) {
        lastPage = vpn;
        tlb.touch(this.entryAt[known]);
      }
    }
    this.stores = stores;
    this.sink = sink;
    return i;
  }

  /** Keeps loads alive for the compiler. */
  sink = 0;

  /** An access that the hit path cannot do. Returns false if it needs a walk or faults. */
  private miss(cpu: CpuState, word: number, index: number): boolean {
    const { translation } = this;
    const va = (word & ~3) >>> 0;
    const write = (word & 1) === 1;
    const pa = translation.lookup(cpu, va, write, false);
    if (pa < 0) {
      this.stopped = pa;
      return false;
    }
    this.remember(cpu, va, pa, write);
    this.access(cpu, va, pa, write, index);
    return true;
  }

  private remember(cpu: CpuState, va: number, pa: number, write: boolean): void {
    const { translation } = this;
    const { entry } = translation;
    if (translation.attributes !== 0 || cpu.ctl[CTL.CACHE_ON] === 0) return;
    // The lookup itself may have moved an entry up from the second level.
    this.checkKeys(cpu);
    const vpn = va >>> 12;
    const known = vpn & (PAGES - 1);
    this.bases[known] = pa & ~0xfff;
    this.entryAt[known] = Math.max(0, entry);
    const storable = write || entry < 0 || translation.storeNeedsNothing(cpu.dtlb.entries[entry + ENTRY.PTE]);
    this.keys[known * 2] = vpn;
    this.keys[known * 2 + 1] = storable ? vpn : -1;
  }

  private access(cpu: CpuState, va: number, pa: number, write: boolean, index: number): void {
    const { attributes } = this.translation;
    cpu.count(write ? COUNT.stores : COUNT.loads);
    if (write) this.port.store(cpu, va >>> 0, pa, 4, index, 0, attributes);
    else this.port.load(cpu, va >>> 0, pa, 4, attributes);
  }

  private slowly(cpu: CpuState, trace: Uint32Array, from: number, to: number): number {
    const { translation } = this;
    for (let i = from; i < to; i++) {
      const word = trace[i];
      const write = (word & 1) === 1;
      const va = (word & ~3) >>> 0;
      cpu.ctl[CTL.ACCESS_EPOCH] = this.m.epoch;
      const pa = translation.lookup(cpu, va, write, false);
      if (pa < 0) {
        this.stopped = pa;
        return i;
      }
      translation.judge(cpu, va, write, false);
      this.access(cpu, va, pa, write, i);
    }
    return to;
  }
}

/** Slot of a line that is not the set's most recently used, which it becomes; -1 if it is not there. */
function findWay(cache: Cache, set: number, line: number): number {
  const base = set * cache.ways;
  for (let slot = base; slot < base + cache.ways; slot++) {
    if (cache.pa[slot] !== line) continue;
    cache.touch(slot);
    return slot;
  }
  return -1;
}
