/**
 * The kernel under a traced program: every page is there from its first touch on, and on request it takes
 * pages away while the program runs (munmap, fork with copy on write, migration of pages), with whatever
 * shootdown the policy says. Handles over structures in simulated memory.
 *
 * Where the platform's page tables are uncached the whole kernel bypasses the caches, so that they hold
 * the program and nothing else; elsewhere the kernel competes for them, as kernels do.
 */

import type { Checker } from '../checker/checker.ts';
import { type AddressSpace, laySpace } from '../kernel/address-space.ts';
import { BootMemory } from '../kernel/boot-memory.ts';
import { ColouredFrames, type ColouredFramesLayout, layColouredFrames } from '../kernel/coloured-frames.ts';
import { CALL_VECTOR, type CrossCallLayout, CrossCalls, layCrossCalls } from '../kernel/cross-call.ts';
import { READ_WRITE } from '../kernel/kernel.ts';
import { PageTable } from '../kernel/page-table.ts';
import { type SpinLock, spinLock, spinUnlock } from '../kernel/spin-lock.ts';
import { flushCall, type Mechanism, properFlush, TlbFlush } from '../kernel/tlb-flush.ts';
import { frameAddress, PTE } from '../machine/attributes.ts';
import type { Cpu, Fault, Steps, Vectors } from '../machine/cpu.ts';
import type { Machine } from '../machine/machine.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../machine/platform.ts';
import { CTL } from '../machine/registers.ts';
import { TLBI_ALL, TLBI_VA } from '../machine/tlb.ts';
import { TRACE_NOTE } from './notes.ts';

export interface TraceKernelLayout {
  readonly frames: ColouredFramesLayout;
  readonly calls: CrossCallLayout;
  readonly spaces: readonly AddressSpace[];
  /** Counts the CPUs that are ready. */
  readonly readyPa: number;
}

/** A page that its process shares with a child until one of them writes. */
const COPY_ON_WRITE = PTE.SOFTWARE;
const PERMISSIONS = READ_WRITE | PTE.EXECUTE;

export function layTraceKernel(machine: Machine, spaceCount: number, colours: number): TraceKernelLayout {
  const boot = new BootMemory(machine);
  let ghosts = 0;
  const lock = (name: string): SpinLock => ({ pa: boot.line(), ghost: ghosts++, name });
  const spaces = Array.from({ length: spaceCount }, (_, i) =>
    laySpace(boot, `process ${i}`, i + 1, lock(`process ${i}`)),
  );
  const serialized = machine.platform.crossCallsSerialized ? lock('cross call') : null;
  const calls = layCrossCalls(boot, machine.options.cpus, serialized);
  const readyPa = boot.line();
  return { frames: layColouredFrames(boot, lock('frame'), colours), calls, spaces, readyPa };
}

export class TraceKernel implements Vectors {
  readonly uncached: boolean;
  private readonly machine: Machine;
  private readonly frames: ColouredFrames;
  private readonly tables: PageTable;
  private readonly flush: TlbFlush;
  private readonly calls: CrossCalls;
  private readonly checker: Checker | null;
  private readonly layout: TraceKernelLayout;

  constructor(machine: Machine, layout: TraceKernelLayout, mechanism: Mechanism, checker: Checker | null) {
    this.machine = machine;
    this.layout = layout;
    this.checker = checker;
    const { mmu, coherence } = machine.platform;
    this.uncached = mmu.pageTables === 'uncached' || coherence === 'none';
    this.frames = new ColouredFrames(layout.frames, checker, this.uncached);
    this.tables = new PageTable(machine);
    this.calls = new CrossCalls(layout.calls, this.uncached, [flushCall]);
    const policy = properFlush(mechanism);
    this.flush = new TlbFlush(machine, policy, this.calls, this.uncached);
  }

  /** Runs a space on this CPU from now on. Without ASIDs nothing of the one before may stay in the TLBs. */
  *switchTo(cpu: Cpu, space: AddressSpace): Steps {
    const bit = 1 << (cpu.index & 31);
    const mask = space.cpuMaskPa + (cpu.index >> 5) * 4;
    yield* cpu.modifyPhysical(mask, (old) => (old | bit) >>> 0, this.uncached);
    yield* cpu.setContext(space.root, space.asid);
    if (!this.machine.translation.hasAsids) yield* cpu.tlbiLocal(TLBI_ALL, 0, 1, 0);
  }

