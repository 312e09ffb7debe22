/**
 * How a device reaches memory: through the snoops of the processors' caches where the platform has it so (and
 * there is a protocol to answer them), else memory itself, past every cache. Behind an IOMMU its addresses go
 * through its own TLB first, which nothing keeps coherent with its table but invalidates by a processor.
 *
 * A transfer holds the device's lock from the lookup to the end, before any other lock: processors take it only
 * to invalidate the TLB, holding none. So an invalidate is complete when its step is.
 */
import { ATTRIBUTE_DEVICE, PTE } from './attributes.ts';
import { PLACE_DEVICE } from './check-port.ts';
import type { Coherence } from './coherence.ts';
import type { CpuState } from './cpu-state.ts';
import { type DataPort, extract, insert } from './data-port.ts';
import { EVENT } from './events.ts';
import type { MemorySide } from './memory-side.ts';
import { PAGE_SHIFT } from './platform.ts';
import { COUNT, CTL } from './registers.ts';
import type { MachineState } from './state.ts';
import { ENTRY } from './tlb.ts';
import { FORBIDDEN, MISS, physical } from './translation.ts';
import type { WalkResult } from './walk-steps.ts';

/** Results below zero besides those of a lookup: there is no memory there. */
export const NO_MEMORY = -5;

export class DevicePort {
  /** Addresses of devices go through tables of their own. */
  readonly translates: boolean;
  private readonly m: MachineState;
  private readonly coherence: Coherence;
  private readonly memory: MemorySide;
  private readonly port: DataPort;
  private readonly snooped: boolean;
  private readonly line: Int32Array;
  private readonly lineVersion: Int32Array;

  constructor(state: MachineState, coherence: Coherence, memory: MemorySide, port: DataPort) {
    this.m = state;
    this.coherence = coherence;
    this.memory = memory;
    this.port = port;
    this.translates = state.platform.dma.iommu;
    this.snooped = state.devicesSnooped;
    this.line = new Int32Array(state.wordsPerLine);
    this.lineVersion = new Int32Array(state.wordsPerLine);
  }

  /**
   * Reads 1, 2 or 4 bytes: one step.
   * @returns the value, or MISS, FORBIDDEN, NO_MEMORY
   */
  readStep(device: CpuState, ioAddress: number, sizeBytes: number): number {
    const { m } = this;
    m.lockCpu(device);
    const pa = this.translate(device, ioAddress, false);
    let got = pa;
    if (pa >= 0) {
      device.count(COUNT.loads);
      got = this.snooped
        ? this.readSnooped(device, ioAddress, pa, sizeBytes)
        : this.readMemory(device, ioAddress, pa, sizeBytes);
      m.events?.push(EVENT.LOAD, device.index, pa, got, ioAddress);
      if (sizeBytes === 8) m.events?.push(EVENT.READ_PAST, device.index, pa + 4, 0, 0);
    }
    m.unlockCpu(device);
    return got;
  }

  /** Writes 1, 2 or 4 bytes: one step. Returns as `readStep`, 0 or more if it was done. */
  writeStep(device: CpuState, ioAddress: number, value: number, sizeBytes: number): number {
    const { m } = this;
    m.lockCpu(device);
    const pa = this.translate(device, ioAddress, true);
    if (pa >= 0) {
      device.count(COUNT.stores);
      if (this.snooped) this.writeSnooped(device, pa, value, sizeBytes);
      else this.port.store(device, pa, pa, sizeBytes, value | 0, 0, ATTRIBUTE_DEVICE);
    }
    m.unlockCpu(device);
    return pa;
  }

  /** Physical address of a transfer; its bytes lie within one word, so within one page. */
  private translate(device: CpuState, ioAddress: number, write: boolean): number {
    const { m } = this;
    if (!this.translates) return ioAddress < m.platform.memoryBytes ? ioAddress : NO_MEMORY;
    m.events?.push(EVENT.LOOKUP, device.index, ioAddress, 0, 0);
    const { entries } = device.dtlb;
    const at = device.ctl[CTL.MMU_ON] === 0 ? -1 : device.dtlb.lookup(ioAddress >>> PAGE_SHIFT, 0);
    if (at < 0) {
      device.count(COUNT.tlbMisses);
      return MISS;
    }
    device.dtlb.touch(at);
    const pte = entries[at + ENTRY.PTE];
    if (write && (pte & PTE.WRITE) === 0) return FORBIDDEN;
    m.check?.translated(device, ioAddress, write, false, entries, at);
    return physical(pte, entries[at + ENTRY.SIZE], ioAddress);
  }

