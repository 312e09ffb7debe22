/**
 * The accesses of a CPU as programs make them: loads, stores and atomics by virtual address, with the walk
 * or the fault that they may need first, and by physical address through the kernel's linear mapping.
 */
import type { CpuState } from './cpu-state.ts';
import type { Modify } from './data-port.ts';
import { EVENT } from './events.ts';
import type { Machine } from './machine.ts';
import type { Reach } from './memory-side.ts';
import { operation } from './operations.ts';
import { COUNT, CTL, TIME } from './registers.ts';
import { STEP, type Steps } from './steps.ts';
import { NOT_BUFFERED, PARTLY_BUFFERED } from './store-buffer.ts';
import { CLEAN, CONFLICT, type FaultKind, FORBIDDEN, MISS } from './translation.ts';
import { pageWalk } from './walker.ts';

/** A load must wait until older stores have drained, or a store until there is room. */
const DRAIN_FIRST = -10;

export interface Fault {
  readonly va: number;
  readonly write: boolean;
  readonly fetch: boolean;
  readonly kind: FaultKind;
}

/** Kernel entry points of a CPU. */
export interface AccessVectors<C> {
  /** Repairs a fault; false: the access is illegal and the program gets a SegmentationFault. */
  fault(cpu: C, fault: Fault): Steps<boolean>;
  interrupt(cpu: C, vector: number): Steps;
  /** Software refill of the TLB (platforms whose mmu.refill is software). */
  refill(cpu: C, fault: Fault): Steps<boolean>;
}

/** Thrown into a program whose access the kernel does not repair. */
export class SegmentationFault extends Error {
  readonly fault: Fault;

  constructor(cpu: number, fault: Fault) {
    const access = fault.fetch ? 'fetch' : fault.write ? 'store' : 'load';
    super(`CPU ${cpu}: ${fault.kind} fault on a ${access} at 0x${fault.va.toString(16)}`);
    this.name = 'SegmentationFault';
    this.fault = fault;
  }

  /** Programs catch these all the time: recording where in the simulator it was thrown would cost more than the fault. */
  static make(cpu: number, fault: Fault): SegmentationFault {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    const error = new SegmentationFault(cpu, fault);
    Error.stackTraceLimit = limit;
    return error;
  }
}

export class CpuAccess {
  readonly machine: Machine;
  readonly hw: CpuState;
  readonly index: number;
  vectors: AccessVectors<CpuAccess> | null = null;
  private readonly buffered: boolean;
  private readonly dirtyBySoftware: boolean;

  constructor(machine: Machine, index: number) {
    this.machine = machine;
    this.index = index;
    this.hw = machine.state.cpus[index];
    this.buffered = machine.stores.capacity > 0;
    this.dirtyBySoftware = machine.platform.mmu.accessedDirty === 'software';
  }

  private readonly epochNow = () => {
    const { state } = this.machine;
    state.events?.push(EVENT.BEGIN, this.index, 0, 0, 0);
    return state.epoch;
  };
  private readonly tryLoad = (va: number, sizeBytes: number, _: number, epoch: number) =>
    this.loadStep(va, sizeBytes, epoch, false);
  private readonly tryStore = (va: number, value: number, sizeBytes: number, epoch: number) =>
    this.storeStep(va, value, sizeBytes, epoch);
  private readonly tryLoadPhysical = (pa: number, sizeBytes: number, uncached: number) =>
    this.physicalLoadStep(pa, sizeBytes, uncached === 1);
  private readonly tryStorePhysical = (pa: number, value: number, sizeAndKind: number) =>
    this.physicalStoreStep(pa, value, sizeAndKind >> 1, sizeAndKind & 1);
  private readonly resolveLoad = (va: number, code: number) => this.resolve(va, code, false, false);
  private readonly resolveStore = (va: number, code: number) => this.resolve(va, code, true, false);
  private readonly makeRoom = (_: number, code: number) => this.resolve(0, code, false, false);

  /** Simulated time of this CPU, cycles. */
  get clock(): number {
    return this.hw.clock;
  }

