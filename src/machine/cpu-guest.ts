/**
 * A CPU that runs guests: entry and exit, what a guest does to its own context, and what of it the host has asked
 * to be told of. While a guest runs, each of its addresses goes through two stages of translation: its own tables
 * make an intermediate physical address of it, the host's tables of stage 2 a physical one.
 *
 * Arm's names for what is here (Arm DDI 0601, the registers' descriptions): VTTBR_EL2 holds VMID and root of stage 2,
 * HCR_EL2 the traps, SCTLR_EL1 and TTBR0_EL1 are the guest's own. Physical interrupts belong to the host
 * (HCR_EL2.IMO): one that comes while a guest runs is an exit, the host's handler, an entry. A guest's local TLB
 * invalidates stay local: HCR_EL2.FB, by which they reach all CPUs and which KVM sets (HCR_GUEST_FLAGS in
 * arch/arm64/include/asm/kvm_arm.h), is not modelled.
 */
import { FLUSH, type LineOperation, type SetWayLevel } from './cache-maintenance.ts';
import { CpuMaintenance } from './cpu-maintenance.ts';
import { EVENT } from './events.ts';
import {
  type AccessVectors,
  type GuestEntry,
  type GuestRegisters,
  SegmentationFault,
  type Stage2Fault,
  type Trap,
} from './faults.ts';
import { discardFetched } from './fetched.ts';
import { checkGuestEntry, guestRegisters, putGuestEntry, readGuestEntry } from './guest-entry.ts';
import type { GuestWalk } from './guest-walk.ts';
import type { Reach } from './memory-side.ts';
import type { MemoryTypes } from './memory-types.ts';
import { COUNT, CTL, GUEST_MMU, HCR_TSW, HCR_TVM, MMU_TWO_STAGES } from './registers.ts';
import { STEP, type Steps } from './steps.ts';
import { TLBI_ALL, TLBI_VMID, TLBI_VMID_STAGE1 } from './tlb.ts';
import { guestTagHigh, VMID_SHIFT } from './tlb-tag.ts';
import { type FaultKind, VIRTUAL_COHERENCY } from './translation.ts';

type TrapHandler = NonNullable<AccessVectors<CpuGuest>['trap']>;

export class CpuGuest extends CpuMaintenance {
  /** True while a guest's code runs. */
  get inGuest(): boolean {
    return this.hw.ctl[CTL.GUEST] === 1;
  }

  /** The guest that runs, or whose exit the host is handling; null: none. */
  get guestEntry(): GuestEntry | null {
    const { ctl } = this.hw;
    return ctl[CTL.GUEST] === 1 || ctl[CTL.GUEST_HELD] === 1 ? readGuestEntry(ctl) : null;
  }

  /**
   * Enters a guest: one step, guestEntryCycles. What the CPU does from now on the guest does, by its own virtual
   * addresses, until `exitGuest`.
   * @throws Error on a platform without virtualization, for a VMID or a table that it cannot have, and where a guest
   * runs already or an exit is being handled
   */
  *enterGuest(entry: GuestEntry): Steps {
    checkGuestEntry(this.machine.platform, entry);
    const { ctl } = this.hw;
    if (this.guestEntry !== null) {
      const remedy = this.inGuest
        ? 'runs: exitGuest first'
        : 'waits for its exit to be handled: end that first';
      throw new Error(`CPU ${this.index}: enterGuest while the guest of VMID ${ctl[CTL.VMID]} ${remedy}`);
    }
    yield STEP;
    putGuestEntry(this.machine.platform, ctl, entry);
    this.enter();
  }

  /** Leaves the guest: one step, guestExitCycles; the host's registers are back. @returns the guest's registers */
  *exitGuest(): Steps<GuestRegisters> {
    this.mustBeGuest('exitGuest');
    yield STEP;
    this.exit();
    return guestRegisters(this.hw.ctl);
  }

