/**
 * Programs whose flushes are timed: CPU 0 calls an interface once a round, the other CPUs run the same address
 * space, have used its pages and wait. The first round warms up the kernel's own lines and is not counted.
 */
import { bootInto, bootMap } from '../../kernel/boot-process.ts';
import { coherencyHandler } from '../../kernel/coherency-exception.ts';
import { Contexts, layContexts } from '../../kernel/contexts.ts';
import { FlushArchitecture } from '../../kernel/flush/architecture.ts';
import { ALIAS_SITES } from '../../kernel/flush/update-mmu-cache.ts';
import { FIRST_CALL, type Kernel, layKernel, properKernel, READ_WRITE } from '../../kernel/kernel.ts';
import { bootMapping, laySharedPage } from '../../kernel/rmap.ts';
import { PTE } from '../../machine/attributes.ts';
import type { Cpu, Steps, Vectors } from '../../machine/cpu.ts';
import type { Machine } from '../../machine/machine.ts';
import { colours, KERNEL_BASE, PAGE_SHIFT } from '../../machine/platform.ts';
import { COUNT } from '../../machine/registers.ts';
import type { Parameters, Workload } from '../../program/workload.ts';
import type { CostDesk, FlushCostLayout } from './desk.ts';
import { type OperationName, operations } from './operations.ts';

/** Figures that the programs leave in their notes; of CPU 0 unless told otherwise. */
export const FLUSH_NOTE = { ROUNDS: 0, CYCLES: 1, AFTER_CYCLES: 2, AFTER_MISSES: 3, LOST_CYCLES: 4 } as const;

const ROUNDS = 4;
/** Work before each call, long enough for everything on its way to arrive. */
const QUIET_UNITS = 100_000;
const USER = 0x4000_0000;
/** Of another colour than USER in every cache that has colours. */
const ALIAS = USER + 0x0100_9000;
const KERNEL_PAGE = KERNEL_BASE + 0x0100_0000;

/** What is timed, as plain data. */
export interface FlushCostSettings {
  readonly operation: OperationName;
  readonly pages: number;
  /** Whether the lines of the pages are dirty in CPU 0's cache before, or none is there. */
  readonly cache: 'dirty' | 'cold';
  /** Address spaces that have run. */
  readonly contexts: number;
}

function createWorkload(parameters: Parameters): Workload<FlushCostLayout> {
  const settings = parameters as unknown as FlushCostSettings;
  return {
    setup: (machine) => layOut(machine, settings),
    start: ({ machine, checker, cpu, layout }) => {
      let kernel: Kernel;
      const contexts = new Contexts(() => kernel, layout.contexts, FIRST_CALL);
      kernel = properKernel(machine, layout.kernel, checker, [(by, index) => contexts.handle(by, index)]);
      const vectors: Vectors = {
        *fault() {
          return false;
        },
        interrupt: (by, vector) => kernel.interrupt(by as Cpu, vector),
        refill: (by, fault) => kernel.refill(by as Cpu, fault),
        coherencyException: (by, fault) => coherencyHandler(by as Cpu, fault),
      };
      const calls = new FlushArchitecture(kernel, checker, ['cost', ...Object.keys(ALIAS_SITES)]).at('cost');
      const desk: CostDesk = {
        kernel,
        contexts,
        calls,
        layout,
        user: USER,
        kernelPage: KERNEL_PAGE,
        pages: settings.pages,
      };
      const program = cpu.index === 0 ? initiate(cpu, desk, settings) : serve(cpu, desk);
      return { program, vectors };
    },
  };
}

/** The programs, and the URL that jobs name them by. */
export default { module: import.meta.url, createWorkload };

