/**
 * Loads, stores and atomics of one CPU on physical addresses, through whatever caches the platform has.
 * Every function is entered and left with the CPU's lock held, and is one step of the machine.
 */
import { ATTRIBUTE_NORMAL } from './attributes.ts';
import { type Cache, EXCLUSIVE, MODIFIED } from './cache.ts';
import { PLACE_L1D, PLACE_L2, PLACE_MEMORY, PLACE_UNCACHED } from './check-port.ts';
import type { Coherence, Held } from './coherence.ts';
import type { CpuState } from './cpu-state.ts';
import { EVENT } from './events.ts';
import type { MemorySide } from './memory-side.ts';
import { COUNT, CTL } from './registers.ts';
import type { MachineState } from './state.ts';

const HIGH = 0x1_0000_0000;

/** New value of an atomic, or undefined to leave memory alone. */
export type Modify = (old: number) => number | undefined;

export class DataPort {
  /** Called when an access that gave up the lock is done; completes broadcasts that waited for it. */
  accessDone: (cpu: CpuState) => void = () => {};

  private readonly m: MachineState;
  private readonly coherence: Coherence;
  private readonly memory: MemorySide;
  private readonly held: Held;
  private readonly writeThrough: boolean;
  private readonly allocates: boolean;

  constructor(state: MachineState, coherence: Coherence, memory: MemorySide) {
    this.m = state;
    this.coherence = coherence;
    this.memory = memory;
    this.held = { cache: state.cpus[0].l1d, slot: -1 };
    this.writeThrough = state.platform.l1d.write === 'write-through';
    this.allocates = state.platform.l1d.allocate === 'read-write';
  }

  private cacheable(cpu: CpuState, attributes: number): boolean {
    return attributes === ATTRIBUTE_NORMAL && cpu.ctl[CTL.CACHE_ON] === 1;
  }

  /** Loads 1, 2, 4 or 8 bytes, naturally aligned; 8-byte values keep 53 bits. */
  load(cpu: CpuState, va: number, pa: number, sizeBytes: number, attributes: number): number {
    if (!this.cacheable(cpu, attributes)) return this.loadUncached(cpu, va, pa, sizeBytes);
    const { l1d } = cpu;
    const line = pa >>> this.m.lineShift;
    let cache = l1d;
    let slot = l1d.lookup(va, line, cpu.ctl[CTL.ASID]);
    if (slot < 0) {
      const held = this.acquire(cpu, va, line, false, true);
      cache = held.cache;
      slot = held.slot;
    } else cpu.charge(this.m.platform.costs.l1HitCycles);
    cache.touch(slot);
    const index = this.wordIndex(cache, slot, pa);
    const place = cache === l1d ? PLACE_L1D : PLACE_L2;
    const low = extract(cache.data[index], pa, sizeBytes);
    if (this.m.check) {
      this.m.check.loaded(cpu, va, pa, Math.min(sizeBytes, 4), low, cache.version[index], place);
    }
    if (sizeBytes < 8) return low;
    const high = cache.data[index + 1] >>> 0;
    this.m.check?.loaded(cpu, va, pa + 4, 4, high, cache.version[index + 1], place);
    return low + (high & 0x1f_ffff) * HIGH;
  }

  private loadUncached(cpu: CpuState, va: number, pa: number, sizeBytes: number): number {
    const { m } = this;
    const line = pa >>> m.lineShift;
    cpu.count(COUNT.uncached);
    cpu.charge(m.platform.costs.uncachedCycles);
    m.lockBank(line);
    m.events?.push(EVENT.BEHIND, cpu.index, pa, 0, 0);
    const low = extract(m.memory[pa >>> 2], pa, sizeBytes);
    m.check?.loaded(cpu, va, pa, Math.min(sizeBytes, 4), low, m.memoryVersion[pa >>> 2], PLACE_UNCACHED);
    let high = 0;
    if (sizeBytes === 8) {
      high = m.memory[(pa >>> 2) + 1] >>> 0;
      m.check?.loaded(cpu, va, pa + 4, 4, high, m.memoryVersion[(pa >>> 2) + 1], PLACE_UNCACHED);
    }
    m.unlockBank(line);
    return low + (high & 0x1f_ffff) * HIGH;
  }