  /**
   * Loads by virtual address.
   * @param sizeBytes 1, 2, 4 or 8; `va` must be a multiple of it. 8-byte values keep 53 bits
   * @throws SegmentationFault
   */
  load(va: number, sizeBytes = 4): Steps<number> {
    return operation(va, sizeBytes, 0, this.tryLoad, this.resolveLoad, this.epochNow);
  }

  /** Fetches an instruction word by virtual address. @throws SegmentationFault */
  *fetch(va: number): Steps<number> {
    let epoch = this.epochNow();
    for (;;) {
      yield STEP;
      const got = this.loadStep(va, 4, epoch, true);
      if (got >= 0) return got;
      if (yield* this.resolve(va, got, false, true)) epoch = this.epochNow();
    }
  }

  /** Stores by virtual address; arguments as `load`. @throws SegmentationFault */
  store(va: number, value: number, sizeBytes = 4): Steps<number> {
    return operation(va, value, sizeBytes, this.tryStore, this.resolveStore, this.epochNow);
  }

  /**
   * Atomic read-modify-write of the 32-bit word at a virtual address, also a full barrier.
   * @returns the old value
   * @throws SegmentationFault
   */
  *modify(va: number, change: Modify, exclusive = false): Steps<number> {
    let epoch = this.epochNow();
    for (;;) {
      yield* this.drainAll();
      yield STEP;
      const got = this.modifyStep(va, change, epoch, exclusive);
      if (got >= 0) return got;
      if (yield* this.resolve(va, got, true, false)) epoch = this.epochNow();
    }
  }

  /** Atomic compare-and-exchange. Returns the old value: equal to `expected` if it was done. */
  compareExchange(va: number, expected: number, desired: number): Steps<number> {
    return this.modify(va, (old) => (old === expected >>> 0 ? desired : undefined));
  }

  /** Atomic fetch-and-add. Returns the old value. */
  fetchAdd(va: number, addend: number): Steps<number> {
    return this.modify(va, (old) => (old + addend) >>> 0);
  }

  /** Load-exclusive of a word: loads it and arms this CPU's monitor for its line. */
  *loadExclusive(va: number): Steps<number> {
    let epoch = this.epochNow();
    for (;;) {
      yield* this.drainAll();
      yield STEP;
      const got = this.loadStep(va, 4, epoch, false, true);
      if (got >= 0) return got;
      if (yield* this.resolve(va, got, false, false)) epoch = this.epochNow();
    }
  }

  /** Store-exclusive of a word. @returns true if it stored: nobody wrote the line since the load-exclusive */
  *storeExclusive(va: number, value: number): Steps<boolean> {
    const { hw } = this;
    let stored = false;
    const change = () => {
      stored = hw.ctl[CTL.MONITOR] !== 0;
      hw.ctl[CTL.MONITOR] = 0;
      return stored ? value : undefined;
    };
    yield* this.modify(va, change, true);
    return stored;
  }

  /** Many word accesses as one program: see BulkPort for the form of the trace. @throws SegmentationFault */
  *touch(trace: Uint32Array, from = 0, to = trace.length, perStep = 1024): Steps {
    const { machine, hw } = this;
    yield* this.drainAll();
    for (let at = from; at < to; ) {
      yield STEP;
      at = machine.bulk.run(hw, trace, at, Math.min(to, at + perStep));
      const code = machine.bulk.stopped;
      if (code < 0) yield* this.resolve(trace[at] & ~3, code, (trace[at] & 1) === 1, false);
    }
  }

  /** Loads by physical address through the kernel's linear mapping. */
  loadPhysical(pa: number, sizeBytes = 4, uncached = false): Steps<number> {
    return operation(pa, sizeBytes, uncached ? 1 : 0, this.tryLoadPhysical, this.makeRoom, this.epochNow);
  }

  /** Stores by physical address through the kernel's linear mapping. */
  storePhysical(pa: number, value: number, sizeBytes = 4, uncached = false): Steps<number> {
    const sizeAndKind = sizeBytes * 2 + (uncached ? 1 : 0);
    return operation(pa, value, sizeAndKind, this.tryStorePhysical, this.makeRoom, this.epochNow);
  }

