/**
 * Programs of a few operations on a few words and pages, on machines that are small enough for all their
 * schedules to be tried, and what remains of a run when it is over.
 */
import type { Checker } from '../../src/checker/checker.ts';
import { type Budgets, Execution } from '../../src/explore/execution.ts';
import type { Job } from '../../src/hosts/job.ts';
import { coherencyHandler } from '../../src/kernel/coherency-exception.ts';
import { READ_WRITE } from '../../src/kernel/kernel.ts';
import { frameAddress, PTE } from '../../src/machine/attributes.ts';
import { type Cpu, SegmentationFault, type Steps, type Vectors } from '../../src/machine/cpu.ts';
import { bootTable, Device, DeviceFault } from '../../src/machine/device.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { Platform } from '../../src/machine/platform.ts';
import { CTL } from '../../src/machine/registers.ts';
import { TLBI_ALL, TLBI_ASID, TLBI_VA } from '../../src/machine/tlb.ts';
import type { Workload } from '../../src/program/workload.ts';

/** `word` and `page` are indices, see `Layout`. */
export type Op =
  | { readonly op: 'load' | 'add' | 'exclusive'; readonly word: number }
  | { readonly op: 'store'; readonly word: number; readonly value: number; readonly bytes?: number }
  | { readonly op: 'load-physical' | 'add-physical'; readonly word: number; readonly uncached?: boolean }
  | {
      readonly op: 'store-physical';
      readonly word: number;
      readonly value: number;
      readonly uncached?: boolean;
    }
  | { readonly op: 'dmb' | 'dsb' | 'isb' | 'mask' | 'unmask' | 'wfi' | 'flush-all' | 'flush-asid' }
  | { readonly op: 'flush' | 'broadcast' | 'contract' | 'free'; readonly page: number }
  | { readonly op: 'unmap' | 'remap' | 'clean-entry'; readonly page: number }
  | { readonly op: 'clean'; readonly word: number; readonly invalidate: boolean }
  | { readonly op: 'ipi'; readonly to: number; readonly vector: number }
  | { readonly op: 'signal' | 'wait' | 'wait-for'; readonly flag: number }
  | { readonly op: 'switch'; readonly space: number }
  | { readonly op: 'fetch' | 'fetch-ahead'; readonly word: number }
  | { readonly op: 'io-flush'; readonly page: number }
  /** Those of a device. */
  | { readonly op: 'dma-read'; readonly word: number }
  | { readonly op: 'dma-write'; readonly word: number; readonly value: number };

export interface SmallProgram {
  readonly cpus: readonly (readonly Op[])[];
  /** So many of them, the last ones, are devices. Behind an IOMMU their table is the first space's. */
  readonly devices?: number;
  /** CPUs whose TLBs know both pages when the run begins. */
  readonly warm: boolean;
  /** What each interrupt handler does, by vector. */
  readonly handlers: readonly (readonly Op[])[];
}

interface Layout {
  /** Physical addresses: two words of one line, one of another line of that page, one of the second page. */
  readonly words: readonly number[];
  /** Virtual addresses of the same words. */
  readonly virtual: readonly number[];
  readonly flags: readonly number[];
  /** Table entries of the two pages, in the first space. */
  readonly entries: readonly number[];
  /** Frames of the two pages, and the one that a page is mapped to instead. */
  readonly frames: readonly number[];
  readonly roots: readonly number[];
}

const BASE = 0x4000_0000;
const PAGE = 4096;
/** In place of a value, for an access that faulted. */
const FAULTED = -1;

/** Frames from the second one up, in this order: three of data, flags, then tables. */
function lay(machine: Machine, warm: boolean): Layout {
  const frames = [1, 2, 3].map((n) => n * PAGE);
  const flagFrame = 4 * PAGE;
  let next = 5 * PAGE;
  const entries: number[] = [];
  const table = () => {
    next += PAGE;
    return next - PAGE;
  };
  const { translation, state } = machine;
  const rootBytes = (1 << machine.platform.mmu.levels[0].bits) * machine.platform.mmu.entryBytes;
  const roots = [0, 1].map((space) => {
    const root = Math.ceil(next / Math.max(PAGE, rootBytes)) * Math.max(PAGE, rootBytes);
    next = root + Math.max(PAGE, rootBytes);
    for (const page of [0, 1]) {
      const va = BASE + page * PAGE;
      let at = root;
      for (let level = 0; level < translation.depth; level++) {
        const entry = translation.entryAddress(at, level, va);
        if ((machine.peek(entry) & PTE.VALID) === 0) {
          machine.poke(entry, (table() | PTE.VALID | PTE.TABLE) >>> 0);
        }
        at = frameAddress(machine.peek(entry));
      }
      const leaf = translation.entryAddress(at, translation.depth, va);
      // The second space has its pages the other way round.
      machine.poke(leaf, (frames[space === 0 ? page : 1 - page] | READ_WRITE | PTE.EXECUTE) >>> 0);
      if (space === 0) entries.push(leaf);
    }
    return root;
  });
  for (const [device] of state.devices.entries()) bootTable(machine, device, roots[0]);
  for (const { index, ctl } of state.processors) {
    ctl[CTL.ROOT] = roots[0];
    ctl[CTL.ASID] = 1;
    ctl[CTL.MMU_ON] = 1;
    if (!warm) continue;
    for (const page of [0, 1]) {
      const found = { pte: machine.peek(entries[page]) | 0, ptePa: entries[page], pteVersion: 0 };
      translation.fill(state.cpus[index], BASE + page * PAGE, 0, found, false);
    }
  }
  const line = machine.platform.lineBytes;
  return {
    words: [frames[0], frames[0] + 4, frames[0] + line, frames[1]],
    virtual: [BASE, BASE + 4, BASE + line, BASE + PAGE],
    flags: [0, 1].map((n) => flagFrame + n * line),
    entries,
    frames,
    roots,
  };
}

