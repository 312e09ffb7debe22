/**
 * TLB invalidates: on this CPU, or broadcast to all by the hardware. A broadcast is a message in each
 * target's queue; it acts when it is delivered and completes when the accesses that used what it removed
 * are done: buffered stores included. The target's program has no part in it.
 */
import type { Coherence } from './coherence.ts';
import type { CpuState } from './cpu-state.ts';
import { EVENT, TLBI_KINDS } from './events.ts';
import { COUNT, CTL, DVM, TIME } from './registers.ts';
import type { MachineState } from './state.ts';
import { TLBI_ASID, TLBI_IPA, TLBI_VMID } from './tlb.ts';
import { vmidOfTag } from './tlb-tag.ts';

export class TlbMaintenance {
  private readonly m: MachineState;
  private readonly coherence: Coherence;
  private readonly queueEntries: number;
  private readonly delayed: boolean;

  constructor(state: MachineState, coherence: Coherence) {
    this.m = state;
    this.coherence = coherence;
    this.queueEntries = state.platform.broadcast?.queueEntries ?? 1;
    this.delayed = state.platform.agents.includes('broadcast');
  }

  /**
   * Invalidates on this CPU only: one step.
   * @param kind TLBI_*
   * @param va first page; ignored by kinds without one
   * @param asid a tag with the VMID (see tlb-tag.ts); ignored by kinds without one
   */
  localStep(cpu: CpuState, kind: number, va: number, pages: number, asid: number): void {
    const { m } = this;
    const { costs } = m.platform;
    cpu.count(COUNT.tlbInvalidates);
    cpu.charge(namesPages(kind) ? costs.tlbInvalidateCycles : costs.tlbInvalidateAllCycles);
    m.lockCpu(cpu);
    this.act(cpu, kind, va, pages, asid, cpu.index);
    m.unlockCpu(cpu);
  }

  /**
   * Invalidates everywhere: one step, complete only after a barrier. Arguments as `localStep`.
   * @param targets the CPUs, by number, that alone it is sent to besides this one; null: all
   */
  broadcastStep(
    cpu: CpuState,
    kind: number,
    va: number,
    pages: number,
    asid: number,
    targets: readonly number[] | null = null,
  ): void {
    const { m } = this;
    const { costs } = m.platform;
    this.localStep(cpu, kind, va, pages, asid);
    cpu.count(COUNT.broadcastsIssued);
    m.occupyBus(cpu, costs.broadcastOccupancyCycles);
    const sent = cpu.clock + costs.broadcastOccupancyCycles;
    for (const target of m.processors) {
      if (target === cpu || (targets !== null && !targets.includes(target.index))) continue;
      this.enqueue(cpu, target, sent + this.latencyCycles(cpu, target), kind, va, pages, asid);
    }
  }

  private latencyCycles(from: CpuState, to: CpuState): number {
    const { sockets, platform } = this.m;
    return sockets?.broadcastLatencyCycles(from, to) ?? platform.costs.broadcastLatencyCycles;
  }

  /** Invalidates in the TLB of a device, as a processor's write to a register of the IOMMU does: one step. */
  deviceStep(cpu: CpuState, device: CpuState, kind: number, ioAddress: number, pages: number): void {
    const { m } = this;
    cpu.count(COUNT.tlbInvalidates);
    cpu.charge(m.platform.costs.uncachedCycles);
    m.lockOther(device);
    this.act(device, kind, ioAddress, pages, 0, cpu.index);
    m.unlockCpu(device);
  }

  private enqueue(
    cpu: CpuState,
    target: CpuState,
    due: number,
    kind: number,
    va: number,
    pages: number,
    asid: number,
  ): void {
    const { m } = this;
    m.lockOther(target);
    // A full queue holds the bus up until its oldest message is complete.
    while (this.queued(target) === this.queueEntries) {
      if (this.unacted(target) > 0) this.deliverOldest(target);
      if (this.queued(target) < this.queueEntries) break;
      m.unlockCpu(target);
      this.awaitDrain(target);
      m.lockOther(target);
    }
    m.events?.push(EVENT.QUEUE, target.index, target.ctl[CTL.QUEUE_TAIL], kind, cpu.index);
    const position = (target.ctl[CTL.QUEUE_TAIL] >>> 0) % this.queueEntries;
    const at = position * DVM.WORDS;
    const q = target.queue;
    q[at + DVM.KIND] = kind;
    q[at + DVM.VA] = va;
    q[at + DVM.PAGES] = pages;
    q[at + DVM.ASID] = asid;
    q[at + DVM.FROM] = cpu.index;
    if (m.checked) q[at + DVM.EPOCH] = m.epoch;
    target.queueDue[position] = due;
    target.ctl[CTL.QUEUE_TAIL]++;
    m.noteAgents(target);
    Atomics.add(cpu.ctl, CTL.OUTSTANDING, 1);
    if (!this.delayed) this.deliverOldest(target);
    m.unlockCpu(target);
  }