  /** Version of the word that a load at `pa` by its physical address has just read. */
  versionAt(cpu: CpuState, pa: number, uncached: boolean): number {
    const cacheable = this.cacheable(cpu, uncached ? 1 : ATTRIBUTE_NORMAL);
    const slot = cacheable ? cpu.l1d.lookup(pa, pa >>> this.m.lineShift, cpu.ctl[CTL.ASID]) : -1;
    return slot < 0 ? this.m.memoryVersion[pa >>> 2] : cpu.l1d.version[this.wordIndex(cpu.l1d, slot, pa)];
  }

  /** Stores 1, 2, 4 or 8 bytes, naturally aligned. `high` holds the upper word of an 8-byte store. */
  store(
    cpu: CpuState,
    va: number,
    pa: number,
    sizeBytes: number,
    low: number,
    high: number,
    attributes: number,
  ): void {
    this.m.events?.push(EVENT.STORE, cpu.index, pa, low, sizeBytes);
    if (!this.cacheable(cpu, attributes)) {
      this.storeUncached(cpu, pa, sizeBytes, low, high);
      return;
    }
    const line = pa >>> this.m.lineShift;
    const hit = cpu.l1d.lookup(va, line, cpu.ctl[CTL.ASID]);
    if (this.goesAround(cpu, hit)) {
      this.withLine(cpu, line, () => {
        this.storeBehind(cpu, va, pa, Math.min(sizeBytes, 4), low);
        if (sizeBytes === 8) this.storeBehind(cpu, va, pa + 4, 4, high);
      });
      return;
    }
    const held = this.acquireForStore(cpu, va, line, hit);
    this.storeHeld(cpu, held, pa, Math.min(sizeBytes, 4), low);
    if (sizeBytes === 8) this.storeHeld(cpu, held, pa + 4, 4, high);
    if (!this.m.coherent) this.coherence.notifyWatchers(cpu, line);
  }

  /** Without an L2, a write-through store and a store miss that does not allocate go to the memory side. */
  private goesAround(cpu: CpuState, hit: number): boolean {
    return !cpu.l2 && (this.writeThrough || (hit < 0 && !this.allocates));
  }

  private acquireForStore(cpu: CpuState, va: number, line: number, hit: number): Held {
    const { l1d } = cpu;
    const { held } = this;
    if (hit >= 0 && l1d.state[hit] >= EXCLUSIVE && !this.coherence.mustTellFetchers(line)) {
      cpu.charge(this.m.platform.costs.l1HitCycles);
      held.cache = l1d;
      held.slot = hit;
      l1d.touch(hit);
      return held;
    }
    const got = this.acquire(cpu, va, line, true, hit >= 0 || (this.allocates && !this.writeThrough));
    held.cache = got.cache;
    held.slot = got.slot;
    got.cache.touch(got.slot);
    return held;
  }

  private acquire(cpu: CpuState, va: number, line: number, forWrite: boolean, allocateL1: boolean): Held {
    cpu.ctl[CTL.IN_ACCESS] = 1;
    const held = this.coherence.acquire(cpu, va, line, forWrite, allocateL1);
    cpu.ctl[CTL.IN_ACCESS] = 0;
    this.accessDone(cpu);
    return held;
  }

  /** Does a snoop that another CPU has asked of this one; false if none has. The CPU's lock is held. */
  answer(cpu: CpuState): boolean {
    return this.coherence.answer(cpu);
  }

