/** Cache maintenance in the model; the rules are listed in model.ts. */
import type { Platform } from '../../machine/platform.ts';
import type { Model, Operation } from './model.ts';
import { type Copy, isDirty, type ModelCache } from './model-cache.ts';
import type { ModelCpu } from './model-caches.ts';

export class ModelMaintenance {
  private readonly platform: Platform;
  private readonly model: Model;

  constructor(platform: Platform, model: Model) {
    this.platform = platform;
    this.model = model;
  }

  /** @param reach 'unification' stops at the L1D, 'coherency' before an outer cache of its own controller */
  byAddress(cpu: ModelCpu, va: number, pa: number, operation: Operation, reach: string): void {
    const line = Math.floor(pa / this.platform.lineBytes);
    if (this.platform.maintenance.byAddress === 'broadcast') {
      for (const other of this.model.cpus)
        if (other !== cpu) this.inCpu(cpu, other, va, line, operation, reach);
    }
    this.inCpu(cpu, cpu, va, line, operation, reach);
    if (reach === 'unification') return;
    const { shared, outer } = this.model.memory;
    if (shared) this.behind(cpu, shared, shared.find(0, line, 0), operation);
    const reachesOuter = reach === 'memory' || this.platform.outer?.maintainedBy === 'address';
    if (outer && reachesOuter) this.behind(cpu, outer, outer.find(0, line, 0), operation);
  }

  private inCpu(
    cpu: ModelCpu,
    target: ModelCpu,
    va: number,
    line: number,
    operation: Operation,
    reach: string,
  ): void {
    const { l1d, l2 } = target;
    const isRemoteVirtual = target !== cpu && l1d.isVirtuallyTagged;
    const found = isRemoteVirtual ? l1d.copiesOf(line) : [l1d.find(va, line, cpu.asid)];
    for (const copy of found) if (copy) this.inL1(cpu, target, copy, operation);
    const below = reach === 'unification' ? undefined : l2?.find(0, line, 0);
    if (l2 && below) this.inL2(cpu, target, l2, below, operation);
  }

  private inL1(cpu: ModelCpu, target: ModelCpu, copy: Copy, { clean, invalidate }: Operation): void {
    const { memory } = this.model;
    const { l1d, l2 } = target;
    if (isDirty(copy)) {
      const below = l2?.find(0, copy.line, 0);
      if (!clean) {
        memory.discard(cpu.index, copy, [l2, memory.shared, memory.outer]);
      } else if (below) {
        below.words = copy.words.slice();
        below.versions = copy.versions.slice();
        below.state = 'M';
      } else memory.writeLine(target.index, copy.line, copy);
      copy.state = copy.state === 'M' ? 'E' : 'S';
    }
    if (!invalidate) return;
    l1d.drop(copy);
    this.model.lost(target, copy.line);
  }

  private inL2(
    cpu: ModelCpu,
    target: ModelCpu,
    l2: ModelCache,
    copy: Copy,
    { clean, invalidate }: Operation,
  ): void {
    const { memory } = this.model;
    if (clean) this.model.mergeFromL1(target, copy);
    if (isDirty(copy)) {
      if (clean) memory.writeLine(target.index, copy.line, copy);
      else memory.discard(cpu.index, copy, [memory.shared, memory.outer]);
      copy.state = copy.state === 'M' ? 'E' : 'S';
    }
    if (!invalidate) return;
    for (const above of target.l1d.copiesOf(copy.line)) {
      if (isDirty(above)) memory.discard(cpu.index, above, [l2, memory.shared, memory.outer]);
      target.l1d.drop(above);
    }
    l2.drop(copy);
    this.model.lost(target, copy.line);
  }

  private behind(
    cpu: ModelCpu,
    level: ModelCache,
    copy: Copy | undefined,
    { clean, invalidate }: Operation,
  ): void {
    if (!copy) return;
    const { memory } = this.model;
    if (isDirty(copy)) {
      if (clean) memory.pushDown(cpu.index, level, copy);
      else memory.discard(cpu.index, copy, level === memory.shared ? [memory.outer] : []);
      copy.state = 'S';
    }
    if (invalidate) level.drop(copy);
  }

  bySetWay(cpu: ModelCpu, level: string, set: number, way: number, operation: Operation): void {
    const { shared } = this.model.memory;
    if (level === 'shared') {
      if (shared && this.platform.maintenance.setWayReachesShared) {
        this.behind(cpu, shared, shared.at({ set, way }), operation);
      }
      return;
    }
    const cache = level === 'l1d' ? cpu.l1d : cpu.l2;
    const copy = cache?.at({ set, way });
    if (!cache || !copy) return;
    if (level === 'l1d') this.inL1(cpu, cpu, copy, operation);
    else this.inL2(cpu, cpu, cache, copy, operation);
  }

  /** An eviction that the hardware makes by itself: slots of the L1D first, then of the L2. */
  evict(cpu: ModelCpu, slot: number): void {
    const { l1d, l2 } = cpu;
    if (slot < l1d.slots) {
      const copy = l1d.atSlot(slot);
      if (copy) this.model.evictL1(cpu, copy);
    } else if (l2) {
      const copy = l2.atSlot(slot - l1d.slots);
      if (copy) this.model.evictL2(cpu, l2, copy);
    }
  }
}
