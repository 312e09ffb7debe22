/**
 * The accesses of a CPU as programs make them: loads, stores and atomics by virtual address, with the walk
 * or the fault that they may need first, and by physical address through the kernel's linear mapping.
 */
import type { CpuState } from './cpu-state.ts';
import type { Modify } from './data-port.ts';
import { EVENT } from './events.ts';
import { type AccessVectors, type Fault, SegmentationFault } from './faults.ts';
import { discardFetched, findFetched, runFetched } from './fetched.ts';
import type { Machine } from './machine.ts';
import { operation } from './operations.ts';
import { COUNT, CTL, TIME } from './registers.ts';
import { STEP, type Steps } from './steps.ts';
import { NOT_BUFFERED, PARTLY_BUFFERED } from './store-buffer.ts';
import { CLEAN, CONFLICT, type FaultKind, FORBIDDEN, MISS, VIRTUAL_COHERENCY } from './translation.ts';
import { pageWalk, walkAtOnce } from './walker.ts';

/** A load must wait until older stores have drained, or a store until there is room. */
const DRAIN_FIRST = -10;

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
    // An exception of a store is taken at the store: it cannot be raised when it drains.
    this.buffered = machine.stores.capacity > 0 && machine.aliases === null;
    this.dirtyBySoftware = machine.platform.mmu.accessedDirty === 'software';
  }

  protected readonly epochNow = () => {
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
  private readonly resolveLoadPhysical = (pa: number, code: number) => this.resolve(pa, code, false, false);
  private readonly resolveStorePhysical = (pa: number, code: number) => this.resolve(pa, code, true, false);

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
      const ahead = findFetched(this.hw, va);
      const got =
        ahead < 0 ? this.loadStep(va, 4, epoch, true) : runFetched(this.machine.state, this.hw, ahead);
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
      if (code < 0) yield* this.resolveBulk(trace[at] & ~3, code, (trace[at] & 1) === 1, false);
    }
  }

  /** Loads by physical address through the kernel's linear mapping. */
  loadPhysical(pa: number, sizeBytes = 4, uncached = false): Steps<number> {
    return operation(
      pa,
      sizeBytes,
      uncached ? 1 : 0,
      this.tryLoadPhysical,
      this.resolveLoadPhysical,
      this.epochNow,
    );
  }

  /** Stores by physical address through the kernel's linear mapping. */
  storePhysical(pa: number, value: number, sizeBytes = 4, uncached = false): Steps<number> {
    const sizeAndKind = sizeBytes * 2 + (uncached ? 1 : 0);
    return operation(pa, value, sizeAndKind, this.tryStorePhysical, this.resolveStorePhysical, this.epochNow);
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
        if (fetch) state.events?.push(EVENT.READ_PAST, hw.index, pa, 0, 0);
        else if (sizeBytes === 8) state.events?.push(EVENT.READ_PAST, hw.index, pa + 4, 0, 0);
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
    if (this.isAliased(pa, uncached)) {
      machine.state.unlockCpu(hw);
      return VIRTUAL_COHERENCY;
    }
    let got = machine.stores.forward(hw, pa, sizeBytes);
    if (got === PARTLY_BUFFERED) got = DRAIN_FIRST;
    else if (got === NOT_BUFFERED) got = machine.port.load(hw, pa, pa, sizeBytes, uncached ? 1 : 0);
    hw.count(COUNT.loads);
    machine.state.events?.push(EVENT.LOAD, hw.index, pa, got, pa);
    if (sizeBytes === 8) machine.state.events?.push(EVENT.READ_PAST, hw.index, pa + 4, 0, 0);
    machine.state.unlockCpu(hw);
    return got;
  }

  private physicalStoreStep(pa: number, value: number, sizeBytes: number, attributes: number): number {
    const { machine, hw } = this;
    if (this.isFull()) return DRAIN_FIRST;
    machine.state.lockCpu(hw);
    if (this.isAliased(pa, attributes !== 0)) {
      machine.state.unlockCpu(hw);
      return VIRTUAL_COHERENCY;
    }
    hw.count(COUNT.stores);
    this.place(pa, pa, value, sizeBytes, attributes);
    machine.state.unlockCpu(hw);
    return 0;
  }

  /** Does what an access needs before it can be tried again. Returns true if the kernel had to help. */
  protected *resolve(va: number, code: number, write: boolean, fetch: boolean): Steps<boolean> {
    if (code === DRAIN_FIRST) {
      yield STEP;
      this.drainStep();
      return false;
    }
    if (code === VIRTUAL_COHERENCY) {
      yield* this.coherencyException(va, write, fetch);
      return true;
    }
    const kind = yield* this.refill(va, code, write, fetch);
    if (kind === undefined) return false;
    yield* this.fault({ va, write, fetch, kind });
    return true;
  }

  /**
   * The same for an access of a bulk run. Where its hits go hundreds to a step, on threads that nobody looks at, a
   * walk is one step as well.
   */
  protected *resolveBulk(va: number, code: number, write: boolean, fetch: boolean): Steps {
    const { state, platform } = this.machine;
    const isWatched = !state.threaded || state.checked || state.events !== null;
    const isHostsWalk = platform.mmu.refill === 'hardware' && this.hw.ctl[CTL.GUEST] === 0;
    if (isWatched || !isHostsWalk || code !== MISS) {
      yield* this.resolve(va, code, write, fetch);
      return;
    }
    const kind = walkAtOnce(this.machine, this.hw, va, write, fetch);
    if (kind !== undefined) yield* this.fault({ va, write, fetch, kind });
  }

  /** Fills the TLB for an access whose lookup gave `code`. Returns why the access faults; undefined: it is filled. */
  protected refill(va: number, code: number, write: boolean, fetch: boolean): Steps<FaultKind | undefined> {
    const isRefused = code === CONFLICT || code === FORBIDDEN || (code === CLEAN && this.dirtyBySoftware);
    const walks = !isRefused && this.machine.platform.mmu.refill === 'hardware';
    if (walks) return pageWalk(this.machine, this.hw, va, write, fetch);
    return this.refillBySoftware(va, code, write, fetch);
  }

  private *refillBySoftware(
    va: number,
    code: number,
    write: boolean,
    fetch: boolean,
  ): Steps<FaultKind | undefined> {
    if (code === CONFLICT) return 'conflict';
    if (code !== MISS || !this.vectors) return 'permission';
    this.hw.charge(this.machine.platform.costs.faultEntryCycles);
    discardFetched(this.hw);
    const filled = yield* this.vectors.refill(this, { va, write, fetch, kind: 'translation' });
    this.hw.charge(this.machine.platform.costs.faultExitCycles);
    discardFetched(this.hw);
    return filled ? undefined : 'translation';
  }

  /** True if an access through the linear mapping raises a virtual coherency exception. The CPU's lock is held. */
  protected isAliased(pa: number, uncached: boolean): boolean {
    const { aliases } = this.machine;
    return aliases?.raises(this.hw, pa, pa, uncached ? 1 : 0, false) ?? false;
  }

  /** The exception that the access of this step has raised. @throws Error if the kernel has no handler */
  protected *coherencyException(va: number, write: boolean, fetch: boolean): Steps {
    const { hw, machine, vectors } = this;
    const pa = machine.aliases?.pa ?? va;
    if (!vectors?.coherencyException) {
      const at = `0x${va.toString(16)} (physical 0x${pa.toString(16)})`;
      throw new Error(
        `CPU ${this.index}: virtual coherency exception at ${at}, and no handler: set vectors.coherencyException (coherencyHandler in src/kernel), or use addresses of one colour`,
      );
    }
    hw.ctl[CTL.IRQ_MASKED]++;
    try {
      yield* vectors.coherencyException(this, { va, pa, write, fetch });
    } finally {
      hw.ctl[CTL.IRQ_MASKED]--;
    }
  }

  private *fault(fault: Fault): Steps {
    const { costs } = this.machine.platform;
    this.hw.count(COUNT.faults);
    yield STEP;
    this.hw.charge(costs.faultEntryCycles);
    discardFetched(this.hw);
    const repaired = this.vectors ? yield* this.vectors.fault(this, fault) : false;
    this.hw.charge(costs.faultExitCycles);
    discardFetched(this.hw);
    if (!repaired) throw SegmentationFault.make(this.index, fault);
  }
}
