/** Programs of the scenario tlb-shootdown. */

import type { AddressSpace } from '../../kernel/address-space.ts';
import {
  Kernel,
  type KernelLayout,
  type KernelPolicy,
  layKernel,
  NOTE,
  READ_WRITE,
  USED,
} from '../../kernel/kernel.ts';
import { layTables } from '../../kernel/page-table.ts';
import { type Cpu, SegmentationFault, type Steps } from '../../machine/cpu.ts';
import type { Machine } from '../../machine/machine.ts';
import { PAGE_BYTES } from '../../machine/platform.ts';
import type { Parameters, ProgramContext, StartedProgram, Workload } from '../../program/workload.ts';

const BASE = 0x4000_0000;
/** Notes of the scenario, after the kernel's. */
export const SHOOTDOWN_NOTE = { ...NOTE, SPAN_CYCLES: NOTE.USER, ACCESSES: NOTE.USER + 1 } as const;

interface Layout {
  readonly kernel: KernelLayout;
  /** Counts the CPUs that are ready. */
  readonly readyPa: number;
  /** 1 when the unmapping CPU is done. */
  readonly donePa: number;
}

interface Settings {
  readonly variant: string;
  readonly pages: number;
  readonly rounds: number;
  readonly operation: string;
  readonly idle: number;
}

function policyOf(variant: string): KernelPolicy {
  const right = { barrierBefore: true, barrierAfter: true } as const;
  switch (variant) {
    case 'broadcast':
      return { mechanism: 'broadcast', ...right };
    case 'local-only':
      return { mechanism: 'local-only', ...right };
    case 'none':
      return { mechanism: 'none', ...right };
    case 'no-dsb-before':
      return { mechanism: 'broadcast', barrierBefore: false, barrierAfter: true };
    case 'no-dsb-after':
      return { mechanism: 'broadcast', barrierBefore: true, barrierAfter: false };
    case 'free-before-flush':
      return { mechanism: 'cross-call', ...right, freeBeforeFlush: true };
    default:
      return { mechanism: 'cross-call', ...right };
  }
}

export function createWorkload(parameters: Parameters): Workload<Layout> {
  const settings = parameters as unknown as Settings;
  return {
    setup: (machine) => setup(machine, settings),
    start: (context) => start(context, settings),
    speculation: () => Array.from({ length: settings.pages }, (_, i) => BASE + i * PAGE_BYTES),
  };
}

function setup(machine: Machine, settings: Settings): Layout {
  const { kernel, prepared } = layKernel(machine, ['process'], (boot, [space]) => {
    layTables(boot, space.root, BASE, settings.pages);
    return { readyPa: boot.line(), donePa: boot.line() };
  });
  return { kernel, ...prepared };
}

function start(context: ProgramContext<Layout>, settings: Settings): StartedProgram {
  const { machine, checker, cpu, layout } = context;
  const kernel = new Kernel(machine, layout.kernel, policyOf(settings.variant), checker);
  const shared: Shared = { kernel, space: layout.kernel.spaces[0], layout, settings };
  const last = settings.variant === 'irqs-off' ? 1 : 0;
  const program = cpu.index <= last ? unmapper(cpu, shared) : bystander(cpu, shared);
  return { program, vectors: kernel };
}

interface Shared {
  readonly kernel: Kernel;
  readonly space: AddressSpace;
  readonly layout: Layout;
  readonly settings: Settings;
}