  /**
   * Changes the guest that runs or whose exit the host is handling: traps, table of stage 2, VMID, registers. Takes
   * no time, and is in force when the guest goes on.
   * @throws Error as `enterGuest`, and if there is no guest
   */
  changeGuest(change: Partial<GuestEntry>): void {
    const { guestEntry, hw } = this;
    if (guestEntry === null) throw new Error(`CPU ${this.index}: changeGuest, and no guest is on it`);
    const entry = { ...guestEntry, ...change };
    checkGuestEntry(this.machine.platform, entry);
    putGuestEntry(this.machine.platform, hw.ctl, entry);
    if (!this.inGuest) return;
    this.putContext();
    this.contextChanged();
  }

  /**
   * Ends the guest whose exit the host is handling: when the handler returns the host goes on, and whatever the guest
   * was about to do is the caller's business. @returns the guest's registers @throws Error if there is no such guest
   */
  dropGuest(): GuestRegisters {
    const { ctl } = this.hw;
    if (ctl[CTL.GUEST_HELD] !== 1)
      throw new Error(`CPU ${this.index}: dropGuest, and no exit is being handled`);
    ctl[CTL.GUEST_HELD] = 0;
    return guestRegisters(ctl);
  }

  /** The guest writes SCTLR: its stage 1 on or off, its data cached or not. Traps with `traps.control`. */
  guestControl({ mmuOn, cachesOn }: { readonly mmuOn: boolean; readonly cachesOn: boolean }): Steps {
    this.mustBeGuest('guestControl');
    return this.writeRegisters({ mmuOn, cachesOn });
  }

  /** The guest writes TTBR: its root table, an intermediate address, and its ASID. Traps with `traps.control`. */
  guestContext(rootIpa: number, asid: number): Steps {
    this.mustBeGuest('guestContext');
    return this.writeRegisters({ rootIpa, asid });
  }

  /**
   * The guest writes MAIR (PRRR and NMRR): what the attributes of its own entries mean. TLB entries that are there
   * keep what they were made with. Traps with `traps.control`.
   */
  guestMemoryTypes(memoryTypes: MemoryTypes): Steps {
    this.mustBeGuest('guestMemoryTypes');
    return this.writeRegisters({ memoryTypes });
  }

  /**
   * The guest maintains a cache by set and way. Traps with `traps.setWay`; otherwise it acts on this CPU's cache, an
   * invalidate as clean and invalidate (DDI 0601, HCR_EL2.VM: whatever HCR_EL2.SWIO says).
   */
  guestSetWay(level: SetWayLevel, set: number, way: number, operation: LineOperation): Steps {
    this.mustBeGuest('guestSetWay');
    if ((this.hw.ctl[CTL.HCR] & HCR_TSW) === 0) {
      return super.maintainSetWay(level, set, way, ofGuest(operation));
    }
    return this.trapped({ kind: 'set-way', level, set, way, operation });
  }

  /** As CpuMaintenance's; in a guest as `guestSetWay`. */
  override maintainSetWay(level: SetWayLevel, set: number, way: number, operation: LineOperation): Steps {
    if (this.inGuest) return this.guestSetWay(level, set, way, operation);
    return super.maintainSetWay(level, set, way, operation);
  }

  /** As CpuMaintenance's; a guest's invalidate acts as clean and invalidate (HCR_EL2.VM). */
  override maintainVirtual(va: number, operation: LineOperation, reach: Reach): Steps {
    return super.maintainVirtual(va, this.inGuest ? ofGuest(operation) : operation, reach);
  }

  /** What the CPU runs for an interrupt that it has just taken; in a guest with exit and entry around it. */
  interruptHandler(vectors: AccessVectors<this>, vector: number): Steps {
    const own = vectors.interrupt(this, vector);
    const handler = this.inGuest ? this.asHost(own) : own;
    return this.hw.ctl[CTL.WALK_ACTIVE] === 0 ? handler : this.withinWalk(handler);
  }

  /**
   * A handler that has come into a walk. There is one walker: what the handler walks for is not to make it forget that
   * an invalidate has come for the walk before, which therefore starts again.
   */
  private *withinWalk(handler: Steps): Steps {
    const { ctl, counters } = this.hw;
    const walks = counters[COUNT.walks];
    yield* handler;
    if (counters[COUNT.walks] === walks) return;
    ctl[CTL.WALK_ACTIVE] = 1;
    ctl[CTL.WALK_CANCELLED] = 1;
  }