/** A program on a machine, ready to be run again and again. */
export class SmallRun {
  readonly execution: Execution;
  /** What each CPU's program and handlers have read since the start, in order. */
  private readonly seen: number[][] = [];
  private machine: Machine | undefined;
  private layout: Layout | undefined;

  constructor(
    platform: Platform,
    program: SmallProgram,
    budgets: Budgets,
    keepGoing: boolean,
    strict = false,
  ) {
    const workload: Workload<Layout> = {
      setup: (machine) => {
        this.machine = machine;
        this.layout = lay(machine, program.warm);
        return this.layout;
      },
      start: ({ cpu, checker, layout }) => {
        this.seen[cpu.index] = [];
        const desk = { cpu, checker, layout, seen: this.seen[cpu.index] };
        return {
          program: perform(desk, program.cpus[cpu.index]),
          vectors: vectorsOf(desk, program.handlers),
        };
      },
      speculation: ({ virtual }) => [virtual[0]],
    };
    const job: Job = {
      platform,
      cpus: program.cpus.length,
      devices: program.devices ?? 0,
      source: { module: '', parameters: {} },
      seed: 1,
      checked: true,
      keepGoing,
      strict,
      quantumCycles: 1e9,
      maxSteps: 2000,
      maxSeconds: 60,
    };
    this.execution = new Execution(job, workload, budgets);
  }

  /**
   * What is left of the run that has just ended: how it ended, its findings, what was read, and the newest
   * value of every word that programs write. Where a finding ends a run, what else had happened until then
   * is the schedule's own affair, and only the finding counts.
   */
  ending(): string {
    const { machine, layout, seen } = this;
    const shadow = machine?.state.shadow;
    if (!machine || !layout || !shadow) throw new Error('the run has no checked machine');
    const { outcome, findings, error } = this.execution.result();
    const found = findings.map(({ kind, cpu, va, pa }) => `${kind} ${cpu} ${va} ${pa}`).sort();
    if (outcome === 'finding' && this.execution.job.keepGoing !== true) return found.join();
    // Who waits for whom is known before the others have come to rest.
    if (outcome === 'deadlock' && found.some((text) => text.startsWith('deadlock'))) {
      if (machine.state.cpus.some((cpu) => cpu.ctl[CTL.WAITS_FOR] !== 0)) return 'deadlock by name';
    }
    const memory = [...layout.words, ...layout.flags, ...layout.entries, layout.frames[2]];
    const values = memory.map((pa) => shadow.value[pa >>> 2] >>> 0);
    return JSON.stringify([outcome, found, seen, values, error?.split('\n')[0]]);
  }
}

interface Desk {
  readonly cpu: Cpu;
  readonly checker: Checker | null;
  readonly layout: Layout;
  readonly seen: number[];
}

function vectorsOf(desk: Desk, handlers: readonly (readonly Op[])[]): Vectors {
  return {
    interrupt: (_, vector) => perform(desk, handlers[vector] ?? []),
    coherencyException: coherencyHandler,
    *fault() {
      return false;
    },
    *refill() {
      return false;
    },
  };
}

function* perform(desk: Desk, ops: readonly Op[]): Steps {
  for (const op of ops) {
    try {
      const value = yield* performOne(desk, op);
      if (value !== undefined) desk.seen.push(value);
    } catch (error) {
      if (!(error instanceof SegmentationFault || error instanceof DeviceFault)) throw error;
      desk.seen.push(FAULTED);
    }
  }
}

