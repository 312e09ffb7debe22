/**
 * Coherence of the private data caches: getting a line for reading or for writing, what a snoop does to
 * the others, where a victim goes. A transaction runs under the home lock of its line, so one line has
 * one transaction at a time; victims need no home lock because they leave under the CPU's own lock,
 * which every snoop must take as well.
 *
 * The private L2 includes the L1D. Exclusive in the L1D means "may store without asking"; the effective
 * state of a CPU's copy is the dirtier of the two levels.
 */
import { type Cache, EXCLUSIVE, isDirty, MODIFIED, SHARED } from './cache.ts';
import type { CpuState } from './cpu-state.ts';
import { EVENT } from './events.ts';
import { asidOfLine } from './line-asid.ts';
import type { MemorySide } from './memory-side.ts';
import { COUNT, CTL } from './registers.ts';
import { HAD_COPY, HAD_DIRTY, Snoops } from './snoops.ts';
import type { MachineState } from './state.ts';

/** The copy that `acquire` got: in the L1D, or in the L2 for a store that does not allocate in the L1D. */
export interface Held {
  cache: Cache;
  slot: number;
}

export class Coherence extends Snoops {
  private readonly held: Held;
  private readonly victim: Int32Array;
  private readonly victimVersion: Int32Array;
  private readonly fetchesGoPast: boolean;
  /**
   * The running transaction asks nobody, and its CPU's lock is held throughout: what that saves are the operations on
   * it, on one thread nothing.
   */
  private isAlone = false;

  constructor(state: MachineState, memory: MemorySide) {
    super(state, memory);
    this.victim = new Int32Array(state.wordsPerLine);
    this.victimVersion = new Int32Array(state.wordsPerLine);
    this.held = { cache: state.cpus[0].l1d, slot: -1 };
    const { l1i } = state.platform;
    this.fetchesGoPast = l1i.snooped && l1i.fillsFrom === 'unification';
  }

  /**
   * Gets a line into the private caches of `cpu`, whose lock is held on entry and on return, so that no snoop comes
   * between the transaction and the access that needed it. In between the lock may be given up. Charges the CPU.
   * @param va address of the access: chooses the set of a virtually indexed L1D
   * @param line physical line number
   * @param allocateL1 false: a store that does not allocate ends in the L2
   */
  acquire(cpu: CpuState, va: number, line: number, forWrite: boolean, allocateL1: boolean): Held {
    const { m } = this;
    const { l1d } = cpu;
    // Home locks come before those of CPUs: this one must not be waited for.
    let isHome = m.tryLockHome(line);
    // A virtually tagged copy may belong to another physical line (a homonym): the transaction is then
    // about that line, because that is what the hardware has in its hands.
    let home = line;
    let slot = -1;
    for (;;) {
      if (!isHome) {
        m.unlockCpu(cpu);
        m.lockHome(home);
        m.lockCpu(cpu);
      }
      slot = l1d.lookup(va, line, cpu.ctl[CTL.ASID]);
      const actual = slot < 0 ? line : l1d.pa[slot];
      if (actual === home) break;
      m.unlockHome(home);
      isHome = false;
      home = actual;
    }
    this.isAlone = m.threaded && !this.mustAsk(cpu, home, forWrite);
    this.bring(cpu, va, home, slot, forWrite, allocateL1);
    this.isAlone = false;
    m.unlockHome(home);
    return this.held;
  }

  /** May a transaction on the line find something in another cache, or in one for instructions? */
  private mustAsk(cpu: CpuState, line: number, forWrite: boolean): boolean {
    const { m } = this;
    if (forWrite && this.isFetched(line)) return true;
    for (let word = 0; word < m.presenceWords && m.coherent; word++) {
      if (m.presentElsewhere(cpu, line, word) !== 0) return true;
    }
    return false;
  }

