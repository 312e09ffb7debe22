/**
 * What CPUs do to each other's copies of a line: snoops, and waking whoever waits for a store to a line it
 * has just lost.
 */
import { type Cache, EXCLUSIVE, isDirty, OWNED, SHARED } from './cache.ts';
import type { CpuState } from './cpu-state.ts';
import type { MemorySide } from './memory-side.ts';
import { COUNT, CTL, GLOBAL, TIME } from './registers.ts';
import type { MachineState } from './state.ts';

/** What a snoop found. */
export const HAD_COPY = 1;
export const HAD_DIRTY = 2;

export class Snoops {
  /** Wakes the thread of a blocked CPU; the threads host sets it. */
  notify: (cpu: CpuState) => void = () => {};

  protected readonly m: MachineState;
  protected readonly memory: MemorySide;
  /** Data of the line that the running transaction moves. */
  protected readonly line: Int32Array;
  protected readonly lineVersion: Int32Array;

  constructor(state: MachineState, memory: MemorySide) {
    this.m = state;
    this.memory = memory;
    this.line = new Int32Array(state.wordsPerLine);
    this.lineVersion = new Int32Array(state.wordsPerLine);
  }

  /**
   * Snoops every other CPU that may hold the line. With `invalidate` instruction caches lose it as well,
   * this CPU's own included, where the platform snoops them. The caller holds the line's home lock only.
   */
  snoopOthers(cpu: CpuState, line: number, invalidate: boolean, forgetLast: boolean): number {
    const { m } = this;
    let found = 0;
    if (invalidate && m.platform.l1i.snooped && m.mutation !== 'store-forgets-icache') {
      this.snoopInstructionCaches(line);
    }
    let skipFirst = invalidate && m.mutation === 'lost-invalidate';
    for (let word = 0; word < 2; word++) {
      let bits = m.presence[line * 2 + word];
      if (word === cpu.index >> 5) bits &= ~(1 << (cpu.index & 31));
      while (bits !== 0) {
        const bit = bits & -bits;
        bits ^= bit;
        const target = m.cpus[word * 32 + (31 - Math.clz32(bit))];
        if (skipFirst) {
          skipFirst = false;
          continue;
        }
        if (forgetLast && bits === 0) continue;
        found |= this.snoop(cpu, target, line, invalidate);
      }
    }
    return found;
  }

  /** Takes a line away from every other CPU; what was dirty goes to the memory side. Home lock held. */
  invalidateOthers(cpu: CpuState, line: number): void {
    const found = this.snoopOthers(cpu, line, true, false);
    if (found & HAD_DIRTY) this.memory.writeLine(cpu, line, this.line, this.lineVersion);
  }

  /** One CPU's answer to a snoop. A dirty copy ends up in the transaction's buffer. */
  private snoop(cpu: CpuState, target: CpuState, line: number, invalidate: boolean): number {
    const { m } = this;
    const { l1d, l2 } = target;
    let found = 0;
    let wasExclusive = false;
    m.lockOther(target);
    const after = m.platform.coherence === 'moesi' ? OWNED : SHARED;
    const keeps = m.mutation === 'snoop-keeps-exclusive';
    for (let slot = l1d.findPhysical(line, -1); slot >= 0; slot = l1d.findPhysical(line, slot)) {
      found |= HAD_COPY;
      if (l1d.state[slot] >= EXCLUSIVE) wasExclusive = true;
      if (isDirty(l1d.state[slot])) {
        // Two dirty aliases in one cache: the earlier one goes to memory, as its eviction would have.
        if (found & HAD_DIRTY) this.memory.writeLine(target, line, this.line, this.lineVersion);
        found |= HAD_DIRTY;
        this.copyOut(l1d, slot, this.line, this.lineVersion);
        if (!invalidate && !keeps) l1d.state[slot] = l2 ? SHARED : after;
      } else if (!invalidate && !keeps) {
        l1d.state[slot] = SHARED;
      }
      if (invalidate) l1d.drop(slot);
      if (m.mutation === 'alias-snoop-first-colour') break;
    }
    const below = l2 && m.mutation !== 'snoop-misses-dirty-l2' ? l2.lookup(0, line, 0) : -1;
    if (l2 && below >= 0) {
      found |= HAD_COPY;
      if (l2.state[below] >= EXCLUSIVE) wasExclusive = true;
      if (!(found & HAD_DIRTY) && isDirty(l2.state[below])) {
        found |= HAD_DIRTY;
        this.copyOut(l2, below, this.line, this.lineVersion);
      } else if (found & HAD_DIRTY && !invalidate) this.copyIn(l2, below);
      if (invalidate) l2.drop(below);
      else if (!keeps) l2.state[below] = found & HAD_DIRTY ? after : SHARED;
    }
    if (found & HAD_DIRTY) target.count(COUNT.dirtySupplied);
    if (invalidate && found & HAD_COPY) target.count(COUNT.invalidationsReceived);
    else if (!invalidate && wasExclusive) target.count(COUNT.downgrades);
    if (found & HAD_DIRTY && !invalidate && after === SHARED && m.mutation !== 'snoop-stale-data') {
      this.memory.writeLine(target, line, this.line, this.lineVersion);
    }
    if (invalidate) {
      m.clearPresence(m.presence, line, target.index);
      this.lineLost(target, line, cpu.clock);
    }
    m.unlockCpu(target);
    return found;
  }

