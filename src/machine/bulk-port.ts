/**
 * Many accesses in one step. A bulk run holds its own CPU's lock for up to CHUNK accesses at a time and
 * gives way to snoops in between; hits are done here, everything else goes through the ordinary port, so
 * the two model the same machine. With a checker every access goes through the ordinary port.
 *
 * A trace is a Uint32Array: bits 31..2 the word's virtual address, bit 0 set for a store.
 */
import { EXCLUSIVE, MODIFIED } from './cache.ts';
import type { DataPort } from './data-port.ts';
import type { CpuState } from './cpu-state.ts';
import { COUNT, CTL } from './registers.ts';
import type { MachineState } from './state.ts';
import { ENTRY } from './tlb.ts';
import type { Translation } from './translation.ts';

/** Accesses under one hold of the lock: short enough that a snoop waits about a microsecond. */
const CHUNK = 64;
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
  /** Translations used under the present hold of the lock: page, entry, physical page base, writable. */
  private readonly page = new Int32Array(PAGES).fill(-1);
  private readonly entryAt = new Int32Array(PAGES);
  private readonly base = new Int32Array(PAGES);
  private readonly writable = new Uint8Array(PAGES);

  constructor(state: MachineState, port: DataPort, translation: Translation) {
    this.m = state;
    this.port = port;
    this.translation = translation;
    const { l1d } = state.platform;
    this.fast = l1d.write === 'write-back' && l1d.organisation !== 'vivt';
  }

  /**
   * Performs accesses `from` to `to` of the trace, or fewer if one needs a walk or faults (see
   * `stopped`). Stores write their index. Returns the index of the first access not done.
   */
  run(cpu: CpuState, trace: Uint32Array, from: number, to: number): number {
    const { m } = this;
    this.stopped = 0;
    let at = from;
    while (at < to && this.stopped === 0) {
      m.lockCpu(cpu);
      const end = Math.min(to, at + CHUNK);
      at = this.fast && m.check === null ? this.chunk(cpu, trace, at, end) : this.slowly(cpu, trace, at, end);
      m.unlockCpu(cpu);
      if (m.threaded && Atomics.load(cpu.ctl, CTL.SNOOPERS) > 0) this.giveWay(cpu);
    }
    return at;
  }

  private giveWay(cpu: CpuState): void {
    for (let i = 0; i < GIVE_WAY && Atomics.load(cpu.ctl, CTL.SNOOPERS) > 0; i++);
  }

  private chunk(cpu: CpuState, trace: Uint32Array, from: number, to: number): number {
    const { m } = this;
    const { l1d } = cpu;
    const { pa, state, mru, data, ways, setMask, lineShift } = l1d;
    const { page, base, writable } = this;
    const wordMask = l1d.wordsPerLine - 1;
    const lineWords = Math.log2(l1d.wordsPerLine);
    const hitCycles = m.platform.costs.l1HitCycles;
    const virtualIndex = l1d.virtualIndex ? 1 : 0;
    const tlbLru = cpu.dtlb.keepsAges;
    let hits = 0;
    let stores = 0;
    let lastPage = -1;
    let i = from;
    page.fill(-1);
    for (; i < to; i++) {
      const word = trace[i];
      const write = word & 1;
      const vpn = word >>> 12;
      const known = vpn & (PAGES - 1);
      if (page[known] !== vpn || writable[known] < write) {
        if (!this.translate(cpu, word & ~3, write === 1)) break;
        if (this.translation.attributes !== 0 || cpu.ctl[CTL.CACHE_ON] === 0) {
          page[known] = -1;
          this.one(cpu, word, i);
          page.fill(-1);
          continue;
        }
      } else if (tlbLru && vpn !== lastPage) cpu.dtlb.touch(this.entryAt[known]);
      lastPage = vpn;
      const address = base[known] | (word & 0xffc);
      const line = address >>> lineShift;
      const set = (virtualIndex === 1 ? word >>> lineShift : line) & setMask;
      let slot = set * ways + mru[set];
      if (pa[slot] !== line) {
        slot = set * ways;
        const end = slot + ways;
        while (slot < end && pa[slot] !== line) slot++;
        if (slot === end) slot = -1;
        else l1d.touch(slot);
      }
      if (slot < 0 || (write === 1 && state[slot] < EXCLUSIVE)) {
        cpu.charge(hits * hitCycles);
        cpu.counters[COUNT.loads] += hits - stores;
        cpu.counters[COUNT.stores] += stores;
        hits = 0;
        stores = 0;
        this.access(cpu, word & ~3, address >>> 0, write === 1, i);
        // The lock was given up: what was looked up before may be gone.
        page.fill(-1);
        continue;
      }
      hits++;
      const index = (slot << lineWords) + ((address >>> 2) & wordMask);
      if (write === 1) {
        stores++;
        state[slot] = MODIFIED;
        data[index] = i;
      } else this.sink = data[index];
    }
    cpu.charge(hits * hitCycles);
    cpu.counters[COUNT.loads] += hits - stores;
    cpu.counters[COUNT.stores] += stores;
    return i;
  }

  /** Keeps loads alive for the compiler. */
  sink = 0;

  /** Looks a page up and remembers it for this hold of the lock; false: `stopped` says why not. */
  private translate(cpu: CpuState, va: number, write: boolean): boolean {
    const { translation } = this;
    const pa = translation.lookup(cpu, va >>> 0, write, false);
    if (pa < 0) {
      this.stopped = pa;
      return false;
    }
    const vpn = va >>> 12;
    const known = vpn & (PAGES - 1);
    this.page[known] = vpn;
    this.base[known] = pa & ~0xfff;
    this.writable[known] = write ? 1 : 0;
    this.entryAt[known] = Math.max(0, translation.entry);
    if (!write && translation.entry >= 0) {
      const pte = cpu.dtlb.entries[translation.entry + ENTRY.PTE];
      this.writable[known] = translation.storeNeedsNothing(pte) ? 1 : 0;
    }
    return true;
  }

  /** One access by the ordinary way, translation included; the lookup has succeeded just now. */
  private one(cpu: CpuState, word: number, index: number): void {
    const va = (word & ~3) >>> 0;
    const pa = this.translation.lookup(cpu, va, (word & 1) === 1, false);
    if (pa >= 0) this.access(cpu, va, pa, (word & 1) === 1, index);
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