  /** Brings into the private caches what is not there yet, given the way of the L1D that has the line, or -1. */
  private bring(
    cpu: CpuState,
    va: number,
    line: number,
    slot: number,
    forWrite: boolean,
    allocateL1: boolean,
  ): void {
    const { held } = this;
    const { l1d } = cpu;
    held.cache = l1d;
    held.slot = slot;
    if (slot >= 0 && !(forWrite && (l1d.state[slot] < EXCLUSIVE || this.mustTellFetchers(line)))) return;
    if (slot < 0) cpu.count(COUNT.l1dMisses);
    if (cpu.l2) this.acquireThroughL2(cpu, cpu.l2, va, line, forWrite, allocateL1);
    else this.acquireFlat(cpu, va, line, forWrite);
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
    l1d.install(slot, va, line, asidOfLine(this.m, cpu, va, line), state);
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
      l2.install(below, va, line, 0, state);
      this.copyIn(l2, below);
    } else if (forWrite && (l2.state[below] < EXCLUSIVE || this.mustTellFetchers(line))) {
      this.upgrade(cpu, l2, below, line);
    } else {
      cpu.count(COUNT.l2Hits);
      cpu.charge(this.m.platform.costs.l2HitCycles);
    }
    l2.touch(below);
    const mayStore = l2.state[below] >= EXCLUSIVE;
    if (held.slot >= 0) {
      if (mayStore && l1d.state[held.slot] < EXCLUSIVE) l1d.state[held.slot] = EXCLUSIVE;
      return;
    }
    if (!allocateL1) {
      held.cache = l2;
      held.slot = below;
      return;
    }
    held.slot = this.fillFromL2(cpu, l2, below, va, line);
  }

  /** Copies a line of the L2 into the L1D, which has none at that index. Returns its way. The CPU's lock is held. */
  fillFromL2(cpu: CpuState, l2: Cache, below: number, va: number, line: number): number {
    const { l1d } = cpu;
    const slot = l1d.victim(l1d.setOf(va, line));
    if (l1d.pa[slot] >= 0) this.evictL1(cpu, slot);
    const state = l2.state[below] >= EXCLUSIVE ? EXCLUSIVE : SHARED;
    l1d.install(slot, va, line, asidOfLine(this.m, cpu, va, line), state);
    copyLine(l2, below, l1d, slot, this.m.checked);
    return slot;
  }

  /** Invalidates the other copies of a line that this CPU shares. The CPU's lock is held, and given up meanwhile. */
  private upgrade(cpu: CpuState, cache: Cache, slot: number, line: number): void {
    const { m } = this;
    cpu.count(COUNT.upgrades);
    if (!this.isAlone) m.unlockCpu(cpu);
    this.enterBus(cpu, m.platform.costs.upgradeCycles);
    const found = this.snoopOthers(cpu, line, true, m.mutation === 'upgrade-forgets-sharer');
    this.reachBus(cpu);
    if (m.sockets) cpu.charge(m.sockets.extraUpgrade());
    if (!this.isAlone) m.lockCpu(cpu);
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
    if (!this.isAlone) m.unlockCpu(cpu);
    this.enterBus(cpu, 0);
    const found = m.coherent ? this.snoopOthers(cpu, line, forWrite, false) : 0;
    this.reachBus(cpu);
    if (found & HAD_COPY) cpu.count(COUNT.missesHeldElsewhere);
    if (found & HAD_DIRTY) {
      cpu.count(COUNT.cacheToCache);
      cpu.charge(costs.cacheToCacheCycles + (m.sockets?.extraDirty() ?? 0));
    }
    if (!(found & HAD_DIRTY) || m.mutation === 'snoop-stale-data') {
      const fromMemory = this.memory.readLine(cpu, line, this.line, this.lineVersion);
      if (m.sockets) cpu.charge(m.sockets.extraClean(cpu, line, forWrite, fromMemory));
    }
    if (!this.isAlone) m.lockCpu(cpu);
    m.setPresence(m.presence, line, cpu.index);
    if (forWrite) return found & HAD_DIRTY ? MODIFIED : EXCLUSIVE;
    // An instruction cache's copy is a copy too: a store must ask before it makes it stale.
    if (coherence === 'msi' || this.isFetched(line)) return SHARED;
    return found & HAD_COPY ? SHARED : EXCLUSIVE;
  }

  /**
   * Must a store tell instruction caches, though the CPU holds the line for itself? Fills that go past the
   * data caches take nothing away from them.
   */
  mustTellFetchers(line: number): boolean {
    return this.fetchesGoPast && this.isFetched(line);
  }

  /** May an instruction cache that is snooped hold the line? */
  private isFetched(line: number): boolean {
    const { m } = this;
    if (!m.platform.l1i.snooped) return false;
    for (let word = 0; word < m.presenceWords; word++) {
      if (m.presentIn(m.fetchPresence, line, word) !== 0) return true;
    }
    return false;
  }

  /** Moves an L1D line out. The CPU's lock is held. */
  evictL1(cpu: CpuState, slot: number): void {
    const { m } = this;
    const { l1d, l2 } = cpu;
    const line = l1d.pa[slot];
    m.events?.push(EVENT.EVICT, cpu.index, line << m.lineShift, isDirty(l1d.state[slot]) ? 1 : 0, 0);
    cpu.count(COUNT.evictions);
    if (isDirty(l1d.state[slot])) {
      cpu.count(COUNT.dirtyEvictions);
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
    this.m.events?.push(
      EVENT.EVICT,
      cpu.index,
      line << this.m.lineShift,
      isDirty(l2.state[below]) ? 1 : 0,
      0,
    );
    cpu.count(COUNT.evictions);
    cpu.count(COUNT.l2Evictions);
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
    this.lineLost(cpu, line, cpu);
  }
}

function copyLine(from: Cache, fromSlot: number, to: Cache, toSlot: number, checked: boolean): void {
  const n = from.wordsPerLine;
  const a = fromSlot * n;
  const b = toSlot * n;
  for (let i = 0; i < n; i++) to.data[b + i] = from.data[a + i];
  if (checked) for (let i = 0; i < n; i++) to.version[b + i] = from.version[a + i];
}