  protected override resolve(va: number, code: number, write: boolean, fetch: boolean): Steps<boolean> {
    const isTranslation = code > VIRTUAL_COHERENCY;
    if (!isTranslation || !this.inGuest) return super.resolve(va, code, write, fetch);
    return this.resolveInGuest(va, code, write, fetch);
  }

  private *resolveInGuest(va: number, code: number, write: boolean, fetch: boolean): Steps<boolean> {
    const fault = yield* this.walker().resolve(this.hw, va, code, write, fetch);
    if (fault === undefined) return false;
    this.hw.count(COUNT.faults);
    const handled =
      typeof fault === 'string' ? this.guestHandles(va, write, fetch, fault) : this.hostHandles(fault);
    if (!(yield* handled)) {
      const kind = typeof fault === 'string' ? fault : fault.kind;
      throw SegmentationFault.make(this.index, { va, write, fetch, kind });
    }
    return true;
  }

  private *hostHandles(fault: Stage2Fault): Steps<boolean> {
    const { vectors } = this;
    if (!vectors?.stage2Fault) return false;
    return yield* this.asHost(vectors.stage2Fault(this, fault));
  }

  private *guestHandles(va: number, write: boolean, fetch: boolean, kind: FaultKind): Steps<boolean> {
    const { vectors, hw, machine } = this;
    const { costs } = machine.platform;
    yield STEP;
    hw.charge(costs.faultEntryCycles);
    discardFetched(hw);
    const repaired = vectors?.guestFault
      ? yield* vectors.guestFault(this, { va, write, fetch, kind })
      : false;
    hw.charge(costs.faultExitCycles);
    discardFetched(hw);
    return repaired;
  }

  private *trapped(trap: Trap): Steps {
    const handler = this.vectors?.trap?.(this, trap);
    if (!handler) {
      throw new Error(`CPU ${this.index}: a '${trap.kind}' operation of the guest traps; set vectors.trap`);
    }
    yield* this.asHost(this.afterTrap(handler, trap));
    // Dropped meanwhile: whoever runs the guest enters it anew before its program goes on.
    if (!this.inGuest) yield STEP;
  }

  private *afterTrap(handler: ReturnType<TrapHandler>, trap: Trap): Steps {
    const registers = (yield* handler) ?? undefined;
    const isHeld = this.hw.ctl[CTL.GUEST_HELD] === 1;
    if (trap.kind !== 'control' || !isHeld) return;
    this.changeGuest({ registers: registers ?? trap.after });
  }

  /** Leaves the guest for as long as `body` takes, and goes on with it. */
  private *asHost<T>(body: Steps<T>): Steps<T> {
    const { ctl } = this.hw;
    yield STEP;
    this.exit();
    ctl[CTL.GUEST_HELD] = 1;
    let goesOn = false;
    try {
      const result = yield* body;
      if (ctl[CTL.GUEST_HELD] === 1) yield STEP;
      goesOn = ctl[CTL.GUEST_HELD] === 1;
      return result;
    } finally {
      ctl[CTL.GUEST_HELD] = 0;
      if (goesOn) this.enter();
    }
  }

  private *writeRegisters(change: Partial<GuestRegisters>): Steps {
    const { hw, machine } = this;
    const { ctl } = hw;
    yield* this.drainAll();
    yield STEP;
    const before = guestRegisters(ctl);
    const after = { ...before, ...change };
    checkGuestEntry(machine.platform, { ...readGuestEntry(ctl), registers: after });
    if ((ctl[CTL.HCR] & HCR_TVM) !== 0) {
      yield* this.trapped({ kind: 'control', before, after });
      return;
    }
    hw.charge(machine.platform.costs.contextSwitchCycles);
    this.changeGuest({ registers: after });
  }

  private enter(): void {
    const { hw, machine } = this;
    const { ctl } = hw;
    hw.charge(machine.platform.costs.guestEntryCycles);
    machine.state.events?.push(EVENT.GUEST, this.index, 1, ctl[CTL.VMID], ctl[CTL.STAGE2_ROOT]);
    ctl[CTL.HOST_ROOT] = ctl[CTL.ROOT];
    ctl[CTL.HOST_ASID] = ctl[CTL.ASID];
    ctl[CTL.HOST_MMU_ON] = ctl[CTL.MMU_ON];
    ctl[CTL.HOST_COMMON] = ctl[CTL.COMMON];
    ctl[CTL.GUEST] = 1;
    ctl[CTL.MMU_ON] = MMU_TWO_STAGES;
    ctl[CTL.COMMON] = 0;
    this.putContext();
    this.contextChanged();
  }

