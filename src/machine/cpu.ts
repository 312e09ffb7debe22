/**
 * A CPU as programs see it: its accesses, barriers, maintenance, interrupts and waits. Every primitive
 * yields before each step it takes, so that anything may happen on another CPU in between. What is yielded
 * tells the host whether the CPU can go on at once or waits for something.
 */
import { ATTRIBUTE_DEVICE, PTE } from './attributes.ts';
import { CpuGuest } from './cpu-guest.ts';
import { CONTEXT_ASID, CONTEXT_BASE, EVENT } from './events.ts';
import type { AccessVectors } from './faults.ts';
import { discardFetched, findFetched, keepFetched } from './fetched.ts';
import { COUNT, CTL, GLOBAL, RUN_BARRIER, RUN_IDLE, RUN_RUNNING, RUN_WATCH, TIME } from './registers.ts';
import { BLOCK, STEP, type Steps } from './steps.ts';
import { TLBI_ALL, TLBI_VA } from './tlb.ts';
import { MISS, VIRTUAL_COHERENCY } from './translation.ts';
import { walkWhole } from './whole-walk.ts';

export {
  type CoherencyFault,
  type Fault,
  type GuestEntry,
  type GuestRegisters,
  type GuestTraps,
  SegmentationFault,
  type Stage2Fault,
  type Trap,
} from './faults.ts';
export type { MemoryTypes } from './memory-types.ts';
export { BLOCK, noSteps, STEP, type Steps } from './steps.ts';

/** Kernel entry points of a CPU. */
export type Vectors = AccessVectors<Cpu>;

export interface WaitOptions {
  /** In words, for deadlock reports: "the acknowledgement of CPU 1". */
  readonly why: string;
  /** The CPU whose program alone can end the wait, if that is known. */
  readonly from?: number;
  /** The CPU an interrupt handler of which alone can end the wait: while it takes interrupts, any CPU may make it. */
  readonly handler?: number;
  /** Index into `MachineState.holders`: whoever is named there alone can end the wait. */
  readonly holder?: number;
  /** Read past the caches (memory that the kernel keeps uncached). */
  readonly uncached?: boolean;
}
export class Cpu extends CpuGuest {
  /** What this CPU waits for, in words; valid while it is blocked. */
  waitingFor = '';

  /**
   * Waits until the word at a physical address satisfies `until`: blocked, not spinning, and open to
   * interrupts. Time spent waiting is that of the store that ended it, whatever the host's polls.
   * @returns the value that satisfied it
   */
  *waitUntil(pa: number, until: (value: number) => boolean, options: WaitOptions): Steps<number> {
    const { machine, hw } = this;
    const { ctl } = hw;
    const began = hw.clock;
    for (;;) {
      yield* this.drainAll();
      yield STEP;
      Atomics.store(ctl, CTL.WATCH_HIT, 0);
      Atomics.store(ctl, CTL.WATCH, (pa >>> machine.state.lineShift) + 1);
      Atomics.add(machine.state.global, GLOBAL.WATCHERS, 1);
      machine.state.events?.push(EVENT.WATCH, this.index, pa, 0, 0);
      const value = this.physicalLoadStep(pa, 4, options.uncached === true);
      let waited = false;
      if (value === VIRTUAL_COHERENCY) {
        waited = true;
        yield* this.coherencyException(pa, false, false);
      } else if (!until(value)) {
        waited = true;
        this.waitingFor = options.why;
        const { from, handler } = options;
        ctl[CTL.WAITS_FOR] = handler === undefined ? (from ?? -1) + 1 : -(handler + 1);
        ctl[CTL.WAITS_FOR_HOLDER] = (options.holder ?? -1) + 1;
        Atomics.store(ctl, CTL.RUN, RUN_WATCH);
        yield BLOCK;
        Atomics.store(ctl, CTL.RUN, RUN_RUNNING);
        if (Atomics.load(ctl, CTL.WATCH_HIT) !== 0) hw.mergeClock(hw.time[TIME.EVENT]);
      }
      Atomics.sub(machine.state.global, GLOBAL.WATCHERS, 1);
      Atomics.store(ctl, CTL.WATCH, 0);
      if (!waited) {
        hw.counters[COUNT.waitCycles] += hw.clock - began;
        return value;
      }
    }
  }

