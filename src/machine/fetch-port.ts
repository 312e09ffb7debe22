/**
 * Instruction fetch: what the program will execute, which need not be what was stored last. A fill takes
 * the line from the data caches where the platform's fetch sees them, otherwise from the point of
 * unification: the private L2s if there are any (all of them, if they are coherent), or the memory side.
 */
import { ATTRIBUTE_NORMAL } from './attributes.ts';
import { SHARED } from './cache.ts';
import { PLACE_L1I, PLACE_UNCACHED_FETCH } from './check-port.ts';
import type { Coherence } from './coherence.ts';
import type { CpuState } from './cpu-state.ts';
import { asidOfLine } from './line-asid.ts';
import type { MemorySide } from './memory-side.ts';
import { COUNT, CTL } from './registers.ts';
import type { MachineState } from './state.ts';

export class FetchPort {
  /** As DataPort.accessDone. */
  accessDone: (cpu: CpuState) => void = () => {};

  /** Where primaries are subsets of an L2 that knows their index. */
  aliases: { holdForFetch(cpu: CpuState, va: number, line: number): void } | null = null;

  /** Version of the word that `fetch` returned last. */
  version = 0;

  private readonly m: MachineState;
  private readonly coherence: Coherence;
  private readonly memory: MemorySide;
  private readonly line: Int32Array;
  private readonly lineVersion: Int32Array;

  constructor(state: MachineState, coherence: Coherence, memory: MemorySide) {
    this.m = state;
    this.coherence = coherence;
    this.memory = memory;
    this.line = new Int32Array(state.wordsPerLine);
    this.lineVersion = new Int32Array(state.wordsPerLine);
  }

  /**
   * The instruction word at a physical address. The CPU's lock is held on entry and return.
   * @param ahead the word may never run, so nobody judges it
   */
  fetch(cpu: CpuState, va: number, pa: number, attributes: number, ahead = false): number {
    const { m } = this;
    const { l1i } = cpu;
    const line = pa >>> m.lineShift;
    const at = (pa >>> 2) & (m.wordsPerLine - 1);
    cpu.count(COUNT.fetches);
    if (attributes !== ATTRIBUTE_NORMAL) {
      cpu.charge(m.platform.costs.uncachedCycles);
      m.lockBank(line);
      const word = m.memory[pa >>> 2] >>> 0;
      this.version = m.checked ? m.memoryVersion[pa >>> 2] : 0;
      if (!ahead) m.check?.loaded(cpu, va, pa, 4, word, this.version, PLACE_UNCACHED_FETCH);
      m.unlockBank(line);
      return word;
    }
    let slot = l1i.lookup(va, line, cpu.ctl[CTL.ASID]);
    if (slot < 0) slot = this.fill(cpu, va, line);
    else cpu.charge(m.platform.costs.l1HitCycles);
    l1i.touch(slot);
    const index = slot * l1i.wordsPerLine + at;
    const word = l1i.data[index] >>> 0;
    this.version = m.checked ? l1i.version[index] : 0;
    if (!ahead) m.check?.loaded(cpu, va, pa, 4, word, this.version, PLACE_L1I);
    return word;
  }

  private fill(cpu: CpuState, va: number, line: number): number {
    const { m } = this;
    const { l1i } = cpu;
    cpu.count(COUNT.l1iMisses);
    cpu.ctl[CTL.IN_ACCESS] = 1;
    m.unlockCpu(cpu);
    if (this.aliases) this.aliases.holdForFetch(cpu, va, line);
    else m.lockHome(line);
    this.read(cpu, line);
    m.lockCpu(cpu);
    const slot = l1i.victim(l1i.setOf(va, line));
    if (l1i.pa[slot] >= 0) dropFetched(m, cpu, slot);
    l1i.install(slot, va, line, asidOfLine(m, cpu, va, line), SHARED);
    for (let i = 0; i < m.wordsPerLine; i++) {
      l1i.data[slot * m.wordsPerLine + i] = this.line[i];
      if (m.checked) l1i.version[slot * m.wordsPerLine + i] = this.lineVersion[i];
    }
    m.setPresence(m.fetchPresence, line, cpu.index);
    m.unlockHome(line);
    cpu.ctl[CTL.IN_ACCESS] = 0;
    this.accessDone(cpu);
    return slot;
  }

  private read(cpu: CpuState, line: number): void {
    const { m, coherence } = this;
    if (m.platform.l1i.fillsFrom === 'data-caches') {
      if (coherence.readForFetch(cpu, line, this.line, this.lineVersion)) {
        cpu.charge(m.platform.costs.cacheToCacheCycles);
        return;
      }
    } else if (cpu.l2) {
      m.lockCpu(cpu);
      const below = cpu.l2.lookup(0, line, 0);
      if (below >= 0) {
        const from = below * m.wordsPerLine;
        for (let i = 0; i < m.wordsPerLine; i++) {
          this.line[i] = cpu.l2.data[from + i];
          if (m.checked) this.lineVersion[i] = cpu.l2.version[from + i];
        }
        m.unlockCpu(cpu);
        cpu.charge(m.platform.costs.l2HitCycles);
        return;
      }
      m.unlockCpu(cpu);
      if (coherence.readUnified(cpu, line, this.line, this.lineVersion)) {
        cpu.charge(m.platform.costs.cacheToCacheCycles);
        return;
      }
    }
    this.memory.readLine(cpu, line, this.line, this.lineVersion);
  }
}

/**
 * Drops an instruction-cache line, and with the last copy the note that there is one: a data cache takes a
 * line exclusive only if nobody has fetched from it. The CPU's lock is held.
 */
export function dropFetched(m: MachineState, cpu: CpuState, slot: number): void {
  const { l1i } = cpu;
  const line = l1i.pa[slot];
  l1i.drop(slot);
  if (l1i.findPhysical(line, -1) < 0) m.clearPresence(m.fetchPresence, line, cpu.index);
}
