/**
 * What lies behind the private caches: the shared L2, the outer or system cache, memory. Each function
 * takes the bank lock of its line and nothing else.
 */
import { type Cache, isDirty, MODIFIED, SHARED } from './cache.ts';
import type { CpuState } from './cpu-state.ts';
import { EVENT } from './events.ts';
import { COUNT } from './registers.ts';
import type { MachineState } from './state.ts';

/** Where maintenance stops. */
export type Reach = 'unification' | 'coherency' | 'memory';

export class MemorySide {
  private readonly m: MachineState;
  private readonly victim: Int32Array;
  private readonly victimVersion: Int32Array;
  /**
   * Must a reader of a line keep writers away? Where nothing but memory lies here and caches are coherent, whoever
   * reads holds the line's home lock, and a cache that had it dirty has written it before it is not asked any more. What
   * is left are stores past the caches, word by word, with no version beside it on a machine that is not checked.
   */
  private readonly readsLock: boolean;

  constructor(state: MachineState) {
    this.m = state;
    const isOnlyMemory = state.shared === null && state.outer === null && state.devices.length === 0;
    this.readsLock = !(isOnlyMemory && state.coherent && !state.checked);
    this.victim = new Int32Array(state.wordsPerLine);
    this.victimVersion = new Int32Array(state.wordsPerLine);
  }

  /**
   * Reads a line for a private cache and charges the CPU for the level that had it.
   * @returns true if that was memory
   */
  readLine(cpu: CpuState, line: number, data: Int32Array, version: Int32Array): boolean {
    const { m } = this;
    const { costs } = m.platform;
    if (this.readsLock) m.lockBank(line);
    m.events?.push(EVENT.BEHIND, cpu.index, line << m.lineShift, 0, 0);
    const shared = m.shared;
    const hit = shared ? shared.lookup(0, line, 0) : -1;
    let fromMemory = false;
    if (shared && hit >= 0) {
      shared.touch(hit);
      this.copyOut(shared, hit, data, version);
      cpu.count(COUNT.sharedHits);
      cpu.charge(costs.sharedHitCycles);
    } else {
      fromMemory = this.readOuter(cpu, line, data, version);
      if (shared) this.allocate(cpu, shared, line, data, version, SHARED);
    }
    if (this.readsLock) m.unlockBank(line);
    return fromMemory;
  }

  private readOuter(cpu: CpuState, line: number, data: Int32Array, version: Int32Array): boolean {
    const { outer, platform } = this.m;
    const hit = outer ? outer.lookup(0, line, 0) : -1;
    if (outer && hit >= 0) {
      outer.touch(hit);
      this.copyOut(outer, hit, data, version);
      cpu.count(COUNT.outerHits);
      cpu.charge(platform.costs.outerHitCycles);
      return false;
    }
    this.readMemory(line, data, version);
    cpu.count(COUNT.memoryReads);
    cpu.charge(platform.costs.memoryCycles);
    if (outer) this.allocate(cpu, outer, line, data, version, SHARED);
    return true;
  }

  /** What maintenance pays for a write-back from a private cache: the way to the level that takes the line. */
  get writeBackCycles(): number {
    const { shared, outer, platform } = this.m;
    const { sharedHitCycles, outerHitCycles, memoryCycles } = platform.costs;
    if (shared) return sharedHitCycles;
    return outer ? outerHitCycles : memoryCycles;
  }

  /** Write-back of a whole line from a private cache. */
  writeLine(cpu: CpuState, line: number, data: Int32Array, version: Int32Array): void {
    cpu.count(COUNT.writeBacks);
    this.putLine(cpu, line, data, version);
  }

  /** A write-back that has been counted already, by the CPU that the line comes from. */
  putLine(cpu: CpuState, line: number, data: Int32Array, version: Int32Array): void {
    const { m } = this;
    m.lockBank(line);
    m.events?.push(EVENT.BEHIND, cpu.index, line << m.lineShift, 1, 0);
    const level = m.shared ?? m.outer;
    if (level) {
      const slot = level.lookup(0, line, 0);
      if (slot >= 0) {
        this.reportOvertaken(cpu, line, version, level.version, slot * level.wordsPerLine);
        this.copyIn(level, slot, data, version);
        level.state[slot] = MODIFIED;
        level.touch(slot);
      } else {
        this.allocate(cpu, level, line, data, version, MODIFIED);
      }
    } else {
      this.reportOvertaken(cpu, line, version, m.memoryVersion, line * m.wordsPerLine);
      this.writeMemory(line, data, version);
    }
    m.unlockBank(line);
  }

