/**
 * Programs whose ASIDs run out: each CPU switches between two address spaces, each of which is a new process every
 * time, so that every switch takes a number that nobody has used.
 */
import { layTagged, startTagged, type TaggedLayout } from '../../kernel/asid/allocator.ts';
import { allocatorKind } from '../../kernel/asid/kinds.ts';
import type { TaggedSpace } from '../../kernel/asid/tagged-space.ts';
import { bootInto, bootMap } from '../../kernel/boot-process.ts';
import { withoutPaging } from '../../kernel/boot-user.ts';
import { READ_WRITE } from '../../kernel/kernel.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { PAGE_BYTES } from '../../machine/platform.ts';
import { COUNT, CTL } from '../../machine/registers.ts';
import type { Parameters, Workload } from '../../program/workload.ts';

/** Figures that the programs leave in their notes, each its own CPU's. */
export const ROLLOVER_NOTE = {
  SWITCHES: 0,
  /** Cycles within `switchMm`, interrupts included. */
  CYCLES: 1,
  /** Switches of this CPU that found no number left, and their cycles. */
  ROLLOVERS: 2,
  ROLLOVER_CYCLES: 3,
  INTERRUPT_CYCLES: 4,
  WALKS: 5,
} as const;

/** Rollovers of a run, all CPUs together, and switches of each CPU at least. */
const ROLLOVERS = 4;
const SWITCHES = 16;
const USER = 0x4000_0000;
/** Pages that a process uses before it gives way. */
export const FOOTPRINT_PAGES = 8;
/** Other work of a process: short pieces, since an interrupt waits for the end of one. */
const WORK_PIECES = 50;
const PIECE_CYCLES = 400;

/** What is timed, as plain data. */
export interface RolloverSettings {
  readonly allocator: string;
  /** Usable ASIDs. */
  readonly asids: number;
}

function createWorkload(parameters: Parameters): Workload<TaggedLayout> {
  const { allocator, asids } = parameters as unknown as RolloverSettings;
  const kind = allocatorKind(allocator);
  return {
    setup(machine) {
      const cpus = machine.state.processors;
      const names = Array.from({ length: cpus.length * 2 }, (_, i) => `process ${i}`);
      const { layout } = layTagged(machine, kind, { asids, names }, (boot, spaces) => {
        for (const space of spaces) bootMap(boot, space, USER, FOOTPRINT_PAGES, READ_WRITE);
      });
      const running = cpus.map(({ index }) => index);
      const numbers = names.map((_, i) => (i < cpus.length ? i + 1 : 0));
      kind.boot(machine, layout.words, layout.spaces, asids, { numbers, running });
      for (const { index, ctl } of cpus) {
        bootInto(machine, index, layout.spaces[index]);
        ctl[CTL.ASID] = numbers[index];
      }
      return layout;
    },
    start({ machine, checker, cpu, layout }) {
      const { notes } = cpu.hw;
      const cpus = machine.state.processors.length;
      const { kernel, allocator: own } = startTagged(machine, kind, layout, checker, {
        asids,
        rolledOver: () => {
          notes[ROLLOVER_NOTE.ROLLOVERS]++;
        },
      });
      const { uncached } = kernel;
      const spaces = [layout.spaces[cpus + cpu.index], layout.spaces[cpu.index]];
      const switches = Math.max(SWITCHES, Math.ceil((ROLLOVERS * asids) / cpus));
      const program = run(cpu, (space) => own.switchMm(cpu, space), spaces, switches, uncached);
      return { program, vectors: withoutPaging(kernel) };
    },
  };
}

/** The programs, and the URL that jobs name them by. */
export default { module: import.meta.url, createWorkload };

function* run(
  cpu: Cpu,
  switchMm: (space: TaggedSpace) => Steps,
  spaces: readonly TaggedSpace[],
  switches: number,
  uncached: boolean,
): Steps {
  const { notes, counters } = cpu.hw;
  for (let turn = 0; turn < switches; turn++) {
    const space = spaces[turn & 1];
    // init_new_context: a process that has no number yet.
    yield* cpu.storePhysical(space.contextPa, 0, 4, uncached);
    yield* cpu.dsb();
    const began = cpu.clock;
    const before = notes[ROLLOVER_NOTE.ROLLOVERS];
    yield* switchMm(space);
    const cycles = cpu.clock - began;
    notes[ROLLOVER_NOTE.SWITCHES]++;
    notes[ROLLOVER_NOTE.CYCLES] += cycles;
    if (notes[ROLLOVER_NOTE.ROLLOVERS] > before) notes[ROLLOVER_NOTE.ROLLOVER_CYCLES] += cycles;
    for (let page = 0; page < FOOTPRINT_PAGES; page++) yield* cpu.load(USER + page * PAGE_BYTES);
    for (let piece = 0; piece < WORK_PIECES; piece++) yield* cpu.compute(PIECE_CYCLES);
  }
  notes[ROLLOVER_NOTE.INTERRUPT_CYCLES] = counters[COUNT.interruptCycles];
  notes[ROLLOVER_NOTE.WALKS] = counters[COUNT.walks];
}
