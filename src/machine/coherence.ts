/**
 * Coherence of the private data caches: getting a line for reading or for writing, what a snoop does to
 * the others, where a victim goes. A transaction runs under the home lock of its line, so one line has
 * one transaction at a time; victims need no home lock because they leave under the CPU's own lock,
 * which every snoop must take as well.
 *
 * The private L2 includes the L1D. Exclusive in the L1D means "may store without asking"; the effective
 * state of a CPU's copy is the dirtier of the two levels.
 */
import { type Cache, EXCLUSIVE, isDirty, MODIFIED, OWNED, SHARED } from './cache.ts';
import type { MemorySide } from './memory-side.ts';
import type { CpuState } from './cpu-state.ts';
import { COUNT, CTL, GLOBAL, TIME } from './registers.ts';
import type { MachineState } from './state.ts';

/** The copy that `acquire` got: in the L1D, or in the L2 for a store that does not allocate in the L1D. */
export interface Held {
  cache: Cache;
  slot: number;
}

/** What a snoop found. */
const HAD_COPY = 1;
const HAD_DIRTY = 2;

export class Coherence {
  /** Wakes the thread of a blocked CPU; the threads host sets it. */
  notify: (cpu: CpuState) => void = () => {};

  private readonly m: MachineState;
  private readonly memory: MemorySide;
  private readonly held: Held;
  /** Data of the line that the running transaction moves. */
  private readonly line: Int32Array;
  private readonly lineVersion: Int32Array;
  private readonly victim: Int32Array;
  private readonly victimVersion: Int32Array;

  constructor(state: MachineState, memory: MemorySide) {
    this.m = state;
    this.memory = memory;
    this.line = new Int32Array(state.wordsPerLine);
    this.lineVersion = new Int32Array(state.wordsPerLine);
    this.victim = new Int32Array(state.wordsPerLine);
    this.victimVersion = new Int32Array(state.wordsPerLine);
    this.held = { cache: state.cpus[0].l1d, slot: -1 };
  }

  /**
   * Gets a line into the private caches of `cpu` and returns with the CPU's lock held (the caller
   * releases it), so that no snoop comes between the transaction and the access that needed it. The
   * caller holds no lock. Charges the CPU.
   * @param va address of the access: chooses the set of a virtually indexed L1D
   * @param line physical line number
   * @param allocateL1 false: a store that does not allocate ends in the L2
   */
  acquire(cpu: CpuState, va: number, line: number, forWrite: boolean, allocateL1: boolean): Held {
    const { m, held } = this;
    const { l1d } = cpu;
    // A virtually tagged copy may belong to another physical line (a homonym): the transaction is then
    // about that line, because that is what the hardware has in its hands.
    let home = line;
    let slot = -1;
    for (;;) {
      m.lockHome(home);
      m.lockCpu(cpu);
      slot = l1d.lookup(va, line, cpu.ctl[CTL.ASID]);
      const actual = slot < 0 ? line : l1d.pa[slot];
      if (actual === home) break;
      m.unlockCpu(cpu);
      m.unlockHome(home);
      home = actual;
    }
    held.cache = l1d;
    held.slot = slot;
    if (slot < 0 || (forWrite && l1d.state[slot] < EXCLUSIVE)) {
      if (slot < 0) cpu.count(COUNT.l1dMisses);
      if (cpu.l2) this.acquireThroughL2(cpu, cpu.l2, va, home, forWrite, allocateL1);
      else this.acquireFlat(cpu, va, home, forWrite);
    }
    m.unlockHome(home);
    return held;
  }

  private acquireFlat(cpu: CpuState, va: number, line: number, forWrite: boolean): void {
    const { held } = this;
    const { l1d } = cpu;
    if (held.slot >= 0) {
      this.upgrade(cpu, l1d, held.slot, line);
      return;
    }
    const slot = l1d.victim(l1d.setOf(va, line));
    if (l1d.pa[slot] >= 0) this.evictL1(cpu, slot);
    const state = this.fetch(cpu, line, forWrite);
    l1d.install(slot, va, line, cpu.ctl[CTL.ASID], state);
    this.copyIn(l1d, slot);
    held.slot = slot;
  }