  private exit(): void {
    const { hw, machine } = this;
    const { ctl } = hw;
    hw.charge(machine.platform.costs.guestExitCycles);
    machine.state.events?.push(EVENT.GUEST, this.index, 0, ctl[CTL.VMID], ctl[CTL.STAGE2_ROOT]);
    ctl[CTL.ROOT] = ctl[CTL.HOST_ROOT];
    ctl[CTL.ASID] = ctl[CTL.HOST_ASID];
    ctl[CTL.MMU_ON] = ctl[CTL.HOST_MMU_ON];
    ctl[CTL.COMMON] = ctl[CTL.HOST_COMMON];
    ctl[CTL.GUEST] = 0;
    ctl[CTL.TAG_HIGH] = 0;
    this.contextChanged();
  }

  /** Puts into force what the guest's words say. */
  private putContext(): void {
    const { ctl } = this.hw;
    ctl[CTL.ROOT] = ctl[CTL.GUEST_ROOT];
    ctl[CTL.ASID] = ctl[CTL.GUEST_ASID];
    ctl[CTL.TAG_HIGH] = guestTagHigh(ctl[CTL.VMID], (ctl[CTL.GUEST_CONTROL] & GUEST_MMU) !== 0);
  }

  private contextChanged(): void {
    const { hw, machine } = this;
    const { ctl } = hw;
    machine.state.events?.push(
      EVENT.GUEST_CONTEXT,
      this.index,
      ctl[CTL.ROOT],
      ctl[CTL.ASID],
      ctl[CTL.GUEST_CONTROL],
    );
    // A walk that an exit has come into would mix what was there before with what is there now.
    ctl[CTL.WALK_CANCELLED] = 1;
    // By two: whoever has looked something up must not take it for the one fill that it waited for.
    ctl[CTL.TLB_CHANGES] += 2;
    discardFetched(hw);
  }

  private mustBeGuest(what: string): void {
    if (!this.inGuest) throw new Error(`CPU ${this.index}: ${what}, and no guest runs: enterGuest first`);
  }

  /** @throws Error in a guest: `what` is for the host's own context */
  protected mustBeHost(what: string, instead: string): void {
    if (this.inGuest) throw new Error(`CPU ${this.index}: ${what} in a guest: use ${instead}`);
  }

  /**
   * What a TLB invalidate of this CPU is to the hardware: a guest's acts on its own VMID, and a host may name any.
   * @throws Error for a guest's that is the host's, and for one that the platform does not have
   */
  protected invalidateOf(kind: number, number: number, isBroadcast: boolean): { kind: number; tag: number } {
    const { hw, machine } = this;
    const { name, virtualization } = machine.platform;
    const isOfHost = kind >= TLBI_VMID;
    if (this.inGuest) {
      if (isOfHost)
        throw new Error(`CPU ${this.index}: a guest has no invalidates by VMID or intermediate address`);
      const vmid = hw.ctl[CTL.VMID] << VMID_SHIFT;
      return kind === TLBI_ALL ? { kind: TLBI_VMID_STAGE1, tag: vmid } : { kind, tag: number | vmid };
    }
    if (!isOfHost) return { kind, tag: number };
    if (!virtualization)
      throw new Error(`${name}: no stage 2 to invalidate: use a platform with 'virtualization'`);
    if (isBroadcast && virtualization.stage2Fences === 'local') {
      throw new Error(`${name}: invalidates of stage 2 reach one CPU: use tlbiLocal on each`);
    }
    return { kind, tag: number << VMID_SHIFT };
  }

  private walker(): GuestWalk {
    const { guests } = this.machine;
    if (!guests) throw new Error(`${this.machine.platform.name}: no stage 2`);
    return guests;
  }
}

/** A guest's invalidate must not undo what the host or others have written. */
function ofGuest(operation: LineOperation): LineOperation {
  return operation.invalidate ? FLUSH : operation;
}