  /** Brings a line in for reading, as a prefetcher does: no program sees it. */
  prefetch(cpu: CpuState, va: number, pa: number): void {
    this.acquire(cpu, va, pa >>> this.m.lineShift, false, true);
  }

  /** Stores one word or less into the copy that the CPU holds for writing. */
  private storeHeld(cpu: CpuState, held: Held, pa: number, sizeBytes: number, value: number): void {
    const { m } = this;
    const { cache, slot } = held;
    const index = this.wordIndex(cache, slot, pa);
    const width = m.mutation === 'byte-store-widens' ? 4 : sizeBytes;
    const word = insert(cache.data[index], pa, width, value);
    const version = m.check ? m.check.stored(cpu, pa, sizeBytes, value) : 0;
    cache.data[index] = word;
    if (m.checked) cache.version[index] = version;
    const { l2 } = cpu;
    if (cache === cpu.l1d && this.writeThrough && l2) {
      const below = l2.lookup(0, cache.pa[slot], 0);
      const at = this.wordIndex(l2, below, pa);
      l2.data[at] = word;
      if (m.checked) l2.version[at] = version;
      l2.state[below] = MODIFIED;
      return;
    }
    cache.state[slot] = MODIFIED;
  }

  /** Runs `body` as the only transaction on the line, other CPUs' copies gone, dirty ones written back. */
  private withLine(cpu: CpuState, line: number, body: () => void): void {
    const { m, coherence } = this;
    cpu.ctl[CTL.IN_ACCESS] = 1;
    m.unlockCpu(cpu);
    m.lockHome(line);
    m.occupyBus(cpu, m.platform.costs.busOccupancyCycles);
    if (m.coherent) coherence.invalidateOthers(cpu, line);
    m.lockCpu(cpu);
    body();
    m.unlockHome(line);
    cpu.ctl[CTL.IN_ACCESS] = 0;
    this.accessDone(cpu);
    coherence.notifyWatchers(cpu, line);
  }

  /** Stores one word or less behind the private caches, and into this CPU's own copy if it has one. */
  private storeBehind(cpu: CpuState, va: number, pa: number, sizeBytes: number, value: number): void {
    const { m, memory } = this;
    const line = pa >>> m.lineShift;
    m.lockBank(line);
    const version = m.check ? m.check.stored(cpu, pa, sizeBytes, value) : 0;
    const width = m.mutation === 'byte-store-widens' ? 4 : sizeBytes;
    memory.patchWord(pa, insert(memory.peekWord(pa).word, pa, width, value), version);
    m.unlockBank(line);
    const slot = cpu.l1d.lookup(va, line, cpu.ctl[CTL.ASID]);
    if (slot < 0) return;
    const index = this.wordIndex(cpu.l1d, slot, pa);
    cpu.l1d.data[index] = insert(cpu.l1d.data[index], pa, width, value);
    if (m.checked) cpu.l1d.version[index] = version;
    cpu.l1d.touch(slot);
  }

  private storeUncached(cpu: CpuState, pa: number, sizeBytes: number, low: number, high: number): void {
    const { m } = this;
    const line = pa >>> m.lineShift;
    cpu.count(COUNT.uncached);
    cpu.charge(m.platform.costs.uncachedCycles);
    m.lockBank(line);
    this.storeMemory(cpu, pa, Math.min(sizeBytes, 4), low);
    if (sizeBytes === 8) this.storeMemory(cpu, pa + 4, 4, high);
    this.openMonitors(cpu, line);
    m.unlockBank(line);
    this.coherence.notifyWatchers(cpu, line);
  }

  /** The bank lock is held: another CPU's store-exclusive that comes next must find its monitor open. */
  private openMonitors(cpu: CpuState, line: number): void {
    for (const other of this.m.cpus) {
      if (other !== cpu && Atomics.load(other.ctl, CTL.MONITOR) === line + 1) {
        Atomics.store(other.ctl, CTL.MONITOR, 0);
      }
    }
  }