  private acquireThroughL2(
    cpu: CpuState,
    l2: Cache,
    va: number,
    line: number,
    forWrite: boolean,
    allocateL1: boolean,
  ): void {
    const { held } = this;
    const { l1d } = cpu;
    let below = l2.lookup(0, line, 0);
    if (below < 0) {
      below = l2.victim(line & l2.setMask);
      if (l2.pa[below] >= 0) this.evictL2(cpu, l2, below);
      const state = this.fetch(cpu, line, forWrite);
      l2.install(below, 0, line, 0, state);
      this.copyIn(l2, below);
    } else if (forWrite && l2.state[below] < EXCLUSIVE) {
      this.upgrade(cpu, l2, below, line);
    } else {
      cpu.count(COUNT.l2Hits);
      cpu.charge(this.m.platform.costs.l2HitCycles);
    }
    l2.touch(below);
    const mayStore = l2.state[below] >= EXCLUSIVE;
    if (held.slot >= 0) {
      if (mayStore) l1d.state[held.slot] = EXCLUSIVE;
      return;
    }
    if (!allocateL1) {
      held.cache = l2;
      held.slot = below;
      return;
    }
    const slot = l1d.victim(l1d.setOf(va, line));
    if (l1d.pa[slot] >= 0) this.evictL1(cpu, slot);
    l1d.install(slot, va, line, cpu.ctl[CTL.ASID], mayStore ? EXCLUSIVE : SHARED);
    copyLine(l2, below, l1d, slot, this.m.checked);
    held.slot = slot;
  }

  /** Invalidates the other copies of a line that this CPU shares. The CPU's lock is held, and given up meanwhile. */
  private upgrade(cpu: CpuState, cache: Cache, slot: number, line: number): void {
    const { m } = this;
    cpu.count(COUNT.upgrades);
    m.unlockCpu(cpu);
    m.occupyBus(cpu, m.platform.costs.busOccupancyCycles);
    cpu.charge(m.platform.costs.upgradeCycles);
    const found = this.snoopOthers(cpu, line, true, m.mutation === 'upgrade-forgets-sharer');
    m.lockCpu(cpu);
    const dirty = isDirty(cache.state[slot]) || (found & HAD_DIRTY) !== 0;
    cache.state[slot] = dirty ? MODIFIED : EXCLUSIVE;
  }

  /**
   * Reads a line into the transaction's buffer from whoever has the newest copy, and returns the state it
   * is to be installed in. The CPU's lock is held, and given up meanwhile: the way that the caller has
   * emptied stays empty, because only this CPU's thread fills it.
   */
  private fetch(cpu: CpuState, line: number, forWrite: boolean): number {
    const { m } = this;
    const { costs, coherence } = m.platform;
    m.unlockCpu(cpu);
    m.occupyBus(cpu, costs.busOccupancyCycles);
    const found = m.coherent ? this.snoopOthers(cpu, line, forWrite, false) : 0;
    if (found & HAD_DIRTY) {
      cpu.count(COUNT.cacheToCache);
      cpu.charge(costs.cacheToCacheCycles);
    }
    if (!(found & HAD_DIRTY) || m.mutation === 'snoop-stale-data') {
      this.memory.readLine(cpu, line, this.line, this.lineVersion);
    }
    m.lockCpu(cpu);
    m.setPresence(m.presence, line, cpu.index);
    if (forWrite) return found & HAD_DIRTY ? MODIFIED : EXCLUSIVE;
    // An instruction cache's copy is a copy too: a store must ask before it makes it stale.
    if (coherence === 'msi' || this.isFetched(line)) return SHARED;
    return found & HAD_COPY ? SHARED : EXCLUSIVE;
  }