function* performOne({ cpu, checker, layout }: Desk, op: Op): Steps<number | undefined> {
  const { words, virtual, flags, entries, frames, roots } = layout;
  switch (op.op) {
    case 'load':
      return yield* cpu.load(virtual[op.word]);
    case 'store':
      yield* cpu.store(virtual[op.word], op.value, op.bytes ?? 4);
      return;
    case 'add':
      return yield* cpu.fetchAdd(virtual[op.word], 1);
    case 'exclusive': {
      const old = yield* cpu.loadExclusive(virtual[op.word]);
      return (yield* cpu.storeExclusive(virtual[op.word], old + 100)) ? 1 : 0;
    }
    case 'load-physical':
      return yield* cpu.loadPhysical(words[op.word], 4, op.uncached);
    case 'store-physical':
      yield* cpu.storePhysical(words[op.word], op.value, 4, op.uncached);
      return;
    case 'add-physical':
      return yield* cpu.modifyPhysical(words[op.word], (n) => (n + 1) >>> 0, op.uncached);
    case 'dmb':
      yield* cpu.dmb();
      return;
    case 'dsb':
      yield* cpu.dsb();
      return;
    case 'mask':
      cpu.maskInterrupts();
      return;
    case 'unmask':
      if (cpu.hw.ctl[CTL.IRQ_MASKED] > 0) cpu.unmaskInterrupts();
      return;
    case 'wfi':
      yield* cpu.wfi();
      return;
    case 'flush':
      yield* cpu.tlbiLocal(TLBI_VA, BASE + op.page * PAGE, 1, 1);
      return;
    case 'flush-all':
      yield* cpu.tlbiLocal(TLBI_ALL, 0, 1, 0);
      return;
    case 'flush-asid':
      yield* cpu.tlbiLocal(TLBI_ASID, 0, 1, 1);
      return;
    case 'broadcast':
      if (cpu.machine.platform.broadcast) yield* cpu.tlbiBroadcast(TLBI_VA, BASE + op.page * PAGE, 1, 1);
      else yield* cpu.tlbiLocal(TLBI_VA, BASE + op.page * PAGE, 1, 1);
      return;
    case 'contract':
      checker?.contract(cpu, entries[op.page]);
      return;
    case 'free':
      checker?.frameFreed(frames[op.page] >>> 12);
      return;
    case 'unmap':
      yield* writeEntry(cpu, entries[op.page], 0);
      return;
    case 'remap':
      yield* writeEntry(cpu, entries[op.page], (frames[2] | READ_WRITE) >>> 0);
      return;
    case 'clean-entry':
      yield* writeEntry(cpu, entries[op.page], (frames[op.page] | PTE.VALID | PTE.WRITE) >>> 0);
      return;
    case 'clean':
      yield* cpu.drainAll();
      yield 0;
      cpu.machine.caches.byAddressStep(
        cpu.hw,
        words[op.word],
        words[op.word],
        { clean: true, invalidate: op.invalidate },
        'memory',
      );
      return;
    case 'ipi':
      yield* cpu.sendIpi(op.to % cpu.machine.options.cpus, op.vector);
      return;
    case 'signal':
      yield* cpu.storePhysical(flags[op.flag], 1, 4, cpu.machine.platform.coherence === 'none');
      return;
    case 'wait':
      return yield* cpu.waitUntil(flags[op.flag], (n) => n !== 0, {
        why: 'the flag',
        uncached: cpu.machine.platform.coherence === 'none',
      });
    case 'wait-for':
      return yield* cpu.waitUntil(flags[op.flag], (n) => n !== 0, {
        why: 'the flag of the next CPU',
        from: (cpu.index + 1) % cpu.machine.options.cpus,
        uncached: cpu.machine.platform.coherence === 'none',
      });
    case 'fetch':
      return yield* cpu.fetch(virtual[op.word]);
    case 'fetch-ahead':
      yield* cpu.fetchAhead(virtual[op.word]);
      return;
    case 'isb':
      yield* cpu.isb();
      return;
    case 'io-flush':
      yield* cpu.invalidateIoTlb(0, BASE + op.page * PAGE);
      return;
    case 'dma-read':
      return yield* new Device(cpu).read(dmaAddress(cpu, layout, op.word));
    case 'dma-write':
      yield* new Device(cpu).write(dmaAddress(cpu, layout, op.word), op.value);
      return;
    case 'switch':
      yield* cpu.setContext(roots[op.space], op.space + 1);
  }
}

function dmaAddress(cpu: Cpu, { words, virtual }: Layout, word: number): number {
  return (cpu.machine.platform.dma.iommu ? virtual : words)[word];
}

/** The way that the platform's kernel writes entries, but for cleaning. */
function writeEntry(cpu: Cpu, ptePa: number, entry: number): Steps<number> {
  return cpu.storePhysical(ptePa, entry, 4, cpu.machine.platform.mmu.pageTables === 'uncached');
}