/** The CPU that takes pages away; in variant irqs-off there are two, each with its own way to hang. */
function* unmapper(cpu: Cpu, shared: Shared): Steps {
  const { kernel, space, layout, settings } = shared;
  const { pages, rounds, variant } = settings;
  yield* kernel.switchMm(cpu, space);
  if (cpu.index === 0) yield* kernel.mmap(cpu, space, BASE, pages, READ_WRITE);
  yield* arrive(cpu, shared);
  if (variant === 'irqs-off') {
    cpu.maskInterrupts();
    // Both have masked before either calls: otherwise one may still answer the other.
    yield* arrive(cpu, shared, cpu.machine.options.cpus + Math.min(2, cpu.machine.options.cpus));
    yield* kernel.flush.range(cpu, space, BASE, pages);
    cpu.unmaskInterrupts();
    yield* cpu.storePhysical(layout.donePa, 1, 4, kernel.uncached);
    return;
  }
  const began = cpu.clock;
  for (let round = 0; round < rounds; round++) {
    const protect = settings.operation === 'mprotect' || (settings.operation === 'both' && round % 2 === 1);
    if (protect) yield* protectAndBack(cpu, shared);
    else yield* unmapAndReuse(cpu, shared);
  }
  cpu.hw.notes[SHOOTDOWN_NOTE.SPAN_CYCLES] = cpu.clock - began;
  yield* cpu.storePhysical(layout.donePa, 1, 4, kernel.uncached);
}

/** Takes the pages away, lets somebody else own their frames for a while, and maps fresh ones. */
function* unmapAndReuse(cpu: Cpu, { kernel, space, settings }: Shared): Steps {
  const { pages } = settings;
  yield* kernel.munmap(cpu, space, BASE, pages);
  const reused: number[] = [];
  for (let page = 0; page < pages; page++) {
    const frame = yield* kernel.frames.allocate(cpu);
    yield* cpu.storePhysical(frame, 0xdead_0000 + page);
    reused.push(frame);
  }
  yield* cpu.dmb();
  for (const frame of reused) yield* kernel.frames.free(cpu, frame);
  yield* kernel.mmap(cpu, space, BASE, pages, READ_WRITE);
}

/** Write-protects the pages, reads them while nobody may write, and lifts the protection. */
function* protectAndBack(cpu: Cpu, { kernel, space, settings }: Shared): Steps {
  const { pages } = settings;
  yield* kernel.mprotect(cpu, space, BASE, pages, USED);
  for (let page = 0; page < pages; page++) yield* cpu.load(BASE + page * PAGE_BYTES);
  // More permission needs no shootdown: who still has less faults and finds it.
  yield* kernel.mprotect(cpu, space, BASE, pages, READ_WRITE);
}

/** Another thread of the process: touches the pages until the unmapping CPU is done. */
function* bystander(cpu: Cpu, shared: Shared): Steps {
  const { kernel, space, layout, settings } = shared;
  yield* kernel.switchMm(cpu, space);
  yield* arrive(cpu, shared);
  let accesses = 0;
  const lastRound = settings.variant === 'irqs-off' ? 4 : Number.POSITIVE_INFINITY;
  for (let round = 0; round < lastRound; round++) {
    if ((yield* cpu.loadPhysical(layout.donePa, 4, kernel.uncached)) !== 0) break;
    for (let page = 0; page < settings.pages; page++) {
      const va = BASE + page * PAGE_BYTES + (cpu.index % 16) * 4;
      try {
        if (round % 2 === 0) yield* cpu.load(va);
        else yield* cpu.store(va, (round << 8) | cpu.index);
      } catch (error) {
        // The page is gone just now, or may only be read: what a correct shootdown makes of a late access.
        if (!(error instanceof SegmentationFault)) throw error;
      }
      accesses++;
      if (settings.idle > 0) yield* cpu.compute(settings.idle);
    }
  }
  cpu.hw.notes[SHOOTDOWN_NOTE.ACCESSES] = accesses;
}

/** All CPUs have the space before the first shootdown. */
function* arrive(cpu: Cpu, { kernel, layout }: Shared, arrivals = cpu.machine.options.cpus): Steps {
  yield* cpu.modifyPhysical(layout.readyPa, (n) => n + 1, kernel.uncached);
  yield* cpu.waitUntil(layout.readyPa, (n) => n >= arrivals, {
    why: 'the other CPUs to be ready',
    uncached: kernel.uncached,
  });
}