  /** May an instruction cache that is snooped hold the line? */
  private isFetched(line: number): boolean {
    const { m } = this;
    return m.platform.l1i.snooped && (m.fetchPresence[line * 2] | m.fetchPresence[line * 2 + 1]) !== 0;
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
    m.lockOther(target);
    const after = m.platform.coherence === 'moesi' ? OWNED : SHARED;
    const keeps = m.mutation === 'snoop-keeps-exclusive';
    for (let slot = l1d.findPhysical(line, -1); slot >= 0; slot = l1d.findPhysical(line, slot)) {
      found |= HAD_COPY;
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
      if (found & HAD_DIRTY) this.copyIn(l2, below);
      else if (isDirty(l2.state[below])) {
        found |= HAD_DIRTY;
        this.copyOut(l2, below, this.line, this.lineVersion);
      }
      if (invalidate) l2.drop(below);
      else if (!keeps) l2.state[below] = found & HAD_DIRTY ? after : SHARED;
    }
    if (found & HAD_COPY) {
      target.count(invalidate ? COUNT.invalidationsReceived : COUNT.downgrades);
    }
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

  /** Moves an L1D line out. The CPU's lock is held. */
  evictL1(cpu: CpuState, slot: number): void {
    const { m } = this;
    const { l1d, l2 } = cpu;
    const line = l1d.pa[slot];
    cpu.count(COUNT.evictions);
    if (isDirty(l1d.state[slot])) {
      if (l2) {
        const below = l2.lookup(0, line, 0);
        copyLine(l1d, slot, l2, below, m.checked);
        l2.state[below] = MODIFIED;
      } else this.writeBack(cpu, l1d, slot);
    }
    l1d.drop(slot);
    if (!l2) this.forget(cpu, line);
  }

  /** Moves an L2 line out, and the L1D copies that it includes. The CPU's lock is held. */
  evictL2(cpu: CpuState, l2: Cache, below: number): void {
    const { l1d } = cpu;
    const line = l2.pa[below];
    cpu.count(COUNT.evictions);
    this.mergeFromL1(cpu, l2, below);
    for (let s = l1d.findPhysical(line, -1); s >= 0; s = l1d.findPhysical(line, s)) {
      if (this.m.mutation !== 'eviction-keeps-l1') l1d.drop(s);
    }
    if (isDirty(l2.state[below])) this.writeBack(cpu, l2, below);
    l2.drop(below);
    this.forget(cpu, line);
  }

  /** Brings the L2 copy up to date with a dirty L1D copy, which stays, clean. The CPU's lock is held. */
  mergeFromL1(cpu: CpuState, l2: Cache, below: number): void {
    const { l1d } = cpu;
    const line = l2.pa[below];
    for (let s = l1d.findPhysical(line, -1); s >= 0; s = l1d.findPhysical(line, s)) {
      if (!isDirty(l1d.state[s])) continue;
      copyLine(l1d, s, l2, below, this.m.checked);
      l1d.state[s] = EXCLUSIVE;
      l2.state[below] = MODIFIED;
    }
  }

  /** Cleans one L1D copy into the L2 copy, which includes it. The CPU's lock is held. */
  cleanToL2(cpu: CpuState, slot: number, l2: Cache): void {
    const below = l2.lookup(0, cpu.l1d.pa[slot], 0);
    copyLine(cpu.l1d, slot, l2, below, this.m.checked);
    l2.state[below] = MODIFIED;
  }

  /** Writes a dirty line of a private cache to the memory side. The CPU's lock is held. */
  writeBack(cpu: CpuState, cache: Cache, slot: number): void {
    const { m } = this;
    this.copyOut(cache, slot, this.victim, this.victimVersion);
    if (m.mutation === 'missing-write-back') return;
    const line = cache.pa[slot];
    const to = m.mutation === 'victim-wrong-place' ? line ^ 1 : line;
    this.memory.writeLine(cpu, to, this.victim, this.victimVersion);
  }

  /** After a private cache dropped a line: no snoop need ask this CPU, unless an alias is left. */
  forget(cpu: CpuState, line: number): void {
    const { l1d } = cpu;
    if ((l1d.colours > 1 || l1d.virtualTag) && l1d.findPhysical(line, -1) >= 0) return;
    this.m.clearPresence(this.m.presence, line, cpu.index);
    this.lineLost(cpu, line, cpu.clock);
  }

  private copyIn(cache: Cache, slot: number): void {
    const at = slot * cache.wordsPerLine;
    for (let i = 0; i < cache.wordsPerLine; i++) cache.data[at + i] = this.line[i];
    if (this.m.checked) {
      for (let i = 0; i < cache.wordsPerLine; i++) cache.version[at + i] = this.lineVersion[i];
    }
  }

  private copyOut(cache: Cache, slot: number, data: Int32Array, version: Int32Array): void {
    const at = slot * cache.wordsPerLine;
    for (let i = 0; i < cache.wordsPerLine; i++) data[i] = cache.data[at + i];
    if (this.m.checked) {
      for (let i = 0; i < cache.wordsPerLine; i++) version[i] = cache.version[at + i];
    }
  }
}

function copyLine(from: Cache, fromSlot: number, to: Cache, toSlot: number, checked: boolean): void {
  const n = from.wordsPerLine;
  const a = fromSlot * n;
  const b = toSlot * n;
  for (let i = 0; i < n; i++) to.data[b + i] = from.data[a + i];
  if (checked) for (let i = 0; i < n; i++) to.version[b + i] = from.version[a + i];
}
