/**
 * A small kernel, as handles over structures in simulated memory: frames, page tables, address spaces,
 * cross calls, mmap/munmap/mprotect with the flushes that they need, a page-fault handler. Its policy
 * says which flush mechanism it uses; scenarios ask for wrong policies to see what they break.
 */
import type { Checker } from '../checker/checker.ts';
import { frameAddress, PTE } from '../machine/attributes.ts';
import type { Cpu, Fault, Steps, Vectors } from '../machine/cpu.ts';
import type { Machine } from '../machine/machine.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../machine/platform.ts';
import { CTL } from '../machine/registers.ts';
import { TLBI_ASID, TLBI_VA } from '../machine/tlb.ts';
import {
  type AddressSpace,
  type Area,
  findArea,
  freeAreaSlot,
  laySpace,
  writeArea,
} from './address-space.ts';
import { usualOrder, writeContext } from './asid/context-registers.ts';
import { BootMemory } from './boot-memory.ts';
import {
  CALL_VECTOR,
  type CallFunction,
  type CrossCallLayout,
  CrossCalls,
  layCrossCalls,
} from './cross-call.ts';
import { CacheCalls } from './flush/cache-calls.ts';
import { Frames, type FramesLayout, layFrames } from './frames.ts';
import { PageTable } from './page-table.ts';
import { type SpinLock, spinLock, spinUnlock } from './spin-lock.ts';
import { type FlushPolicy, flushCall, properFlush, TlbFlush } from './tlb-flush.ts';

export interface KernelPolicy extends FlushPolicy {
  /** Wrong: frames go back before the flush. */
  readonly freeBeforeFlush?: boolean;
}

/** Bits of a page that a program has used already: nothing is left for the hardware to set. */
export const USED = PTE.VALID | PTE.ACCESSED | PTE.DIRTY;
export const READ_WRITE = USED | PTE.WRITE;

/** Number of cache flushes among the functions of cross calls; that of TLB flushes is 0. */
const CACHE_CALL = 1;
/** Number of the first of a kernel's own functions among those of cross calls. */
export const FIRST_CALL = 2;

export interface KernelLayout {
  readonly frames: FramesLayout;
  readonly calls: CrossCallLayout;
  readonly spaces: readonly AddressSpace[];
  /** Present where the port takes a lock around each broadcast flush. */
  readonly broadcastLock: SpinLock | null;
}

/** Figures that the kernel leaves in a CPU's notes. */
export const NOTE = { SHOOTDOWNS: 0, SHOOTDOWN_CYCLES: 1, SHOOTDOWN_PAGES: 2, USER: 8 } as const;

/** Lays kernel structures out; `prepare` may take boot memory and locks of its own before the frames get the rest. */
export function layKernel<T>(
  machine: Machine,
  spaceNames: readonly string[],
  prepare: (boot: BootMemory, spaces: readonly AddressSpace[], lock: (name: string) => SpinLock) => T,
): { kernel: KernelLayout; prepared: T } {
  const boot = new BootMemory(machine);
  let ghosts = 0;
  const lock = (name: string): SpinLock => ({ pa: boot.line(), ghost: ghosts++, name });
  const spaces = spaceNames.map((name, i) => laySpace(boot, name, i + 1, lock(name)));
  const serialized = machine.platform.crossCallsSerialized ? lock('cross call') : null;
  const calls = layCrossCalls(boot, machine.options.cpus, serialized);
  const broadcastLock = machine.platform.broadcast?.serialized === true ? lock('flush') : null;
  const frameLock = lock('frame');
  const prepared = prepare(boot, spaces, lock);
  return { kernel: { frames: layFrames(boot, frameLock), calls, spaces, broadcastLock }, prepared };
}

/** A kernel that flushes as its platform asks for it. */
export function properKernel(
  machine: Machine,
  layout: KernelLayout,
  checker: Checker | null,
  moreCalls: readonly CallFunction[] = [],
): Kernel {
  return new Kernel(machine, layout, properFlush(machine.platform.shootdown), checker, moreCalls);
}

export class Kernel implements Vectors {
  readonly machine: Machine;
  readonly frames: Frames;
  readonly tables: PageTable;
  readonly flush: TlbFlush;
  readonly caches: CacheCalls;
  readonly calls: CrossCalls;
  /** Kernel data is read past the caches where no protocol keeps them coherent. */
  readonly uncached: boolean;
  private readonly checker: Checker | null;
  private readonly policy: KernelPolicy;
  readonly spaces: readonly AddressSpace[];