  /** Memory barrier: older stores are performed before anything younger. */
  *dmb(): Steps {
    yield* this.drainAll();
    yield STEP;
    this.hw.charge(this.machine.platform.costs.dmbCycles);
  }

  /** Completion barrier: older stores are performed and this CPU's broadcast invalidates are complete. */
  *dsb(): Steps {
    const { machine, hw } = this;
    if (machine.state.mutation !== 'barrier-skips-buffer') yield* this.drainAll();
    yield STEP;
    hw.charge(machine.platform.costs.dsbCycles);
    if (machine.state.mutation === 'dsb-ignores-broadcast') return;
    const began = hw.clock;
    machine.state.events?.push(EVENT.BARRIER, this.index, hw.ctl[CTL.OUTSTANDING], 0, 0);
    while (Atomics.load(hw.ctl, CTL.OUTSTANDING) > 0) {
      this.waitingFor = 'the completion of its broadcast TLB invalidates';
      hw.ctl[CTL.WAITS_FOR] = 0;
      hw.ctl[CTL.WAITS_FOR_HOLDER] = 0;
      Atomics.store(hw.ctl, CTL.RUN, RUN_BARRIER);
      yield BLOCK;
      Atomics.store(hw.ctl, CTL.RUN, RUN_RUNNING);
      machine.state.events?.push(EVENT.BARRIER, this.index, hw.ctl[CTL.OUTSTANDING], 0, 0);
    }
    hw.mergeClock(hw.time[TIME.COMPLETED]);
    hw.counters[COUNT.waitCycles] += hw.clock - began;
  }

  /** Context synchronization. */
  *isb(): Steps {
    yield STEP;
    this.hw.charge(this.machine.platform.costs.isbCycles);
    discardFetched(this.hw);
  }

  /**
   * Fetches an instruction word that will run later, or never: one step, its table walk included. `fetch` of the
   * same address runs it, however often, until a context synchronization discards it. Nothing happens if the
   * address does not translate, or on a platform that does not fetch ahead.
   */
  *fetchAhead(va: number): Steps {
    const { machine, hw } = this;
    yield STEP;
    if (hw.fetched.length === 0 || findFetched(hw, va) >= 0) return;
    const { translation, state } = machine;
    state.lockCpu(hw);
    let pa = translation.lookup(hw, va, false, true);
    if (pa === MISS && machine.platform.mmu.refill === 'hardware' && hw.ctl[CTL.WALK_ACTIVE] === 0) {
      state.unlockCpu(hw);
      walkWhole(state, translation, machine.guests, hw, va, true);
      state.lockCpu(hw);
      pa = translation.lookup(hw, va, false, true);
    }
    if (pa >= 0 && translation.attributes !== ATTRIBUTE_DEVICE) {
      const word = machine.fetchPort.fetch(hw, va, pa, translation.attributes, true);
      keepFetched(hw, va, pa, word, machine.fetchPort.version);
      state.events?.push(EVENT.LOAD, hw.index, pa, word, va);
      state.events?.push(EVENT.READ_PAST, hw.index, pa, 0, 0);
    }
    state.unlockCpu(hw);
  }

  /** Sleeps until an interrupt is pending, masked or not. */
  *wfi(): Steps {
    yield* this.drainAll();
    yield STEP;
    this.waitingFor = 'an interrupt';
    this.hw.ctl[CTL.WAITS_FOR] = 0;
    this.hw.ctl[CTL.WAITS_FOR_HOLDER] = 0;
    Atomics.store(this.hw.ctl, CTL.RUN, RUN_IDLE);
    yield BLOCK;
    Atomics.store(this.hw.ctl, CTL.RUN, RUN_RUNNING);
    this.machine.state.events?.push(EVENT.OPEN, this.index, 0, 0, 0);
    // An interrupt that is masked has no handler that would bring the time along.
    this.machine.interrupts.wakeStep(this.hw);
  }