  /** All CPUs have their space before the first access. */
  *arrive(cpu: Cpu): Steps {
    const everybody = this.machine.options.cpus;
    yield* cpu.modifyPhysical(this.layout.readyPa, (n) => n + 1, this.uncached);
    yield* cpu.waitUntil(this.layout.readyPa, (n) => n === everybody, {
      why: 'the other CPUs to be ready',
      uncached: this.uncached,
    });
  }

  /** Unmaps what is mapped of `pages` pages from `va`; the next touch maps a fresh frame. */
  *munmap(cpu: Cpu, space: AddressSpace, va: number, pages: number): Steps {
    yield* spinLock(cpu, space.lock, this.uncached);
    const began = cpu.clock;
    const taken = yield* this.takeAway(cpu, space, va, pages);
    yield* spinUnlock(cpu, space.lock, this.uncached);
    for (const { frame } of taken) yield* this.frames.free(cpu, frame);
    this.note(cpu, began, taken.length);
  }

  /** Moves what is mapped of `pages` pages from `va` to other frames, as page migration does. */
  *migrate(cpu: Cpu, space: AddressSpace, va: number, pages: number): Steps {
    yield* spinLock(cpu, space.lock, this.uncached);
    const began = cpu.clock;
    const taken = yield* this.takeAway(cpu, space, va, pages);
    for (const { page, ptePa, frame, entry } of taken) {
      const to = yield* this.frames.allocate(cpu, page);
      yield* this.copyPage(cpu, frame, to);
      yield* this.tables.write(cpu, ptePa, (to | (entry & (PAGE_BYTES - 1))) >>> 0);
    }
    yield* cpu.dsb();
    yield* spinUnlock(cpu, space.lock, this.uncached);
    for (const { frame } of taken) yield* this.frames.free(cpu, frame);
    this.note(cpu, began, taken.length);
  }

  private *takeAway(cpu: Cpu, space: AddressSpace, va: number, pages: number): Steps<Taken[]> {
    const taken: Taken[] = [];
    const first = va >>> PAGE_SHIFT;
    for (let page = first; page < Math.min(first + pages, 1 << 20); page++) {
      const ptePa = yield* this.tables.find(cpu, space.root, page * PAGE_BYTES);
      if (ptePa < 0) continue;
      const entry = yield* this.tables.exchange(cpu, ptePa, (now) => (now & PTE.VALID ? 0 : undefined));
      if ((entry & PTE.VALID) !== 0) taken.push({ page, ptePa, frame: frameAddress(entry), entry });
    }
    if (taken.length === 0) return taken;
    const span = taken[taken.length - 1].page - taken[0].page + 1;
    yield* this.flush.range(cpu, space, taken[0].page * PAGE_BYTES, span);
    for (const { ptePa } of taken) this.checker?.contract(cpu, ptePa);
    return taken;
  }

  /**
   * What a fork does to its caller: every writable page becomes read-only, and the first store to each
   * copies it. The child only holds the originals; each is freed when it has been copied.
   */
  *fork(cpu: Cpu, space: AddressSpace): Steps {
    yield* spinLock(cpu, space.lock, this.uncached);
    const began = cpu.clock;
    const protectedPtes: number[] = [];
    yield* this.protectTable(cpu, space.root, 0, protectedPtes);
    yield* this.flush.mm(cpu, space);
    for (const ptePa of protectedPtes) this.checker?.contract(cpu, ptePa);
    yield* spinUnlock(cpu, space.lock, this.uncached);
    this.note(cpu, began, protectedPtes.length);
  }

  private *protectTable(cpu: Cpu, table: number, level: number, done: number[]): Steps {
    const { platform, translation } = this.machine;
    const { bits } = platform.mmu.levels[level];
    for (let i = 0; i < 1 << bits; i++) {
      const at = table + i * platform.mmu.entryBytes;
      const entry = yield* this.tables.read(cpu, at);
      if ((entry & PTE.VALID) === 0) continue;
      if (level < translation.depth) {
        yield* this.protectTable(cpu, frameAddress(entry), level + 1, done);
      } else if ((entry & PTE.WRITE) !== 0) {
        yield* this.tables.exchange(cpu, at, (now) => ((now & ~PTE.WRITE) | COPY_ON_WRITE) >>> 0);
        done.push(at);
      }
    }
  }

