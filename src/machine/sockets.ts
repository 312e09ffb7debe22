/**
 * Two-level topology: CPUs lie in sockets, and what crosses from one to another takes longer. CPU numbers fill one
 * socket after the other; memory is interleaved by page over the sockets that have a CPU of the run. A line that the
 * shared cache has is near if its home is, or a CPU of the same socket has a copy: each real socket has a cache of
 * its own, which holds what its CPUs have asked for.
 */
import type { CpuState } from './cpu-state.ts';
import { PAGE_SHIFT, type Platform } from './platform.ts';

export class Sockets {
  private readonly platform: Platform;
  private readonly spec: NonNullable<Platform['sockets']>;
  private readonly inUse: number;
  private readonly pageShift: number;
  /** What the snoops of the running transaction have found. */
  private nearCopy = false;
  private farCopy = false;
  private farDirty = false;

  /** @param processors CPUs of the run; devices count to the first socket */
  constructor(platform: Platform, spec: NonNullable<Platform['sockets']>, processors: number) {
    this.platform = platform;
    this.spec = spec;
    this.inUse = Math.ceil(processors / spec.cpusEach);
    this.pageShift = PAGE_SHIFT - (31 - Math.clz32(platform.lineBytes));
  }

  private socketOf(cpu: CpuState): number {
    const socket = Math.floor(cpu.index / this.spec.cpusEach);
    return socket < this.inUse ? socket : 0;
  }

  private homeOf(line: number): number {
    return (line >>> this.pageShift) % this.inUse;
  }

  private isFar(a: CpuState, b: CpuState): boolean {
    return this.socketOf(a) !== this.socketOf(b);
  }

  /** A transaction begins to snoop. */
  begin(): void {
    this.nearCopy = false;
    this.farCopy = false;
    this.farDirty = false;
  }

  /** A snoop of `target` for `cpu` has found a copy. */
  found(cpu: CpuState, target: CpuState, isDirty: boolean): void {
    if (!this.isFar(cpu, target)) this.nearCopy = true;
    else {
      this.farCopy = true;
      if (isDirty) this.farDirty = true;
    }
  }

  /** Cycles that a line takes longer, which a cache has given that had it dirty. */
  extraDirty(): number {
    return this.farDirty ? this.spec.cacheToCacheCycles - this.platform.costs.cacheToCacheCycles : 0;
  }

  /** The same of a line that came from behind the private caches. @param fromMemory no cache there had it */
  extraClean(cpu: CpuState, line: number, forWrite: boolean, fromMemory: boolean): number {
    const { costs } = this.platform;
    const isHome = this.homeOf(line) === this.socketOf(cpu);
    if (fromMemory) return isHome ? 0 : this.spec.memoryCycles - costs.memoryCycles;
    const isNear = (this.nearCopy || isHome) && !(forWrite && this.farCopy);
    return isNear ? 0 : this.spec.cacheToCacheCycles - costs.cacheToCacheCycles;
  }

  /** The same of a line that becomes exclusive. */
  extraUpgrade(): number {
    return this.farCopy ? this.spec.upgradeCycles - this.platform.costs.upgradeCycles : 0;
  }

  /** Cycles from sending an IPI until the target can take it. */
  ipiLatencyCycles(from: CpuState, to: CpuState): number {
    return this.isFar(from, to) ? this.spec.ipiLatencyCycles : this.platform.costs.ipiLatencyCycles;
  }

  /** Cycles of a broadcast from the interconnect to a target, and of the answer back. */
  broadcastLatencyCycles(from: CpuState, to: CpuState): number {
    return this.isFar(from, to)
      ? this.spec.broadcastLatencyCycles
      : this.platform.costs.broadcastLatencyCycles;
  }
}
