/**
 * Cache maintenance: clean, invalidate, clean and invalidate by address to the point of unification or
 * coherency, by set/way, of everything, and of instruction caches. By address is broadcast within the
 * inner shareable domain where the platform says so; set/way never is. A disabled cache is still
 * maintained.
 */
import { type Cache, EXCLUSIVE, isDirty, MODIFIED, SHARED } from './cache.ts';
import type { Coherence } from './coherence.ts';
import type { CpuState } from './cpu-state.ts';
import { EVENT } from './events.ts';
import { dropFetched } from './fetch-port.ts';
import type { MemorySide, Reach } from './memory-side.ts';
import { COUNT, CTL } from './registers.ts';
import type { MachineState } from './state.ts';

/** What is done to a line: written back if it is dirty, dropped, or the one after the other. */
export interface LineOperation {
  readonly clean: boolean;
  readonly invalidate: boolean;
}

export const CLEAN: LineOperation = { clean: true, invalidate: false };
/** What is dirty is lost. */
export const INVALIDATE: LineOperation = { clean: false, invalidate: true };
/** Clean and invalidate. */
export const FLUSH: LineOperation = { clean: true, invalidate: true };

/** Caches that a set/way operation can name. */
export type SetWayLevel = 'l1d' | 'l2' | 'shared';

export class CacheMaintenance {
  private readonly m: MachineState;
  private readonly coherence: Coherence;
  private readonly memory: MemorySide;

  constructor(state: MachineState, coherence: Coherence, memory: MemorySide) {
    this.m = state;
    this.coherence = coherence;
    this.memory = memory;
  }

  /**
   * One line by address: one step.
   * @param va decides which set of a virtually indexed cache is looked at: an alias of another colour is missed
   * @param pa physical address that `va` translates to
   */
  byAddressStep(cpu: CpuState, va: number, pa: number, operation: LineOperation, reach: Reach): void {
    const { m } = this;
    const { costs, maintenance } = m.platform;
    const line = pa >>> m.lineShift;
    cpu.count(COUNT.maintenance);
    cpu.charge(costs.maintenanceLineCycles);
    m.lockHome(line);
    if (maintenance.byAddress === 'broadcast') {
      cpu.charge(costs.maintenanceBroadcastCycles);
      for (const other of m.processors)
        if (other !== cpu) this.lineOf(cpu, other, va, line, operation, reach);
    }
    this.lineOf(cpu, cpu, va, line, operation, reach);
    // What no private cache holds may still sit dirty behind them.
    const discard = !operation.clean;
    if (reach !== 'unification') {
      this.memory.cleanLine(cpu, line, reach, operation.invalidate, discard);
    }
    m.unlockHome(line);
  }

  /** One line by its virtual tag and this CPU's ASID, nothing being translated: one step. */
  byTagStep(cpu: CpuState, va: number, operation: LineOperation, reach: Reach): void {
    const { m } = this;
    const { l1d } = cpu;
    m.lockCpu(cpu);
    m.events?.push(EVENT.MAINTAIN, cpu.index, -1, 0, 0);
    const slot = l1d.lookup(va, -1, cpu.ctl[CTL.ASID]);
    const line = slot < 0 ? -1 : l1d.pa[slot];
    m.unlockCpu(cpu);
    if (line >= 0) {
      this.byAddressStep(cpu, va, line << m.lineShift, operation, reach);
      return;
    }
    cpu.count(COUNT.maintenance);
    cpu.charge(m.platform.costs.maintenanceLineCycles);
  }

  /** One line of the outer cache through its controller: one step. */
  outerStep(cpu: CpuState, pa: number, operation: LineOperation): void {
    const { m } = this;
    if (!m.outer) return;
    cpu.count(COUNT.maintenance);
    cpu.charge(m.platform.costs.outerLineCycles);
    this.memory.maintainOuterLine(cpu, pa >>> m.lineShift, operation.clean, operation.invalidate);
  }

  private lineOf(
    cpu: CpuState,
    target: CpuState,
    va: number,
    line: number,
    operation: LineOperation,
    reach: Reach,
  ): void {
    const { m } = this;
    const { l1d, l2 } = target;
    m.events?.push(EVENT.MAINTAIN, target.index, line << m.lineShift, 0, 0);
    m.lockOther(target);
    if (m.mutation === 'clean-forgets-l1') {
      // Nothing.
    } else if (target !== cpu && l1d.virtualTag) {
      // Another CPU's virtual tags mean nothing here: the broadcast reaches them by physical address.
      for (let s = l1d.findPhysical(line, -1); s >= 0; s = l1d.findPhysical(line, s)) {
        this.l1Line(cpu, target, s, operation);
      }
    } else {
      const slot = l1d.lookup(va, line, cpu.ctl[CTL.ASID]);
      if (slot >= 0) this.l1Line(cpu, target, slot, operation);
    }
    if (l2 && reach !== 'unification') {
      const below = l2.lookup(0, line, 0);
      if (below >= 0) this.l2Line(cpu, target, l2, below, operation);
    }
    m.unlockCpu(target);
  }