  /** Whoever has the line dirty gives it, as for any read; no cache gets a line for it. */
  private readSnooped(device: CpuState, ioAddress: number, pa: number, sizeBytes: number): number {
    const { m, memory, coherence } = this;
    const { costs } = m.platform;
    const line = pa >>> m.lineShift;
    m.lockHome(line);
    m.occupyBus(device, costs.busOccupancyCycles);
    let word: number;
    let version: number;
    if (coherence.readForDevice(device, line, this.line, this.lineVersion)) {
      const at = (pa >>> 2) & (m.wordsPerLine - 1);
      word = this.line[at];
      version = this.lineVersion[at];
      device.charge(costs.cacheToCacheCycles);
    } else {
      ({ word, version } = memory.withBank(pa, () => memory.peekWord(pa)));
      device.charge(costs.memoryCycles);
    }
    const got = extract(word, pa, sizeBytes);
    m.check?.loaded(device, ioAddress, pa, sizeBytes, got, version, PLACE_DEVICE);
    m.unlockHome(line);
    return got;
  }

  private readMemory(device: CpuState, ioAddress: number, pa: number, sizeBytes: number): number {
    const { m } = this;
    const line = pa >>> m.lineShift;
    device.count(COUNT.uncached);
    device.charge(m.platform.costs.uncachedCycles);
    m.lockBank(line);
    m.events?.push(EVENT.BEHIND, device.index, pa, 0, 0);
    const got = extract(m.memory[pa >>> 2], pa, sizeBytes);
    m.check?.loaded(device, ioAddress, pa, sizeBytes, got, m.memoryVersion[pa >>> 2], PLACE_DEVICE);
    m.unlockBank(line);
    return got;
  }

  /** Takes the line away from every cache of a processor, and goes behind them. */
  private writeSnooped(device: CpuState, pa: number, value: number, sizeBytes: number): void {
    const { m, memory, coherence } = this;
    const { costs } = m.platform;
    const line = pa >>> m.lineShift;
    m.events?.push(EVENT.STORE, device.index, pa, value | 0, sizeBytes);
    m.lockHome(line);
    m.occupyBus(device, costs.busOccupancyCycles);
    device.charge(costs.memoryCycles);
    coherence.invalidateOthers(device, line);
    m.lockBank(line);
    const version = m.check ? m.check.stored(device, pa, sizeBytes, value) : 0;
    memory.patchWord(pa, insert(memory.peekWord(pa).word, pa, sizeBytes, value), version);
    m.unlockBank(line);
    m.unlockHome(line);
    coherence.notifyWatchers(device, line);
  }

  /** Reads one entry of the I/O table, from memory and never from a cache: one step. */
  readEntryStep(device: CpuState, ioAddress: number, ptePa: number): WalkResult {
    const { m } = this;
    const { costs } = m.platform;
    const line = ptePa >>> m.lineShift;
    device.count(COUNT.walkReads);
    device.count(COUNT.uncached);
    device.charge(costs.walkStepCycles + costs.memoryCycles);
    m.lockCpu(device);
    m.lockBank(line);
    const pte = m.memory[ptePa >>> 2];
    const pteVersion = m.checked ? m.memoryVersion[ptePa >>> 2] : 0;
    m.unlockBank(line);
    m.events?.push(EVENT.WALK_READ, device.index, ptePa, pte, ioAddress);
    m.check?.walked(device, ioAddress, ptePa, pteVersion);
    m.unlockCpu(device);
    return { pte, ptePa, pteVersion };
  }

  /** Gives a device its table, as a processor's write to a register of the IOMMU does: one step of that. */
  attachStep(cpu: CpuState, device: CpuState, rootPa: number): void {
    const { m } = this;
    cpu.charge(m.platform.costs.uncachedCycles);
    m.lockOther(device);
    m.events?.push(EVENT.CONTEXT, device.index, rootPa, 0, 0);
    setTable(device, rootPa);
    m.unlockCpu(device);
  }
}

/**
 * The table a device's addresses go through from now on. What its TLB has from another one stays.
 * @param isStage2 it is one of a guest's stage 2, with the levels of that
 */
export function setTable(device: CpuState, rootPa: number, isStage2 = false): void {
  device.ctl[CTL.ROOT] = rootPa;
  device.ctl[CTL.STAGE2_ROOT] = isStage2 ? rootPa : 0;
  device.ctl[CTL.MMU_ON] = 1;
  device.ctl[CTL.WALK_CANCELLED] = 1;
}