  /** Fills physical memory with a word, a line a step, through the kernel's linear mapping. */
  *fillPhysical(pa: number, sizeBytes: number, word: number, uncached = false): Steps {
    const { machine, hw } = this;
    yield* this.drainAll();
    const { lineBytes } = machine.platform;
    for (let line = pa; line < pa + sizeBytes; line += lineBytes) {
      yield STEP;
      machine.state.lockCpu(hw);
      for (let at = line; at < line + lineBytes; at += 4) {
        machine.port.store(hw, at, at, 4, word | 0, 0, uncached ? 1 : 0);
      }
      machine.state.unlockCpu(hw);
    }
  }

  /** Cleans the line of a physical address, through the kernel's linear mapping, down to `reach`. */
  *cleanPhysical(pa: number, reach: Reach): Steps {
    yield* this.drainAll();
    yield STEP;
    this.machine.caches.byAddressStep(this.hw, pa, pa, { clean: true, invalidate: false }, reach);
  }

  /** Atomic read-modify-write of a word by physical address, also a full barrier. Returns the old value. */
  *modifyPhysical(pa: number, change: Modify, uncached = false): Steps<number> {
    const { machine, hw } = this;
    yield* this.drainAll();
    yield STEP;
    machine.state.lockCpu(hw);
    hw.count(COUNT.atomics);
    const old = machine.port.modify(hw, pa, pa, uncached ? 1 : 0, change);
    machine.state.unlockCpu(hw);
    return old;
  }

  /** Drains the write buffer, a step a store. */
  *drainAll(): Steps {
    const { ctl } = this.hw;
    while (this.hw.buffered > 0) {
      ctl[CTL.DRAINING] = 1;
      yield STEP;
      ctl[CTL.DRAINING] = 0;
      this.drainStep();
      this.machine.state.events?.push(EVENT.DRAINED, this.index, ctl[CTL.STORES_IN] - 1, 0, 0);
    }
    this.hw.mergeClock(this.hw.time[TIME.DRAINED]);
  }

  /** Drains the oldest buffered store, if there is one, and waits for it. */
  drainStep(): void {
    const { machine, hw } = this;
    machine.state.lockCpu(hw);
    if (hw.buffered > 0) {
      machine.stores.drainOne(hw);
      hw.mergeClock(hw.time[TIME.DRAINED]);
    }
    machine.state.unlockCpu(hw);
  }

  private loadStep(va: number, sizeBytes: number, epoch: number, fetch: boolean, exclusive = false): number {
    const { machine, hw } = this;
    const { state, translation } = machine;
    state.lockCpu(hw);
    hw.ctl[CTL.ACCESS_EPOCH] = epoch;
    hw.ctl[CTL.LAST_VA] = va;
    let got = translation.lookup(hw, va, false, fetch);
    if (got >= 0) {
      const pa = got;
      const { attributes } = translation;
      // Armed before the value is read: a store in between opens the monitor again.
      if (exclusive) {
        hw.ctl[CTL.MONITOR] = (pa >>> state.lineShift) + 1;
        state.events?.push(EVENT.WATCH, hw.index, pa, 0, 0);
      }
      got = fetch ? NOT_BUFFERED : machine.stores.forward(hw, pa, sizeBytes);
      if (got === PARTLY_BUFFERED) got = DRAIN_FIRST;
      else {
        translation.judge(hw, va, false, fetch);
        if (got >= 0) hw.charge(machine.platform.costs.l1HitCycles);
        else if (fetch) got = machine.fetchPort.fetch(hw, va, pa, attributes);
        else got = machine.port.load(hw, va, pa, sizeBytes, attributes);
        hw.count(COUNT.loads);
        state.events?.push(EVENT.LOAD, hw.index, pa, got, va);
      }
    }
    state.unlockCpu(hw);
    return got;
  }

  private storeStep(va: number, value: number, sizeBytes: number, epoch: number): number {
    const { machine, hw } = this;
    const { state, translation } = machine;
    state.lockCpu(hw);
    hw.ctl[CTL.ACCESS_EPOCH] = epoch;
    hw.ctl[CTL.LAST_VA] = va;
    let code = translation.lookup(hw, va, true, false);
    if (code >= 0) {
      if (this.isFull()) code = DRAIN_FIRST;
      else {
        translation.judge(hw, va, true, false);
        hw.count(COUNT.stores);
        this.place(va, code, value, sizeBytes, translation.attributes);
      }
    }
    state.unlockCpu(hw);
    return code;
  }

