/**
 * Cache maintenance as instructions of a CPU: by virtual address through its MMU, by physical address through
 * the kernel's linear mapping, by set and way, of the outer cache through its controller, and of instruction
 * caches. Each acts on what this CPU's earlier stores have left: it drains the write buffer first, and is then
 * one step a line. Times come from the platform: maintenanceLineCycles, setWayLineCycles, outerLineCycles.
 */
import type { LineOperation, SetWayLevel } from './cache-maintenance.ts';
import { CpuLinear } from './cpu-linear.ts';
import type { Reach } from './memory-side.ts';
import { CTL } from './registers.ts';
import { STEP, type Steps } from './steps.ts';

export class CpuMaintenance extends CpuLinear {
  /**
   * One line by virtual address. The address is translated as a load's is, so it must be mapped readable, no
   * more; where nothing is mapped, `maintenance.unmapped` decides: a fault that the kernel may repair, nothing
   * at all, or, with virtual tags, no translation in any case: the line is found by its tag and this CPU's ASID,
   * and levels below by the physical address that the line carries.
   * @throws SegmentationFault where nothing is mapped and the platform raises a fault for it
   */
  *maintainVirtual(va: number, operation: LineOperation, reach: Reach): Steps {
    const { machine, hw } = this;
    yield* this.drainAll();
    if (hw.l1d.virtualTag && machine.platform.maintenance.unmapped === 'tags') {
      yield STEP;
      machine.caches.byTagStep(hw, va, operation, reach);
      return;
    }
    yield* this.translated(va, (pa) => machine.caches.byAddressStep(hw, va, pa, operation, reach));
  }

  /**
   * One line by physical address, through the kernel's linear mapping: a virtually indexed cache is looked at
   * in the linear mapping's own set, so an alias of another colour is missed.
   * @param va where the kernel has mapped it instead, for the purpose
   */
  *maintainPhysical(pa: number, operation: LineOperation, reach: Reach, va = pa): Steps {
    yield* this.drainAll();
    yield STEP;
    this.machine.caches.byAddressStep(this.hw, va, pa, operation, reach);
  }

  /**
   * Whatever line sits in a set and way of this CPU's own caches, or of the shared L2 where it is reached.
   * @throws Error on a platform that has no such operations (`maintenance.setWay`)
   */
  *maintainSetWay(level: SetWayLevel, set: number, way: number, operation: LineOperation): Steps {
    const { name, maintenance } = this.machine.platform;
    if (maintenance.setWay === false) throw new Error(`${name}: there are no operations by set and way`);
    yield* this.drainAll();
    yield STEP;
    this.machine.caches.bySetWayStep(this.hw, level, set, way, operation);
  }

  /**
   * One line of the outer cache by physical address, through the registers of its controller; caches above are
   * not touched. Does nothing on a platform without one. Arm, "CoreLink Level 2 Cache Controller L2C-310 Technical
   * Reference Manual", cache maintenance operations by PA.
   */
  *maintainOuter(pa: number, operation: LineOperation): Steps {
    yield* this.drainAll();
    yield STEP;
    this.machine.caches.outerStep(this.hw, pa, operation);
  }

  /**
   * One line of the instruction caches by virtual address; where nothing is mapped as `maintainVirtual`.
   * @throws SegmentationFault where nothing is mapped and the platform raises a fault for it
   */
  *invalidateFetch(va: number): Steps {
    const { machine, hw } = this;
    yield* this.drainAll();
    if (hw.l1i.virtualTag && machine.platform.maintenance.unmapped === 'tags') {
      yield STEP;
      machine.caches.fetchByAddressStep(hw, va, 0);
      return;
    }
    yield* this.translated(va, (pa) => machine.caches.fetchByAddressStep(hw, va, pa));
  }

  /**
   * One line of the instruction caches by its address in the kernel's linear mapping: in a cache of several
   * colours only the copy of the linear mapping's own colour is found.
   */
  *invalidateFetchPhysical(pa: number): Steps {
    yield* this.drainAll();
    yield STEP;
    this.machine.caches.fetchByAddressStep(this.hw, pa, pa);
  }

  /** All of the instruction caches: this CPU's, or every CPU's where that is broadcast. */
  *invalidateFetchAll(): Steps {
    yield* this.drainAll();
    yield STEP;
    this.machine.caches.fetchAllStep(this.hw);
  }

  /** Translates an address for reading and does `body` in the same step; not at all where that is ignored. */
  private *translated(va: number, body: (pa: number) => void): Steps {
    const { machine, hw } = this;
    const { state, translation, platform } = machine;
    let epoch = this.epochNow();
    for (;;) {
      yield STEP;
      state.lockCpu(hw);
      hw.ctl[CTL.ACCESS_EPOCH] = epoch;
      const pa = translation.lookup(hw, va, false, false, false);
      if (pa >= 0) {
        translation.judge(hw, va, false, false);
        // A broadcast invalidate of the translation is complete only when its use is.
        hw.ctl[CTL.IN_ACCESS] = 1;
        state.unlockCpu(hw);
        body(pa);
        state.lockCpu(hw);
        hw.ctl[CTL.IN_ACCESS] = 0;
        machine.tlb.complete(hw);
        state.unlockCpu(hw);
        return;
      }
      state.unlockCpu(hw);
      if (platform.maintenance.unmapped === 'ignored') {
        const kind = yield* this.refill(va, pa, false, false);
        if (kind === 'translation') return;
        if (kind === undefined) continue;
      }
      if (yield* this.resolve(va, pa, false, false)) epoch = this.epochNow();
    }
  }
}