  /** Through the caches, whatever the rest of the kernel does: the program's newest words are there. */
  private *copyPage(cpu: Cpu, from: number, to: number): Steps {
    for (let at = 0; at < PAGE_BYTES; at += 4) {
      const word = yield* cpu.loadPhysical(from + at);
      yield* cpu.storePhysical(to + at, word);
    }
  }

  private note(cpu: Cpu, began: number, pages: number): void {
    const { notes } = cpu.hw;
    notes[TRACE_NOTE.SHOOTDOWNS]++;
    notes[TRACE_NOTE.SHOOTDOWN_CYCLES] += cpu.clock - began;
    notes[TRACE_NOTE.SHOOTDOWN_PAGES] += pages;
  }

  /** Page-fault handler: first touch, copy on write, bits that the platform leaves to software. */
  *fault(cpu: Cpu, fault: Fault): Steps<boolean> {
    if (fault.kind === 'bus' || fault.kind === 'conflict') return false;
    const space = this.current(cpu);
    if (!space) return false;
    yield* spinLock(cpu, space.lock, this.uncached);
    const ptePa = yield* this.tables.find(cpu, space.root, fault.va);
    const entry = ptePa < 0 ? 0 : yield* this.tables.read(cpu, ptePa);
    if ((entry & PTE.VALID) === 0) yield* this.populate(cpu, space, fault.va);
    else if (fault.write && (entry & COPY_ON_WRITE) !== 0) {
      yield* this.copyOnWrite(cpu, space, fault.va, ptePa, entry);
    } else yield* this.setBits(cpu, space, fault, ptePa, entry);
    yield* spinUnlock(cpu, space.lock, this.uncached);
    return true;
  }

  private *populate(cpu: Cpu, space: AddressSpace, va: number): Steps {
    const page = va >>> PAGE_SHIFT;
    const frame = yield* this.frames.allocate(cpu, page);
    // A kernel that bypasses the caches leaves what was in the frame: a trace carries no values.
    if (!this.uncached) yield* cpu.fillPhysical(frame, PAGE_BYTES, 0);
    const ptePa = yield* this.tables.build(cpu, space.root, va, (by) => this.frames.allocate(by, page >>> 9));
    yield* this.tables.write(cpu, ptePa, (frame | PERMISSIONS) >>> 0);
    yield* cpu.dsb();
    cpu.hw.notes[TRACE_NOTE.PAGES_MAPPED]++;
  }

  private *copyOnWrite(cpu: Cpu, space: AddressSpace, va: number, ptePa: number, entry: number): Steps {
    const from = frameAddress(entry);
    const to = yield* this.frames.allocate(cpu, va >>> PAGE_SHIFT);
    yield* this.copyPage(cpu, from, to);
    yield* this.tables.write(cpu, ptePa, (to | PERMISSIONS) >>> 0);
    yield* this.flush.page(cpu, space, va & -PAGE_BYTES);
    this.checker?.contract(cpu, ptePa);
    yield* this.frames.free(cpu, from);
    cpu.hw.notes[TRACE_NOTE.PAGES_COPIED]++;
  }

  private *setBits(cpu: Cpu, space: AddressSpace, fault: Fault, ptePa: number, entry: number): Steps {
    const bits = PTE.ACCESSED | (fault.write ? PTE.DIRTY : 0);
    if ((entry & bits) !== bits) yield* this.tables.exchange(cpu, ptePa, (now) => (now | bits) >>> 0);
    yield* cpu.dsb();
    // Only this CPU: another that still has less than it may simply faults as well.
    yield* cpu.tlbiLocal(TLBI_VA, fault.va, 1, this.machine.translation.hasAsids ? space.asid : 0);
  }

  /** Software refill: the kernel walks the tables and fills the TLB itself, as on MIPS. */
  *refill(cpu: Cpu, fault: Fault): Steps<boolean> {
    const space = this.current(cpu);
    const ptePa = space ? yield* this.tables.find(cpu, space.root, fault.va) : -1;
    if (ptePa < 0) return false;
    return yield* cpu.refillFrom(ptePa, fault.va, fault.fetch, this.tables.readsUncached);
  }

  *interrupt(cpu: Cpu, vector: number): Steps {
    if (vector === CALL_VECTOR) yield* this.calls.handle(cpu);
  }

  private current(cpu: Cpu): AddressSpace | undefined {
    const root = cpu.hw.ctl[CTL.ROOT];
    return this.layout.spaces.find((space) => space.root === root);
  }
}

interface Taken {
  readonly page: number;
  readonly ptePa: number;
  readonly frame: number;
  readonly entry: number;
}