  /**
   * Lets the target's oldest buffered store drain, for which the completion of a broadcast waits. The
   * machine drains it on the spot; the threads host waits for the thread whose CPU it is.
   */
  awaitDrain: (target: CpuState) => void = () => {};

  private queued(target: CpuState): number {
    return (target.ctl[CTL.QUEUE_TAIL] - target.ctl[CTL.QUEUE_HEAD]) | 0;
  }

  /** Messages that have not acted yet. */
  unacted(target: CpuState): number {
    return this.queued(target) - target.ctl[CTL.QUEUE_ACTED];
  }

  /** When the oldest message that has not acted reaches the CPU, cycles; there must be one. */
  dueCycles(target: CpuState): number {
    const n = target.ctl[CTL.QUEUE_HEAD] + target.ctl[CTL.QUEUE_ACTED];
    return target.queueDue[(n >>> 0) % this.queueEntries];
  }

  /** Lets the oldest message act: one step of the hardware. Takes the target's lock. */
  deliverStep(target: CpuState): void {
    this.m.lockOther(target);
    if (this.unacted(target) > 0) this.deliverOldest(target);
    this.m.unlockCpu(target);
  }

  private deliverOldest(target: CpuState): void {
    const { m } = this;
    const { costs } = m.platform;
    const n = target.ctl[CTL.QUEUE_HEAD] + target.ctl[CTL.QUEUE_ACTED];
    const position = (n >>> 0) % this.queueEntries;
    const at = position * DVM.WORDS;
    const q = target.queue;
    m.events?.push(EVENT.ACT, target.index, n, q[at + DVM.FROM], 0);
    const kind = q[at + DVM.KIND];
    this.act(target, kind, q[at + DVM.VA] >>> 0, q[at + DVM.PAGES], q[at + DVM.ASID], q[at + DVM.FROM]);
    const start = Math.max(target.queueDue[position], target.time[TIME.PORT_BUSY]);
    const done = start + costs.broadcastTargetCycles;
    target.time[TIME.PORT_BUSY] = done;
    target.queueDue[position] = done;
    target.count(COUNT.broadcastsReceived);
    target.counters[COUNT.stolenCycles] += costs.broadcastTargetCycles;
    Atomics.add(target.ctl, CTL.STOLEN, costs.broadcastTargetCycles);
    q[at + DVM.STORES] = target.ctl[CTL.STORES_IN];
    target.ctl[CTL.QUEUE_ACTED]++;
    m.noteAgents(target);
    this.complete(target);
  }

  /**
   * Completes the messages whose accesses are done. Called when a store has drained and when an access
   * that gave up the lock has finished. The target's lock is held.
   */
  complete(target: CpuState): void {
    while (target.ctl[CTL.QUEUE_ACTED] > 0 && target.ctl[CTL.IN_ACCESS] === 0) {
      const position = (target.ctl[CTL.QUEUE_HEAD] >>> 0) % this.queueEntries;
      const at = position * DVM.WORDS;
      if (((target.queue[at + DVM.STORES] - target.ctl[CTL.STORES_OUT]) | 0) > 0) return;
      const from = this.m.cpus[target.queue[at + DVM.FROM]];
      this.m.events?.push(EVENT.COMPLETE, from.index, target.index, 0, 0);
      const when = Math.max(target.queueDue[position], target.time[TIME.DRAINED]);
      const back = when + this.latencyCycles(target, from);
      if (back > from.time[TIME.COMPLETED]) from.time[TIME.COMPLETED] = back;
      target.ctl[CTL.QUEUE_HEAD]++;
      target.ctl[CTL.QUEUE_ACTED]--;
      if (Atomics.sub(from.ctl, CTL.OUTSTANDING, 1) === 1) {
        Atomics.add(from.ctl, CTL.EVENT, 1);
        this.coherence.notify(from);
      }
    }
  }

  private act(target: CpuState, kind: number, va: number, pages: number, asid: number, from: number): void {
    const { m } = this;
    m.events?.push(EVENT.TLBI, target.index, kind + pages * TLBI_KINDS, va, from);
    const vpn = va >>> 12;
    const spareGlobal = m.mutation === 'tlbi-ignores-global';
    for (const tlb of target.tlbs) {
      if (tlb === target.tlb2 && m.mutation === 'tlbi-skips-second-level') continue;
      tlb.invalidate(kind, vpn, pages, asid, spareGlobal);
    }
    target.walkCache?.invalidate(kind, vpn, pages, asid);
    target.ipaCache?.invalidate(kind, vpn, pages, vmidOfTag(asid));
    target.ctl[CTL.WALK_CANCELLED] = 1;
    target.ctl[CTL.TLB_CHANGES]++;
    m.check?.invalidatedTlb(target, kind, va, pages, asid, from);
  }
}

function namesPages(kind: number): boolean {
  return kind === TLBI_IPA || !(kind <= TLBI_ASID || kind >= TLBI_VMID);
}