  /** Pushes a line that sits dirty behind the private caches as far down as `reach` says. */
  cleanLine(cpu: CpuState, line: number, reach: Reach, invalidate: boolean, discard: boolean): void {
    const { m } = this;
    const costs = m.platform.costs;
    m.lockBank(line);
    m.events?.push(EVENT.BEHIND, cpu.index, line << m.lineShift, 1, 0);
    for (const level of this.levelsTo(reach)) {
      const slot = level.lookup(0, line, 0);
      if (slot < 0) continue;
      if (isDirty(level.state[slot])) {
        if (discard) {
          m.check?.discarded(cpu, line, level.version, slot * level.wordsPerLine);
        } else {
          this.evictBehind(cpu, level, slot);
          cpu.charge(costs.memoryCycles);
        }
        level.state[slot] = SHARED;
      }
      if (invalidate || discard) level.drop(slot);
    }
    m.unlockBank(line);
  }

  private levelsTo(reach: Reach): Cache[] {
    const { shared, outer, platform } = this.m;
    const levels: Cache[] = [];
    if (shared && reach !== 'unification') levels.push(shared);
    const reachesOuter =
      reach === 'memory' || (reach === 'coherency' && platform.outer?.maintainedBy === 'address');
    if (outer && reachesOuter) levels.push(outer);
    return levels;
  }

  /** Set/way maintenance of the shared L2, where the platform lets it reach that far. */
  maintainSharedSetWay(cpu: CpuState, set: number, way: number, clean: boolean, invalidate: boolean): void {
    const shared = this.m.shared;
    if (!shared) return;
    // The lines of one set share a bank, whichever line the way holds.
    this.m.lockBank(set);
    const slot = set * shared.ways + way;
    if (shared.pa[slot] >= 0) {
      this.m.events?.push(EVENT.BEHIND, cpu.index, shared.pa[slot] << this.m.lineShift, 1, 0);
      if (isDirty(shared.state[slot])) {
        if (clean) {
          this.evictBehind(cpu, shared, slot);
          cpu.charge(this.m.platform.costs.memoryCycles);
        } else {
          this.m.check?.discarded(cpu, shared.pa[slot], shared.version, slot * shared.wordsPerLine);
        }
        shared.state[slot] = SHARED;
      }
      if (invalidate) shared.drop(slot);
    }
    this.m.unlockBank(set);
  }

  /** Maintenance of one line of the outer cache, through its controller. */
  maintainOuterLine(cpu: CpuState, line: number, clean: boolean, invalidate: boolean): void {
    const { m } = this;
    const { outer } = m;
    if (!outer) return;
    m.lockBank(line);
    m.events?.push(EVENT.BEHIND, cpu.index, line << m.lineShift, 1, 0);
    const slot = outer.lookup(0, line, 0);
    if (slot >= 0) {
      if (isDirty(outer.state[slot])) {
        if (clean) this.evictBehind(cpu, outer, slot);
        else m.check?.discarded(cpu, line, outer.version, slot * outer.wordsPerLine);
        outer.state[slot] = SHARED;
      }
      if (invalidate) outer.drop(slot);
    }
    m.unlockBank(line);
  }

  /**
   * Runs `body` with the bank of `pa` locked: an access that must be one with its version.
   */
  withBank<T>(pa: number, body: () => T): T {
    const line = pa >>> this.m.lineShift;
    this.m.lockBank(line);
    try {
      return body();
    } finally {
      this.m.unlockBank(line);
    }
  }

  /**
   * Puts one word behind the private caches: into the shared or outer copy if there is one, else into
   * memory. For write-through stores. The caller holds the bank lock.
   */
  patchWord(pa: number, word: number, version: number): void {
    const { m } = this;
    const line = pa >>> m.lineShift;
    const at = (pa >>> 2) & (m.wordsPerLine - 1);
    m.events?.push(EVENT.BEHIND, -1, pa, 1, 0);
    for (const level of [m.shared, m.outer]) {
      const slot = level ? level.lookup(0, line, 0) : -1;
      if (!level || slot < 0) continue;
      level.data[slot * level.wordsPerLine + at] = word;
      if (m.checked) level.version[slot * level.wordsPerLine + at] = version;
      level.state[slot] = MODIFIED;
      return;
    }
    m.touched?.mark(line);
    m.memory[pa >>> 2] = word;
    if (m.checked) m.memoryVersion[pa >>> 2] = version;
  }

