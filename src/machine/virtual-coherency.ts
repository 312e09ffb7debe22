/**
 * Virtual coherency exceptions of the R4000SC: an access that misses the primary cache and hits the secondary,
 * which remembers another virtual index for the line, does not perform. By then the primary has been refilled
 * at the new index ("When a cache miss occurs, the processor refills the primary cache line at the present
 * virtual index before taking an exception", MIPS R4000 Microprocessor User's Manual, "Virtual Coherency
 * Exception"): its victim is safe in the secondary, and what sits there now may be older than a dirty copy at
 * the old index.
 */
import { ATTRIBUTE_NORMAL } from './attributes.ts';
import { SHARED } from './cache.ts';
import type { Coherence } from './coherence.ts';
import type { CpuState } from './cpu-state.ts';
import { EVENT } from './events.ts';
import { dropFetched } from './fetch-port.ts';
import { IndexedCache } from './indexed-cache.ts';
import { COUNT, CTL } from './registers.ts';
import type { MachineState } from './state.ts';

export class VirtualCoherency {
  /** Physical address of the last access that raised an exception. */
  pa = 0;

  private readonly m: MachineState;
  private readonly coherence: Coherence;
  private readonly secondaries: readonly IndexedCache[];

  /** @throws Error for a platform on which some access could not take the exception */
  constructor(state: MachineState, coherence: Coherence) {
    this.m = state;
    this.coherence = coherence;
    const { l1d, l1i, mmu, name } = state.platform;
    const refuse = (why: string): never => {
      throw new Error(`${name}: l2.primaryIndex ${why}`);
    };
    if (l1d.organisation === 'vivt' || l1i.organisation === 'vivt') {
      refuse('needs physical tags in the primary caches: use vipt');
    }
    if (l1d.ways > 1) refuse('needs a direct-mapped L1D, as its handler works by index: set l1d.ways to 1');
    if (mmu.refill === 'hardware' && mmu.walkerReads === 'l1') {
      refuse('and a walker that reads through the L1D: it could not take the exception');
    }
    if (l1i.fetchAhead) refuse('and l1i.fetchAhead: what is fetched ahead could not take the exception');
    this.secondaries = state.cpus.map((cpu) => {
      const { l1i: fetched, l2 } = cpu;
      if (!(l2 instanceof IndexedCache)) throw new Error(`${name}: the L2 has no primary index`);
      l2.left = (line, va) => {
        const slot = fetched.lookup(va, line, 0);
        if (slot >= 0) dropFetched(state, cpu, slot);
      };
      return l2;
    });
  }

  /** True if a cacheable access would raise the exception. */
  wouldRaise(cpu: CpuState, va: number, pa: number, fetch: boolean): boolean {
    const l2 = this.secondaries[cpu.index];
    const line = pa >>> this.m.lineShift;
    const below = l2.lookup(0, line, 0);
    if (below < 0 || !l2.isElsewhere(below, va)) return false;
    return (fetch ? cpu.l1i : cpu.l1d).lookup(va, line, 0) < 0;
  }

  /**
   * The part of an access before it performs: true if it raises the exception instead, with the primary
   * refilled. The CPU's lock is held.
   */
  raises(cpu: CpuState, va: number, pa: number, attributes: number, fetch: boolean): boolean {
    if (attributes !== ATTRIBUTE_NORMAL || cpu.ctl[CTL.CACHE_ON] === 0) return false;
    if (!this.wouldRaise(cpu, va, pa, fetch)) return false;
    const { m } = this;
    const l2 = this.secondaries[cpu.index];
    const line = pa >>> m.lineShift;
    m.events?.push(EVENT.COHERENCY, cpu.index, pa, va, 0);
    cpu.count(fetch ? COUNT.l1iMisses : COUNT.l1dMisses);
    cpu.count(COUNT.l2Hits);
    cpu.count(COUNT.coherencyExceptions);
    cpu.charge(m.platform.costs.l2HitCycles + m.platform.costs.coherencyExceptionCycles);
    const below = l2.lookup(0, line, 0);
    if (fetch) this.refillFetched(cpu, va, line, below);
    else this.coherence.fillFromL2(cpu, l2, below, va, line);
    this.pa = pa;
    return true;
  }

  private refillFetched(cpu: CpuState, va: number, line: number, below: number): void {
    const { m } = this;
    const { l1i } = cpu;
    const l2 = this.secondaries[cpu.index];
    const slot = l1i.victim(l1i.setOf(va, line));
    if (l1i.pa[slot] >= 0) dropFetched(m, cpu, slot);
    l1i.install(slot, va, line, 0, SHARED);
    for (let i = 0; i < m.wordsPerLine; i++) {
      l1i.data[slot * m.wordsPerLine + i] = l2.data[below * m.wordsPerLine + i];
      if (m.checked) l1i.version[slot * m.wordsPerLine + i] = l2.version[below * m.wordsPerLine + i];
    }
    m.setPresence(m.fetchPresence, line, cpu.index);
  }

  /**
   * Brings a line into the secondary before the instruction cache gets it from there: primaries are subsets.
   * Called with no lock held; returns with the line's home lock, and no other.
   */
  holdForFetch(cpu: CpuState, va: number, line: number): void {
    const { m } = this;
    for (;;) {
      const misses = cpu.counters[COUNT.l1dMisses];
      m.lockCpu(cpu);
      this.coherence.acquire(cpu, va, line, false, false);
      // It was no access to data.
      cpu.counters[COUNT.l1dMisses] = misses;
      m.unlockCpu(cpu);
      m.lockHome(line);
      if (this.secondaries[cpu.index].lookup(0, line, 0) >= 0) return;
      m.unlockHome(line);
    }
  }
}
