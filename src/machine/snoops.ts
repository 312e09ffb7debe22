/**
 * What CPUs do to each other's copies of a line: snoops, and waking whoever waits for a store to a line it
 * has just lost.
 *
 * On threads a snoop of a CPU in a bulk run is done by that CPU: its tags, states and counters stay in the
 * host cache that they are in, and only the request and the answer cross over. Any other CPU's lock is taken,
 * and the snoop done from outside. Whoever does it holds the target's lock.
 */
import { type Cache, EXCLUSIVE, isDirty, OWNED, SHARED } from './cache.ts';
import type { CpuState } from './cpu-state.ts';
import type { MemorySide } from './memory-side.ts';
import { COUNT, CTL, GLOBAL, LOCK_WANTED, REPLY, TIME } from './registers.ts';
import type { MachineState } from './state.ts';

/** What a snoop found. */
export const HAD_COPY = 1;
export const HAD_DIRTY = 2;

/** A request in one word: line, whether to invalidate, who asks; and 1, so that it is not 0. */
const REQUEST_LINE_SHIFT = 7;
const REQUEST_INVALIDATES = 64;
/** Looks for an answer, some microseconds, before waiting as for any lock. */
const ANSWER_LOOKS = 4096;
/** Every so many looks, some microsecond, whether the lock is free: to look takes it from its owner's cache. */
const LOCK_LOOK_MASK = 511;

export class Snoops {
  /** Wakes the thread of a blocked CPU; the threads host sets it. */
  notify: (cpu: CpuState) => void = () => {};

  protected readonly m: MachineState;
  protected readonly memory: MemorySide;
  /** Data of the line that the running transaction moves. */
  protected readonly line: Int32Array;
  protected readonly lineVersion: Int32Array;
  /** The running transaction is not on the interconnect yet, and what it then charges. */
  private busDue = false;
  private busThenCycles = 0;

  constructor(state: MachineState, memory: MemorySide) {
    this.m = state;
    this.memory = memory;
    this.line = new Int32Array(state.wordsPerLine);
    this.lineVersion = new Int32Array(state.wordsPerLine);
  }

  /**
   * Puts a transaction on the interconnect, then charges `thenCycles`. On threads `reachBus` does it while an
   * answer is on its way: the interconnect's word comes over from another core as well.
   */
  protected enterBus(cpu: CpuState, thenCycles: number): void {
    this.busDue = true;
    this.busThenCycles = thenCycles;
    if (!this.m.threaded) this.reachBus(cpu);
  }