  /** @param moreCalls what cross calls may run besides the flush, numbered from FIRST_CALL */
  constructor(
    machine: Machine,
    layout: KernelLayout,
    policy: KernelPolicy,
    checker: Checker | null,
    moreCalls: readonly CallFunction[] = [],
  ) {
    this.machine = machine;
    this.checker = checker;
    this.policy = policy;
    this.spaces = layout.spaces;
    this.uncached = machine.platform.coherence === 'none';
    this.frames = new Frames(layout.frames, checker, this.uncached);
    this.tables = new PageTable(machine);
    const cacheCall: CallFunction = (cpu, a, b, c) => this.caches.handle(cpu, a, b, c);
    this.calls = new CrossCalls(layout.calls, this.uncached, [flushCall, cacheCall, ...moreCalls]);
    this.flush = new TlbFlush(machine, policy, this.calls, this.uncached, layout);
    this.caches = new CacheCalls(this, CACHE_CALL);
  }

  /** Runs a space on this CPU from now on. */
  *switchMm(cpu: Cpu, space: AddressSpace): Steps {
    const bit = 1 << (cpu.index & 31);
    const mask = space.cpuMaskPa + (cpu.index >> 5) * 4;
    yield* cpu.modifyPhysical(mask, (old) => (old | bit) >>> 0, this.uncached);
    yield* this.caches.beforeSwitch(cpu, space);
    const registers = { order: usualOrder(this.machine.platform), reservedRoot: space.root };
    yield* writeContext(cpu, registers, space.root, space.asid);
    const { hasAsids } = this.machine.translation;
    if (hasAsids && this.machine.platform.mmu.walkCache?.asidTagged !== false) return;
    // What the last space has left behind carries no tag that tells it from what is this one's.
    yield* cpu.tlbiLocal(TLBI_ASID, 0, 1, hasAsids ? space.asid : 0);
  }

  /** Maps fresh frames at `pages` pages from `va`, with the given permissions (PTE bits). */
  *mmap(cpu: Cpu, space: AddressSpace, va: number, pages: number, permissions: number): Steps {
    yield* spinLock(cpu, space.lock, this.uncached);
    const startPage = va >>> PAGE_SHIFT;
    const slot = yield* freeAreaSlot(cpu, space, this.uncached);
    const area: Area = { slot, startPage, endPage: startPage + pages, permissions };
    yield* writeArea(cpu, space, area, this.uncached);
    for (let page = 0; page < pages; page++)
      yield* this.populate(cpu, space, va + page * PAGE_BYTES, permissions);
    yield* cpu.dsb();
    yield* spinUnlock(cpu, space.lock, this.uncached);
  }

  private *populate(cpu: Cpu, space: AddressSpace, va: number, permissions: number): Steps {
    const allocate = (by: Cpu) => this.frames.allocate(by);
    const frame = yield* allocate(cpu);
    const ptePa = yield* this.tables.build(cpu, space.root, va, allocate);
    yield* this.tables.write(cpu, ptePa, (frame | permissions) >>> 0);
  }

  /**
   * Unmaps `pages` pages from `va`, which must be one whole area. When it returns nothing reaches their
   * frames any more, and they are free.
   */
  *munmap(cpu: Cpu, space: AddressSpace, va: number, pages: number): Steps {
    yield* spinLock(cpu, space.lock, this.uncached);
    const area = yield* findArea(cpu, space, va >>> PAGE_SHIFT, this.uncached);
    if (area) yield* writeArea(cpu, space, { ...area, endPage: 0 }, this.uncached);
    yield* this.caches.pages(cpu, space, va, pages);
    const began = cpu.clock;
    const entries: number[] = [];
    const freed: number[] = [];
    for (let page = 0; page < pages; page++) {
      const ptePa = yield* this.tables.find(cpu, space.root, va + page * PAGE_BYTES);
      if (ptePa < 0) continue;
      const old = yield* this.clearEntry(cpu, ptePa);
      if ((old & PTE.VALID) === 0) continue;
      entries.push(ptePa);
      freed.push(frameAddress(old));
    }
    if (this.policy.freeBeforeFlush) for (const frame of freed) yield* this.frames.free(cpu, frame);
    yield* this.flush.range(cpu, space, va, pages);
    this.noteShootdown(cpu, began, pages);
    for (const ptePa of entries) this.checker?.contract(cpu, ptePa);
    yield* spinUnlock(cpu, space.lock, this.uncached);
    if (!this.policy.freeBeforeFlush) for (const frame of freed) yield* this.frames.free(cpu, frame);
  }