  /** Work that touches no memory, in units of the platform's instructionCycles. */
  *compute(units: number): Steps {
    yield STEP;
    this.hw.charge(units * this.machine.platform.costs.instructionCycles);
  }

  /**
   * Invalidates this CPU's TLBs; in a guest what they have of its VMID.
   * @param kind one of TLBI_*; those for guests are the host's
   * @param va first page; of TLBI_IPA an intermediate address
   * @param asid of the host's kinds for guests: the VMID
   * @throws Error for a kind that the platform does not have, or a guest
   */
  *tlbiLocal(kind: number, va: number, pages: number, asid: number): Steps {
    yield STEP;
    const { kind: acts, tag } = this.invalidateOf(kind, asid, false);
    this.machine.tlb.localStep(this.hw, acts, va, pages, tag);
  }

  /**
   * Invalidates every CPU's TLBs by hardware broadcast; complete only after `dsb`.
   * @param targets CPUs that alone it is sent to besides this one, where the platform can do that; default: all
   * @throws Error if it names targets and the platform cannot
   */
  *tlbiBroadcast(kind: number, va: number, pages: number, asid: number, targets?: readonly number[]): Steps {
    if (targets !== undefined && this.machine.platform.broadcast?.targeted !== true) {
      throw new Error(`${this.machine.platform.name}: a broadcast goes to all CPUs`);
    }
    yield STEP;
    const { kind: acts, tag } = this.invalidateOf(kind, asid, true);
    this.machine.tlb.broadcastStep(this.hw, acts, va, pages, tag, targets ?? null);
  }

  /**
   * Software refill: reads the table entry at `ptePa` and writes it into the TLB.
   * @returns false if the entry does not permit the access at all
   */
  *refillFrom(ptePa: number, va: number, fetch: boolean, uncached: boolean): Steps<boolean> {
    const { machine, hw } = this;
    for (;;) {
      yield* this.drainAll();
      yield STEP;
      machine.state.lockCpu(hw);
      if (!this.isAliased(ptePa, uncached)) break;
      machine.state.unlockCpu(hw);
      yield* this.coherencyException(ptePa, false, false);
    }
    const pte = machine.port.load(hw, ptePa, ptePa, 4, uncached ? 1 : 0);
    const valid = (pte & PTE.VALID) !== 0 && machine.translation.frameExists(pte, 0);
    if (valid) {
      const pteVersion = machine.state.shadow ? machine.port.versionAt(hw, ptePa, uncached) : 0;
      machine.translation.fill(hw, va, 0, { pte, ptePa, pteVersion }, fetch);
    }
    machine.state.unlockCpu(hw);
    return valid;
  }

  /** Switches to an address space: one step, or two where table base and ASID are two registers. */
  *setContext(rootPa: number, asid: number): Steps {
    const { hw, machine } = this;
    this.mustBeHost('setContext', 'guestContext');
    yield* this.drainAll();
    yield STEP;
    hw.charge(machine.platform.costs.contextSwitchCycles);
    machine.state.events?.push(EVENT.CONTEXT, this.index, rootPa, asid, 0);
    hw.ctl[CTL.ASID] = asid;
    hw.ctl[CTL.TLB_CHANGES]++;
    // A walk that an interrupt handler has come into would fill the TLB from the old tables.
    hw.ctl[CTL.WALK_CANCELLED] = 1;
    if (machine.platform.mmu.splitContextSwitch) {
      yield STEP;
      machine.state.events?.push(EVENT.CONTEXT, this.index, rootPa, asid, 1);
    }
    discardFetched(hw);
    hw.ctl[CTL.ROOT] = rootPa;
    hw.ctl[CTL.MMU_ON] = 1;
    hw.ctl[CTL.TLB_CHANGES]++;
  }