  private snoopInstructionCaches(line: number): void {
    const { m } = this;
    for (let word = 0; word < 2; word++) {
      let bits = m.fetchPresence[line * 2 + word];
      while (bits !== 0) {
        const bit = bits & -bits;
        bits ^= bit;
        const target = m.cpus[word * 32 + (31 - Math.clz32(bit))];
        m.lockOther(target);
        for (let s = target.l1i.findPhysical(line, -1); s >= 0; s = target.l1i.findPhysical(line, s)) {
          target.l1i.drop(s);
        }
        m.clearPresence(m.fetchPresence, line, target.index);
        m.unlockCpu(target);
      }
    }
  }

  /**
   * The line of an instruction fetch, for a fill that sees the data caches: whoever has it dirty gives it
   * and becomes a sharer, this CPU's own data cache included. The caller holds the home lock only.
   * @returns true if `data` has it; false if the memory side must answer
   */
  readForFetch(cpu: CpuState, line: number, data: Int32Array, version: Int32Array): boolean {
    let found = this.m.coherent ? this.snoopOthers(cpu, line, false, false) : 0;
    found |= this.snoop(cpu, cpu, line, false);
    if (!(found & HAD_DIRTY)) return false;
    data.set(this.line);
    if (this.m.checked) version.set(this.lineVersion);
    return true;
  }

  /**
   * The line of an instruction fetch that sees nothing above the point of unification: where private L2s are
   * coherent that point is all of them together, and whoever has the line dirty there gives it. Their L1Ds are
   * not looked at, and nothing changes its state. The caller holds the home lock only.
   * @returns true if `data` has it; false if the memory side must answer
   */
  readUnified(cpu: CpuState, line: number, data: Int32Array, version: Int32Array): boolean {
    const { m } = this;
    if (!m.coherent) return false;
    for (let word = 0; word < 2; word++) {
      let bits = m.presence[line * 2 + word];
      if (word === cpu.index >> 5) bits &= ~(1 << (cpu.index & 31));
      while (bits !== 0) {
        const bit = bits & -bits;
        bits ^= bit;
        const target = m.cpus[word * 32 + (31 - Math.clz32(bit))];
        const { l2 } = target;
        if (!l2) return false;
        m.lockOther(target);
        const below = l2.lookup(0, line, 0);
        const isHere = below >= 0 && isDirty(l2.state[below]);
        if (isHere) this.copyOut(l2, below, data, version);
        m.unlockCpu(target);
        if (isHere) return true;
      }
    }
    return false;
  }

  /** A CPU that lost a line: its monitor opens, and if it waits for a store to that line, it looks again. */
  lineLost(target: CpuState, line: number, clock: number): void {
    const survives = this.m.mutation === 'monitor-survives-snoop';
    if (target.ctl[CTL.MONITOR] === line + 1 && !survives) target.ctl[CTL.MONITOR] = 0;
    if (Atomics.load(target.ctl, CTL.WATCH) === line + 1) this.wakeWatcher(target, clock);
  }

  /** After a store that no snoop tells about: wakes whoever watches the line. */
  notifyWatchers(cpu: CpuState, line: number): void {
    const { m } = this;
    if (Atomics.load(m.global, GLOBAL.WATCHERS) === 0) return;
    for (const target of m.cpus) {
      if (Atomics.load(target.ctl, CTL.WATCH) === line + 1) this.wakeWatcher(target, cpu.clock);
    }
  }

  private wakeWatcher(target: CpuState, clock: number): void {
    target.time[TIME.EVENT] = clock;
    Atomics.store(target.ctl, CTL.WATCH_HIT, 1);
    Atomics.add(target.ctl, CTL.EVENT, 1);
    this.notify(target);
  }

  protected copyIn(cache: Cache, slot: number): void {
    const at = slot * cache.wordsPerLine;
    for (let i = 0; i < cache.wordsPerLine; i++) cache.data[at + i] = this.line[i];
    if (this.m.checked) {
      for (let i = 0; i < cache.wordsPerLine; i++) cache.version[at + i] = this.lineVersion[i];
    }
  }

  protected copyOut(cache: Cache, slot: number, data: Int32Array, version: Int32Array): void {
    const at = slot * cache.wordsPerLine;
    for (let i = 0; i < cache.wordsPerLine; i++) data[i] = cache.data[at + i];
    if (this.m.checked) {
      for (let i = 0; i < cache.wordsPerLine; i++) version[i] = cache.version[at + i];
    }
  }
}