  /** Changes the permissions of one whole area; when it returns no CPU uses the old ones. */
  *mprotect(cpu: Cpu, space: AddressSpace, va: number, pages: number, permissions: number): Steps {
    yield* spinLock(cpu, space.lock, this.uncached);
    const area = yield* findArea(cpu, space, va >>> PAGE_SHIFT, this.uncached);
    if (area) yield* writeArea(cpu, space, { ...area, permissions }, this.uncached);
    yield* this.caches.pages(cpu, space, va, pages);
    const began = cpu.clock;
    const entries: number[] = [];
    for (let page = 0; page < pages; page++) {
      const ptePa = yield* this.tables.find(cpu, space.root, va + page * PAGE_BYTES);
      if (ptePa < 0) continue;
      const old = yield* this.clearEntry(cpu, ptePa);
      if ((old & PTE.VALID) === 0) continue;
      yield* this.tables.write(cpu, ptePa, (frameAddress(old) | permissions) >>> 0);
      entries.push(ptePa);
    }
    yield* this.flush.range(cpu, space, va, pages);
    this.noteShootdown(cpu, began, pages);
    for (const ptePa of entries) this.checker?.contract(cpu, ptePa);
    yield* spinUnlock(cpu, space.lock, this.uncached);
  }

  /**
   * Reads and clears an entry. Atomically only where the hardware may still set a bit in it: a plain store
   * is what waits in the write buffer until a barrier.
   */
  private *clearEntry(cpu: Cpu, ptePa: number): Steps<number> {
    const old = yield* this.tables.read(cpu, ptePa);
    if ((old & PTE.VALID) === 0) return old;
    const settled = (old & PTE.ACCESSED) !== 0 && ((old & PTE.DIRTY) !== 0 || (old & PTE.WRITE) === 0);
    if (this.machine.platform.mmu.accessedDirty === 'hardware' && !settled) {
      return yield* this.tables.exchange(cpu, ptePa, () => 0);
    }
    yield* this.tables.write(cpu, ptePa, 0);
    return old;
  }

  private noteShootdown(cpu: Cpu, began: number, pages: number): void {
    const { notes } = cpu.hw;
    notes[NOTE.SHOOTDOWNS]++;
    notes[NOTE.SHOOTDOWN_CYCLES] += cpu.clock - began;
    notes[NOTE.SHOOTDOWN_PAGES] += pages;
  }

  /** Page-fault handler: demand paging, bits that the platform leaves to software, stale permissions. */
  *fault(cpu: Cpu, fault: Fault): Steps<boolean> {
    if (fault.kind === 'bus' || fault.kind === 'conflict') return false;
    const space = this.current(cpu);
    if (!space) return false;
    yield* spinLock(cpu, space.lock, this.uncached);
    const repaired = yield* this.repair(cpu, space, fault);
    yield* spinUnlock(cpu, space.lock, this.uncached);
    return repaired;
  }

  private *repair(cpu: Cpu, space: AddressSpace, fault: Fault): Steps<boolean> {
    const area = yield* findArea(cpu, space, fault.va >>> PAGE_SHIFT, this.uncached);
    if (!area) return false;
    if (fault.write && (area.permissions & PTE.WRITE) === 0) return false;
    if (fault.fetch && (area.permissions & PTE.EXECUTE) === 0) return false;
    const ptePa = yield* this.tables.find(cpu, space.root, fault.va);
    const entry = ptePa < 0 ? 0 : yield* this.tables.read(cpu, ptePa);
    if ((entry & PTE.VALID) === 0) {
      yield* this.populate(cpu, space, fault.va, area.permissions);
    } else {
      const bits = PTE.ACCESSED | (fault.write ? PTE.DIRTY : 0) | (area.permissions & PTE.WRITE);
      if ((entry & bits) !== bits) yield* this.tables.exchange(cpu, ptePa, (now) => (now | bits) >>> 0);
    }
    yield* cpu.dsb();
    // Only this CPU: another that still has less than it may simply faults as well.
    yield* cpu.tlbiLocal(TLBI_VA, fault.va, 1, this.machine.translation.hasAsids ? space.asid : 0);
    return true;
  }

  /** Software refill: the kernel walks the tables and fills the TLB itself, as on MIPS. */
  *refill(cpu: Cpu, fault: Fault): Steps<boolean> {
    const space = this.current(cpu);
    if (!space) return false;
    const ptePa = yield* this.tables.find(cpu, space.root, fault.va);
    if (ptePa < 0) return false;
    return yield* cpu.refillFrom(ptePa, fault.va, fault.fetch, this.tables.readsUncached);
  }

  *interrupt(cpu: Cpu, vector: number): Steps {
    if (vector === CALL_VECTOR) yield* this.calls.handle(cpu);
  }

  private current(cpu: Cpu): AddressSpace | undefined {
    const root = cpu.hw.ctl[CTL.ROOT];
    return this.spaces.find((space) => space.root === root);
  }
}