  /**
   * Writes the ASID register alone: translations made from now on carry it, whatever table base is there. Half
   * of the cost of a context switch.
   */
  *writeAsid(asid: number): Steps {
    this.mustBeHost('writeAsid', 'guestContext');
    yield* this.drainAll();
    yield STEP;
    this.hw.ctl[CTL.ASID] = asid;
    this.contextWritten(CONTEXT_ASID);
  }

  /** Writes the table base alone: walks that begin from now on go through it, whatever the ASID. Costs as `writeAsid`. */
  *writeTableBase(rootPa: number): Steps {
    this.mustBeHost('writeTableBase', 'guestContext');
    yield* this.drainAll();
    yield STEP;
    this.hw.ctl[CTL.ROOT] = rootPa;
    this.hw.ctl[CTL.MMU_ON] = 1;
    this.contextWritten(CONTEXT_BASE);
  }

  /**
   * Says whether other CPUs that say so too may use this CPU's TLB entries, and it theirs: a bit of the table base
   * register. @throws Error on a platform that has no such bit
   */
  *setCommon(isCommon: boolean): Steps {
    const { hw, machine } = this;
    if (machine.platform.mmu.tlb.commonNotPrivate !== true) {
      throw new Error(`${machine.platform.name}: TLB entries are always private`);
    }
    yield* this.drainAll();
    yield STEP;
    hw.ctl[CTL.COMMON] = isCommon ? 1 : 0;
    this.contextWritten(CONTEXT_BASE);
  }

  private contextWritten(which: number): void {
    const { hw, machine } = this;
    hw.charge(machine.platform.costs.contextSwitchCycles / 2);
    machine.state.events?.push(EVENT.CONTEXT, this.index, hw.ctl[CTL.ROOT], hw.ctl[CTL.ASID], which);
    // As in `setContext`: a walk under way would mix the old with the new.
    hw.ctl[CTL.WALK_CANCELLED] = 1;
    hw.ctl[CTL.TLB_CHANGES]++;
    discardFetched(hw);
  }

  /** Turns caches on or off: off means bypassed, what they hold stays. */
  *setCaches(on: boolean): Steps {
    this.mustBeHost('setCaches', 'guestControl');
    yield* this.drainAll();
    yield STEP;
    this.machine.state.events?.push(EVENT.CACHES, this.index, on ? 1 : 0, 0, 0);
    this.hw.ctl[CTL.CACHE_ON] = on ? 1 : 0;
    // Bulk runs remember pages that they may hit in the cache.
    this.hw.ctl[CTL.TLB_CHANGES]++;
  }

  *sendIpi(target: number, vector: number): Steps {
    yield STEP;
    this.machine.interrupts.sendStep(this.hw, this.machine.state.cpus[target], vector);
  }

  /** Gives a device the table for its addresses: a register of the IOMMU. Its TLB keeps what it has. */
  *attachDevice(device: number, rootPa: number): Steps {
    yield STEP;
    const { devices, state } = this.machine;
    devices.attachStep(this.hw, state.devices[device], rootPa);
  }

  /**
   * Invalidates in the TLB of a device: a register of the IOMMU. Complete when it returns; it does not wait for
   * this CPU's buffered stores.
   * @param device its number, from 0
   * @param ioAddress in the first page; undefined: everything
   */
  *invalidateIoTlb(device: number, ioAddress?: number, pages = 1): Steps {
    yield STEP;
    const { tlb, state } = this.machine;
    const kind = ioAddress === undefined ? TLBI_ALL : TLBI_VA;
    tlb.deviceStep(this.hw, state.devices[device], kind, ioAddress ?? 0, pages);
  }

  /** Masks interrupts; nests. */
  maskInterrupts(): void {
    this.hw.ctl[CTL.IRQ_MASKED]++;
  }

  unmaskInterrupts(): void {
    this.hw.ctl[CTL.IRQ_MASKED]--;
  }
}