  /** Does what `enterBus` has put off, if it has. */
  protected reachBus(cpu: CpuState): void {
    if (!this.busDue) return;
    this.busDue = false;
    this.m.occupyBus(cpu, this.m.platform.costs.busOccupancyCycles);
    cpu.charge(this.busThenCycles);
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
    m.sockets?.begin();
    let skipFirst = invalidate && m.mutation === 'lost-invalidate';
    for (let word = 0; word < m.presenceWords; word++) {
      let bits = m.presentElsewhere(cpu, line, word);
      while (bits !== 0) {
        const bit = bits & -bits;
        bits ^= bit;
        const target = m.cpus[word * 32 + (31 - Math.clz32(bit))];
        if (skipFirst) {
          skipFirst = false;
          continue;
        }
        if (forgetLast && bits === 0) continue;
        const one = this.snoop(cpu, target, line, invalidate);
        if (one & HAD_COPY) m.sockets?.found(cpu, target, (one & HAD_DIRTY) !== 0);
        found |= one;
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
    let found = -1;
    if (m.threaded && !m.checked) found = this.ask(cpu, target, line, invalidate);
    else {
      this.reachBus(cpu);
      m.lockOther(target);
    }
    const answered = found >= 0;
    if (!answered) {
      found = this.find(target, line);
      this.leave(target, line, invalidate, found);
    }
    if (this.leavesMemoryBehind(found, invalidate)) {
      // A target that has answered goes on, and counts for itself.
      if (answered) this.memory.putLine(cpu, line, this.line, this.lineVersion);
      else this.memory.writeLine(target, line, this.line, this.lineVersion);
    }
    if (invalidate) m.clearPresence(m.presence, line, target.index);
    if (!answered) {
      if (invalidate) this.lineLost(target, line, cpu);
      m.unlockCpu(target);
    }
    return found;
  }

  /** Does a snoop that found this bring the memory side up to date? */
  private leavesMemoryBehind(found: number, invalidate: boolean): boolean {
    const { platform, mutation } = this.m;
    const owned = platform.coherence === 'moesi';
    return (found & HAD_DIRTY) !== 0 && !invalidate && !owned && mutation !== 'snoop-stale-data';
  }

  /**
   * Has a CPU in a bulk run do the snoop itself. The caller holds the line's home lock only, so that the CPU
   * asked never waits for the one that asks. Not on a checked machine: an answer has no room for versions.
   * @returns what the target found, its dirty copy in the transaction's buffer; or -1: it has done nothing, and
   * the caller holds its lock
   */
  private ask(cpu: CpuState, target: CpuState, line: number, invalidate: boolean): number {
    const { m } = this;
    const { ctl } = target;
    const { reply } = cpu;
    const request = ((line << REQUEST_LINE_SHIFT) | (invalidate ? REQUEST_INVALIDATES : 0) | cpu.index) + 1;
    const before = reply[REPLY.FOUND];
    // One atomic operation before the answer, whoever holds the lock: the target looks at this word all the
    // time, and each time in between two operations would cost a trip of its host cache line.
    if (Atomics.compareExchange(ctl, CTL.REQUEST, 0, request) !== 0) {
      this.reachBus(cpu);
      m.lockOther(target);
      return -1;
    }
    let locked = Atomics.load(ctl, CTL.LOCK) === 0 && m.tryLockCpu(target);
    this.reachBus(cpu);
    const looks = locked || ctl[CTL.ANSWERS] === 0 ? 0 : ANSWER_LOOKS;
    for (let look = 1; look < looks && !locked; look++) {
      if (Atomics.load(reply, REPLY.FOUND) !== before) return this.takeReply(reply);
      if ((look & LOCK_LOOK_MASK) === 0) locked = Atomics.load(ctl, CTL.LOCK) === 0 && m.tryLockCpu(target);
    }
    // Its bulk run has ended, or is at a transaction of its own, or the system has taken it off its core.
    if (!locked) m.lockOther(target);
    if (Atomics.load(reply, REPLY.FOUND) === before) {
      // Requests are answered under the lock: this one has not been, and will not be.
      Atomics.store(ctl, CTL.REQUEST, 0);
      return -1;
    }
    m.unlockCpu(target);
    return this.takeReply(reply);
  }

  private takeReply(reply: Int32Array): number {
    const found = reply[REPLY.FOUND] & (REPLY.COUNT_ONE - 1);
    if (found & HAD_DIRTY) for (let i = 0; i < this.line.length; i++) this.line[i] = reply[REPLY.LINE + i];
    return found;
  }

  /**
   * Does the snoop that another CPU has asked of this one, whose lock is held.
   * @returns false if there was none, or only that somebody wants the lock
   */
  answer(cpu: CpuState): boolean {
    const { m, line: data } = this;
    const { ctl } = cpu;
    const request = Atomics.load(ctl, CTL.REQUEST);
    if (request === 0) return false;
    if (request === LOCK_WANTED) {
      Atomics.store(ctl, CTL.REQUEST, 0);
      return false;
    }
    // A plain store, and before the others: the host fetches this line and those of the answer side by side,
    // where an atomic operation would wait for one after the other.
    ctl[CTL.REQUEST] = 0;
    const code = request - 1;
    const by = m.cpus[code & (REQUEST_INVALIDATES - 1)];
    const { reply } = by;
    const invalidate = (code & REQUEST_INVALIDATES) !== 0;
    const line = code >>> REQUEST_LINE_SHIFT;
    let found = this.find(cpu, line);
    if (m.mutation === 'answer-forgets-data') found &= ~HAD_DIRTY;
    if (found & HAD_DIRTY) for (let i = 0; i < data.length; i++) reply[REPLY.LINE + i] = data[i];
    const count = reply[REPLY.FOUND] & ~(REPLY.COUNT_ONE - 1);
    Atomics.store(reply, REPLY.FOUND, (count + REPLY.COUNT_ONE) | found);
    // Nobody sees the rest before this CPU's lock is free.
    if (m.mutation !== 'answer-keeps-copy') this.leave(cpu, line, invalidate, found);
    if (this.leavesMemoryBehind(found, invalidate)) cpu.count(COUNT.writeBacks);
    if (invalidate) this.lineLost(cpu, line, by);
    return true;
  }

  /**
   * What a snoop finds in the private caches of `target`, whose lock is held. A dirty copy ends up in this
   * thread's buffer; nothing changes its state yet.
   */
  private find(target: CpuState, line: number): number {
    const { m } = this;
    const { l1d, l2 } = target;
    let found = 0;
    for (let slot = l1d.findPhysical(line, -1); slot >= 0; slot = l1d.findPhysical(line, slot)) {
      found |= HAD_COPY;
      if (isDirty(l1d.state[slot])) {
        // Two dirty aliases in one cache: the earlier one goes to memory, as its eviction would have.
        if (found & HAD_DIRTY) this.memory.writeLine(target, line, this.line, this.lineVersion);
        found |= HAD_DIRTY;
        this.copyOut(l1d, slot, this.line, this.lineVersion);
      }
      if (m.mutation === 'alias-snoop-first-colour') break;
    }
    const below = this.snoopedL2Slot(target, line);
    if (!l2 || below < 0) return found;
    found |= HAD_COPY;
    if (!(found & HAD_DIRTY) && isDirty(l2.state[below])) {
      found |= HAD_DIRTY;
      this.copyOut(l2, below, this.line, this.lineVersion);
    }
    return found;
  }

  private snoopedL2Slot(target: CpuState, line: number): number {
    const { l2 } = target;
    return l2 && this.m.mutation !== 'snoop-misses-dirty-l2' ? l2.lookup(0, line, 0) : -1;
  }

  /** What a snoop that found this leaves of the copies of `target`, whose lock is held. */
  private leave(target: CpuState, line: number, invalidate: boolean, found: number): void {
    const { m } = this;
    const { l1d, l2 } = target;
    if (!(found & HAD_COPY)) return;
    let wasExclusive = false;
    const after = m.platform.coherence === 'moesi' ? OWNED : SHARED;
    const keeps = m.mutation === 'snoop-keeps-exclusive';
    for (let slot = l1d.findPhysical(line, -1); slot >= 0; slot = l1d.findPhysical(line, slot)) {
      const state = l1d.state[slot];
      if (state >= EXCLUSIVE) wasExclusive = true;
      if (invalidate) l1d.drop(slot);
      else if (!keeps) l1d.state[slot] = isDirty(state) && !l2 ? after : SHARED;
      if (m.mutation === 'alias-snoop-first-colour') break;
    }
    const below = this.snoopedL2Slot(target, line);
    if (l2 && below >= 0) {
      if (l2.state[below] >= EXCLUSIVE) wasExclusive = true;
      if (invalidate) l2.drop(below);
      else {
        if (found & HAD_DIRTY) this.copyIn(l2, below);
        if (!keeps) l2.state[below] = found & HAD_DIRTY ? after : SHARED;
      }
    }
    if (found & HAD_DIRTY) target.count(COUNT.dirtySupplied);
    if (invalidate) target.count(COUNT.invalidationsReceived);
    else if (wasExclusive) target.count(COUNT.downgrades);
  }

  private snoopInstructionCaches(line: number): void {
    const { m } = this;
    for (let word = 0; word < m.presenceWords; word++) {
      let bits = m.presentIn(m.fetchPresence, line, word);
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
   * The line of a device's read: whoever has it dirty gives it, as to any reader. The caller holds the home lock
   * and no CPU's but the device's.
   * @returns true if `data` has it; false if the memory side must answer
   */
  readForDevice(device: CpuState, line: number, data: Int32Array, version: Int32Array): boolean {
    if (!(this.snoopOthers(device, line, false, false) & HAD_DIRTY)) return false;
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
    for (let word = 0; word < m.presenceWords; word++) {
      let bits = m.presentElsewhere(cpu, line, word);
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

  /** A CPU that lost a line to `by`: its monitor opens, and if it waits for a store to that line, it looks again. */
  lineLost(target: CpuState, line: number, by: CpuState): void {
    const survives = this.m.mutation === 'monitor-survives-snoop';
    if (target.ctl[CTL.MONITOR] === line + 1 && !survives) target.ctl[CTL.MONITOR] = 0;
    if (Atomics.load(target.ctl, CTL.WATCH) === line + 1) this.wakeWatcher(target, by.clock);
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