  /** True if a store must wait for room in the write buffer. */
  private isFull(): boolean {
    const { hw, machine } = this;
    if (!this.buffered || hw.buffered < machine.stores.capacity) return false;
    machine.state.events?.push(EVENT.HELD, hw.index, hw.ctl[CTL.STORES_OUT], 0, 0);
    return true;
  }

  private place(va: number, pa: number, value: number, sizeBytes: number, attributes: number): void {
    const high = sizeBytes === 8 ? Math.floor(value / 0x1_0000_0000) : 0;
    if (this.buffered) this.machine.stores.push(this.hw, va, pa, sizeBytes, value | 0, high, attributes);
    else this.machine.port.store(this.hw, va, pa, sizeBytes, value | 0, high, attributes);
  }

  private modifyStep(va: number, change: Modify, epoch: number, exclusive: boolean): number {
    const { machine, hw } = this;
    const { state, translation } = machine;
    state.lockCpu(hw);
    hw.ctl[CTL.ACCESS_EPOCH] = epoch;
    hw.ctl[CTL.LAST_VA] = va;
    let got = translation.lookup(hw, va, true, false);
    if (got >= 0) {
      translation.judge(hw, va, true, false);
      hw.count(COUNT.atomics);
      // Whether it stores depends on any store to the line since its monitor was armed.
      if (exclusive) state.events?.push(EVENT.WATCH, hw.index, got, 0, 0);
      got = machine.port.modify(hw, va, got, translation.attributes, change);
    }
    state.unlockCpu(hw);
    return got;
  }

  protected physicalLoadStep(pa: number, sizeBytes: number, uncached: boolean): number {
    const { machine, hw } = this;
    machine.state.lockCpu(hw);
    let got = machine.stores.forward(hw, pa, sizeBytes);
    if (got === PARTLY_BUFFERED) got = DRAIN_FIRST;
    else if (got === NOT_BUFFERED) got = machine.port.load(hw, pa, pa, sizeBytes, uncached ? 1 : 0);
    hw.count(COUNT.loads);
    machine.state.events?.push(EVENT.LOAD, hw.index, pa, got, pa);
    machine.state.unlockCpu(hw);
    return got;
  }

  private physicalStoreStep(pa: number, value: number, sizeBytes: number, attributes: number): number {
    const { machine, hw } = this;
    if (this.isFull()) return DRAIN_FIRST;
    machine.state.lockCpu(hw);
    hw.count(COUNT.stores);
    this.place(pa, pa, value, sizeBytes, attributes);
    machine.state.unlockCpu(hw);
    return 0;
  }

  /** Does what an access needs before it can be tried again. Returns true if the kernel had to help. */
  private *resolve(va: number, code: number, write: boolean, fetch: boolean): Steps<boolean> {
    if (code === DRAIN_FIRST) {
      yield STEP;
      this.drainStep();
      return false;
    }
    let kind: FaultKind | undefined = 'permission';
    if (code === CONFLICT) kind = 'conflict';
    else if (code !== FORBIDDEN && !(code === CLEAN && this.dirtyBySoftware)) {
      const byHardware = this.machine.platform.mmu.refill === 'hardware';
      if (byHardware) kind = yield* pageWalk(this.machine, this.hw, va, write, fetch);
      else if (code === MISS && this.vectors) {
        this.hw.charge(this.machine.platform.costs.faultEntryCycles);
        const filled = yield* this.vectors.refill(this, { va, write, fetch, kind: 'translation' });
        this.hw.charge(this.machine.platform.costs.faultExitCycles);
        kind = filled ? undefined : 'translation';
      }
      if (kind === undefined) return false;
    }
    yield* this.fault({ va, write, fetch, kind });
    return true;
  }

  private *fault(fault: Fault): Steps {
    const { costs } = this.machine.platform;
    this.hw.count(COUNT.faults);
    yield STEP;
    this.hw.charge(costs.faultEntryCycles);
    const repaired = this.vectors ? yield* this.vectors.fault(this, fault) : false;
    this.hw.charge(costs.faultExitCycles);
    if (!repaired) throw SegmentationFault.make(this.index, fault);
  }
}