  private storeMemory(cpu: CpuState, pa: number, sizeBytes: number, value: number): void {
    const { m } = this;
    const version = m.check ? m.check.stored(cpu, pa, sizeBytes, value) : 0;
    m.touched?.mark(pa >>> m.lineShift);
    m.events?.push(EVENT.BEHIND, cpu.index, pa, 1, 0);
    m.memory[pa >>> 2] = insert(m.memory[pa >>> 2], pa, sizeBytes, value);
    if (m.checked) m.memoryVersion[pa >>> 2] = version;
  }

  /** Atomic read-modify-write of a 32-bit word. Returns the old value. */
  modify(cpu: CpuState, va: number, pa: number, attributes: number, change: Modify): number {
    const { m } = this;
    const line = pa >>> m.lineShift;
    cpu.charge(m.platform.costs.atomicCycles);
    // Even one that changes nothing takes the line for writing, and opens monitors.
    m.events?.push(EVENT.STORE, cpu.index, pa, 0, 4);
    let old = 0;
    if (!this.cacheable(cpu, attributes)) {
      cpu.charge(m.platform.costs.uncachedCycles);
      m.lockBank(line);
      old = m.memory[pa >>> 2] >>> 0;
      m.check?.loaded(cpu, va, pa, 4, old, m.memoryVersion[pa >>> 2], PLACE_UNCACHED);
      const next = change(old);
      if (next !== undefined) {
        this.storeMemory(cpu, pa, 4, next);
        this.openMonitors(cpu, line);
      }
      m.unlockBank(line);
      if (next !== undefined) this.coherence.notifyWatchers(cpu, line);
      return old;
    }
    const hit = cpu.l1d.lookup(va, line, cpu.ctl[CTL.ASID]);
    if (this.goesAround(cpu, hit)) {
      this.withLine(cpu, line, () => {
        const behind = this.memory.withBank(pa, () => this.memory.peekWord(pa));
        old = behind.word >>> 0;
        m.check?.loaded(cpu, va, pa, 4, old, behind.version, PLACE_MEMORY);
        const next = change(old);
        if (next !== undefined) this.storeBehind(cpu, va, pa, 4, next);
      });
      return old;
    }
    const held =
      m.mutation === 'atomic-not-exclusive' && hit < 0
        ? this.acquire(cpu, va, line, false, true)
        : this.acquireForStore(cpu, va, line, hit);
    const index = this.wordIndex(held.cache, held.slot, pa);
    old = held.cache.data[index] >>> 0;
    const place = held.cache === cpu.l1d ? PLACE_L1D : PLACE_L2;
    m.check?.loaded(cpu, va, pa, 4, old, held.cache.version[index], place);
    const next = change(old);
    if (next !== undefined) this.storeHeld(cpu, held, pa, 4, next);
    if (!m.coherent) this.coherence.notifyWatchers(cpu, line);
    return old;
  }

  private wordIndex(cache: Cache, slot: number, pa: number): number {
    return slot * cache.wordsPerLine + ((pa >>> 2) & (cache.wordsPerLine - 1));
  }
}

/** Bytes of `word` that an access of `sizeBytes` (4 or less, else the whole word) at `pa` sees. */
export function extract(word: number, pa: number, sizeBytes: number): number {
  if (sizeBytes === 1) return (word >>> ((pa & 3) * 8)) & 0xff;
  if (sizeBytes === 2) return (word >>> ((pa & 2) * 8)) & 0xffff;
  return word >>> 0;
}

/** `word` with the bytes of an access of `sizeBytes` (4 or less) at `pa` replaced. */
export function insert(word: number, pa: number, sizeBytes: number, value: number): number {
  if (sizeBytes >= 4) return value | 0;
  const shift = (pa & 3) * 8;
  const mask = (sizeBytes === 1 ? 0xff : 0xffff) << shift;
  return (word & ~mask) | ((value << shift) & mask);
}