  /** The CPU's lock is held. */
  private l1Line(cpu: CpuState, target: CpuState, slot: number, operation: LineOperation): void {
    const { m, coherence } = this;
    const { l1d, l2 } = target;
    const line = l1d.pa[slot];
    if (isDirty(l1d.state[slot])) {
      if (!operation.clean) {
        m.check?.discarded(cpu, line, l1d.version, slot * l1d.wordsPerLine);
      } else if (l2) {
        coherence.cleanToL2(target, slot, l2);
        cpu.charge(m.platform.costs.l2HitCycles);
      } else {
        coherence.writeBack(target, l1d, slot);
        cpu.charge(this.memory.writeBackCycles);
      }
      l1d.state[slot] = l1d.state[slot] === MODIFIED || l1d.state[slot] === EXCLUSIVE ? EXCLUSIVE : SHARED;
    }
    if (!operation.invalidate) return;
    l1d.drop(slot);
    if (!l2) coherence.forget(target, line);
  }

  /** The CPU's lock is held; the L1D was done before, by its own address. */
  private l2Line(cpu: CpuState, target: CpuState, l2: Cache, below: number, operation: LineOperation): void {
    const { m, coherence } = this;
    const line = l2.pa[below];
    if (operation.clean) coherence.mergeFromL1(target, l2, below);
    if (isDirty(l2.state[below])) {
      if (operation.clean) {
        coherence.writeBack(target, l2, below);
        cpu.charge(this.memory.writeBackCycles);
      } else {
        m.check?.discarded(cpu, line, l2.version, below * l2.wordsPerLine);
      }
      l2.state[below] = l2.state[below] === MODIFIED ? EXCLUSIVE : SHARED;
    }
    if (!operation.invalidate) return;
    const { l1d } = target;
    // Inclusion: what leaves the L2 leaves the L1D.
    for (let s = l1d.findPhysical(line, -1); s >= 0; s = l1d.findPhysical(line, s)) {
      if (isDirty(l1d.state[s])) m.check?.discarded(cpu, line, l1d.version, s * l1d.wordsPerLine);
      l1d.drop(s);
    }
    l2.drop(below);
    coherence.forget(target, line);
  }

  /** One set and way of one of this CPU's own levels (or the shared L2, if it is reached): one step. */
  bySetWayStep(cpu: CpuState, level: SetWayLevel, set: number, way: number, operation: LineOperation): void {
    const { m } = this;
    cpu.count(COUNT.maintenance);
    cpu.charge(m.platform.costs.setWayLineCycles);
    if (level === 'shared') {
      if (m.platform.maintenance.setWayReachesShared) {
        this.memory.maintainSharedSetWay(cpu, set, way, operation.clean, operation.invalidate);
      }
      return;
    }
    m.events?.push(EVENT.MAINTAIN, cpu.index, -1, 0, 0);
    m.lockCpu(cpu);
    const cache = level === 'l1d' ? cpu.l1d : cpu.l2;
    const slot = cache ? set * cache.ways + way : -1;
    if (cache && cache.pa[slot] >= 0) {
      m.events?.push(EVENT.MAINTAIN, cpu.index, cache.pa[slot] << m.lineShift, 0, 0);
      if (level === 'l1d') this.l1Line(cpu, cpu, slot, operation);
      else this.l2Line(cpu, cpu, cache, slot, operation);
    }
    m.unlockCpu(cpu);
  }

  /** One line of the instruction caches by address, this CPU's or every CPU's: one step. */
  fetchByAddressStep(cpu: CpuState, va: number, pa: number): void {
    const line = pa >>> this.m.lineShift;
    this.eachFetchCache(cpu, (target) => {
      const slot = target.l1i.lookup(va, line, cpu.ctl[CTL.ASID]);
      if (slot >= 0) dropFetched(this.m, target, slot);
    });
  }

  /** All of the instruction caches, this CPU's or every CPU's: one step. */
  fetchAllStep(cpu: CpuState): void {
    this.eachFetchCache(cpu, (target) => {
      for (let slot = 0; slot < target.l1i.lines; slot++)
        if (target.l1i.pa[slot] >= 0) dropFetched(this.m, target, slot);
    });
  }

  private eachFetchCache(cpu: CpuState, body: (target: CpuState) => void): void {
    const { m } = this;
    const { costs, maintenance } = m.platform;
    cpu.count(COUNT.maintenance);
    cpu.charge(costs.maintenanceLineCycles);
    if (maintenance.icache === 'broadcast') cpu.charge(costs.maintenanceBroadcastCycles);
    for (const target of maintenance.icache === 'broadcast' ? m.processors : [cpu]) {
      m.events?.push(EVENT.MAINTAIN, target.index, -1, 0, 0);
      m.lockOther(target);
      body(target);
      m.unlockCpu(target);
    }
  }
}