function layOut(machine: Machine, { pages, contexts }: FlushCostSettings): FlushCostLayout {
  const names = Array.from({ length: contexts }, (_, i) => `process ${i}`);
  const kernelBits = READ_WRITE | (machine.platform.mmu.kernelMappings === 'global' ? PTE.GLOBAL : 0);
  const { kernel, prepared } = layKernel(machine, names, (boot, spaces, lock) => {
    const mapped = bootMap(boot, spaces[0], USER, pages, READ_WRITE | PTE.EXECUTE);
    const mask = colours(machine.platform.l1d) - 1;
    const frames = mapped.map(({ va, frame, ptePa }) => {
      let at = frame;
      // Another colour than the page's: the kernel's mapping is an alias.
      while (mask > 0 && (((at ^ va) >>> PAGE_SHIFT) & mask) === 0) at = boot.pages(1);
      machine.poke(ptePa, (at | READ_WRITE | PTE.EXECUTE) >>> 0);
      return at;
    });
    for (const space of spaces) bootMap(boot, space, KERNEL_PAGE, 1, kernelBits);
    const [alias] = bootMap(boot, spaces[0], ALIAS, 1, READ_WRITE);
    const sharedEntry = (frames[0] | READ_WRITE | PTE.EXECUTE) >>> 0;
    machine.poke(alias.ptePa, sharedEntry);
    const shared = laySharedPage(boot, frames[0], lock('shared page'));
    for (const va of [USER, ALIAS]) bootMapping(machine, shared, 0, va);
    const sharedPtes = [mapped[0].ptePa, alias.ptePa];
    const readyPa = machine.state.processors.map(() => boot.line());
    const layout = layContexts(boot, spaces, lock('contexts'));
    const donePa = boot.line();
    return { frames, shared, alias: ALIAS, sharedPtes, sharedEntry, readyPa, donePa, contexts: layout };
  });
  for (const { index } of machine.state.processors) {
    // All have run everywhere, and the first one last.
    for (const space of [...kernel.spaces].reverse()) bootInto(machine, index, space);
  }
  return { kernel, ...prepared };
}

function* initiate(cpu: Cpu, desk: CostDesk, { operation, cache }: FlushCostSettings): Steps {
  const { layout, kernel } = desk;
  const { act, prepare, isContext } = operations[operation];
  const { notes, counters } = cpu.hw;
  for (let round = 1; round <= ROUNDS; round++) {
    yield* untilReady(cpu, desk, 2 * round - 1);
    if (cache === 'dirty') yield* prepare(cpu, desk);
    yield* tell(cpu, kernel, layout.donePa, 2 * round - 1);
    yield* untilReady(cpu, desk, 2 * round);
    // The interconnect may be busy yet with what the last call has sent.
    yield* cpu.compute(QUIET_UNITS);
    const began = cpu.clock;
    yield* act(cpu, desk);
    const ended = cpu.clock;
    const misses = counters[COUNT.tlbMisses];
    if (isContext) yield* prepare(cpu, desk);
    if (round > 1) {
      notes[FLUSH_NOTE.ROUNDS]++;
      notes[FLUSH_NOTE.CYCLES] += ended - began;
      notes[FLUSH_NOTE.AFTER_CYCLES] += cpu.clock - ended;
      notes[FLUSH_NOTE.AFTER_MISSES] += counters[COUNT.tlbMisses] - misses;
    }
    yield* tell(cpu, kernel, layout.donePa, 2 * round);
  }
}

function* untilReady(cpu: Cpu, { layout, kernel }: CostDesk, count: number): Steps {
  const options = { why: 'a target that is not ready', uncached: kernel.uncached };
  for (const pa of layout.readyPa.slice(1)) yield* cpu.waitUntil(pa, (ready) => ready >= count, options);
}

function* tell(cpu: Cpu, kernel: Kernel, pa: number, count: number): Steps {
  yield* cpu.storePhysical(pa, count, 4, kernel.uncached);
  yield* cpu.dsb();
}

/** A target: uses the pages, and is there when CPU 0, which has used them after it, calls. */
function* serve(cpu: Cpu, { layout, kernel, user, pages }: CostDesk): Steps {
  const { notes, counters } = cpu.hw;
  const options = { why: 'the CPU that flushes', from: 0, uncached: kernel.uncached };
  for (let round = 1; round <= ROUNDS; round++) {
    for (let page = 0; page < pages; page++) yield* cpu.load(user + (page << PAGE_SHIFT));
    yield* tell(cpu, kernel, layout.readyPa[cpu.index], 2 * round - 1);
    yield* cpu.waitUntil(layout.donePa, (done) => done >= 2 * round - 1, options);
    const before = counters[COUNT.interruptCycles] + counters[COUNT.stolenCycles];
    yield* tell(cpu, kernel, layout.readyPa[cpu.index], 2 * round);
    yield* cpu.waitUntil(layout.donePa, (done) => done >= 2 * round, options);
    if (round === 1) continue;
    notes[FLUSH_NOTE.LOST_CYCLES] += counters[COUNT.interruptCycles] + counters[COUNT.stolenCycles] - before;
  }
}