  /** Word and version as a reader behind the private caches sees them. The caller holds the bank lock. */
  peekWord(pa: number): { word: number; version: number } {
    const { m } = this;
    const line = pa >>> m.lineShift;
    const at = (pa >>> 2) & (m.wordsPerLine - 1);
    m.events?.push(EVENT.BEHIND, -1, pa, 0, 0);
    for (const level of [m.shared, m.outer]) {
      const slot = level ? level.lookup(0, line, 0) : -1;
      if (!level || slot < 0) continue;
      const index = slot * level.wordsPerLine + at;
      return { word: level.data[index], version: m.checked ? level.version[index] : 0 };
    }
    return { word: m.memory[pa >>> 2], version: m.checked ? m.memoryVersion[pa >>> 2] : 0 };
  }

  /** Fills a line of `level`, evicting what sits there. The caller holds the bank lock. */
  private allocate(
    cpu: CpuState,
    level: Cache,
    line: number,
    data: Int32Array,
    version: Int32Array,
    state: number,
  ): void {
    const slot = level.victim(line & level.setMask);
    if (level.pa[slot] >= 0 && isDirty(level.state[slot])) this.evictBehind(cpu, level, slot);
    level.install(slot, 0, line, 0, state);
    this.copyIn(level, slot, data, version);
  }

  /** Moves a dirty line of the shared or outer cache one level down. The caller holds the bank lock. */
  private evictBehind(cpu: CpuState, level: Cache, slot: number): void {
    const { m } = this;
    const line = level.pa[slot];
    this.copyOut(level, slot, this.victim, this.victimVersion);
    cpu.count(COUNT.writeBacks);
    const outer = m.outer;
    if (outer && level !== outer) {
      const below = outer.lookup(0, line, 0);
      if (below >= 0) {
        this.reportOvertaken(cpu, line, this.victimVersion, outer.version, below * outer.wordsPerLine);
        this.copyIn(outer, below, this.victim, this.victimVersion);
        outer.state[below] = MODIFIED;
        return;
      }
    }
    this.reportOvertaken(cpu, line, this.victimVersion, m.memoryVersion, line * m.wordsPerLine);
    this.writeMemory(line, this.victim, this.victimVersion);
  }

  private readMemory(line: number, data: Int32Array, version: Int32Array): void {
    const { m } = this;
    const at = line * m.wordsPerLine;
    for (let i = 0; i < m.wordsPerLine; i++) data[i] = m.memory[at + i];
    if (m.checked) for (let i = 0; i < m.wordsPerLine; i++) version[i] = m.memoryVersion[at + i];
  }

  private writeMemory(line: number, data: Int32Array, version: Int32Array): void {
    const { m } = this;
    m.touched?.mark(line);
    m.events?.push(EVENT.BEHIND, -1, line << m.lineShift, 1, 0);
    const at = line * m.wordsPerLine;
    for (let i = 0; i < m.wordsPerLine; i++) m.memory[at + i] = data[i];
    if (m.checked) for (let i = 0; i < m.wordsPerLine; i++) m.memoryVersion[at + i] = version[i];
  }

  private copyOut(level: Cache, slot: number, data: Int32Array, version: Int32Array): void {
    const at = slot * level.wordsPerLine;
    for (let i = 0; i < level.wordsPerLine; i++) data[i] = level.data[at + i];
    if (this.m.checked) for (let i = 0; i < level.wordsPerLine; i++) version[i] = level.version[at + i];
  }

  private copyIn(level: Cache, slot: number, data: Int32Array, version: Int32Array): void {
    const at = slot * level.wordsPerLine;
    for (let i = 0; i < level.wordsPerLine; i++) level.data[at + i] = data[i];
    if (this.m.checked) for (let i = 0; i < level.wordsPerLine; i++) level.version[at + i] = version[i];
  }

  /** A write-back that carries an older word over a newer one loses that write. */
  private reportOvertaken(
    cpu: CpuState,
    line: number,
    from: Int32Array,
    below: Int32Array,
    at: number,
  ): void {
    const { m } = this;
    if (!m.check) return;
    for (let i = 0; i < m.wordsPerLine; i++) {
      if (from[i] < below[at + i]) {
        m.check.overtaken(cpu, (line << m.lineShift) + i * 4, from[i], below[at + i]);
      }
    }
  }
}
