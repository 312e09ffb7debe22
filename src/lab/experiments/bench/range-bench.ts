/**
 * One flush of so many pages, as the kernel of the platform does it; and what it costs to use a working set afterwards
 * that the flush had nothing to do with. The other CPUs have run the process and sleep.
 */
import { type BootPage, bootAllInto, bootInto, bootMap } from '../../../kernel/boot-process.ts';
import { withoutPaging } from '../../../kernel/boot-user.ts';
import {
  type Kernel,
  type KernelLayout,
  layKernel,
  properKernel,
  READ_WRITE,
} from '../../../kernel/kernel.ts';
import type { Cpu, Steps } from '../../../machine/cpu.ts';
import { PAGE_BYTES } from '../../../machine/platform.ts';
import { COUNT } from '../../../machine/registers.ts';
import type { Workload } from '../../../program/workload.ts';
import { FLUSH_PATH_LINES, KERNEL_WORK, TRACE_CYCLES } from './kernel-work.ts';
import { layMeeting, Meeting, type MeetingLayout } from './meeting.ts';

export interface RangeBench {
  readonly pages: number;
  /** By page, all of the space, or what the kernel of the platform chooses for so many pages. */
  readonly flush: 'page' | 'full' | 'kernel';
  /** Have the other CPUs run the process? */
  readonly isShared: boolean;
  /** Does the flush find its code and data in the private caches? */
  readonly isWarm: boolean;
  readonly isTraced: boolean;
  /** Pages that are used after the flush. */
  readonly working: number;
  readonly rounds: number;
}

/** Figures in the notes of CPU 0: sums over the measured rounds. */
export const RANGE_NOTE = { FLUSH: 0, WALKS: 1, USE: 2, USUAL: 3 } as const;

const RANGE = 0x5000_0000;
const WORKING = 0x4000_0000;

interface Layout {
  readonly kernel: KernelLayout;
  readonly meeting: MeetingLayout;
  readonly working: readonly BootPage[];
  /** Physical addresses: what the flush goes through, and what throws it out of the private caches. */
  readonly pathPa: number;
  readonly otherPa: number;
}

export function rangeWorkload(bench: RangeBench): Workload<Layout> {
  return {
    setup(machine) {
      const { l1d, l2, lineBytes } = machine.platform;
      const { kernel, prepared } = layKernel(machine, ['process', 'other'], (boot, [space]) => ({
        meeting: layMeeting(boot),
        working: bench.working > 0 ? bootMap(boot, space, WORKING, bench.working, READ_WRITE) : [],
        pathPa: boot.bytes(FLUSH_PATH_LINES * lineBytes, lineBytes),
        otherPa: boot.bytes(bench.isWarm ? 0 : sizeOf(l1d, l2), PAGE_BYTES),
      }));
      const [space, other] = kernel.spaces;
      if (bench.isShared) bootAllInto(machine, space);
      else for (const { index } of machine.state.cpus) bootInto(machine, index, index === 0 ? space : other);
      return { kernel, ...prepared };
    },
    start({ machine, checker, cpu, layout, seed }) {
      const kernel = properKernel(machine, layout.kernel, checker);
      const meeting = new Meeting(cpu, layout.meeting, kernel.uncached);
      const program = cpu.index === 0 ? flusher(cpu, bench, layout, kernel, meeting, seed) : sleeper(meeting);
      return { program, vectors: withoutPaging(kernel) };
    },
  };
}

/** More than the private caches hold. */
function sizeOf(l1d: { sizeBytes: number }, l2: { sizeBytes: number } | undefined): number {
  return 2 * Math.max(l1d.sizeBytes, l2?.sizeBytes ?? 0);
}

function* sleeper(meeting: Meeting): Steps {
  yield* meeting.meet();
  yield* meeting.meet();
}

function* flusher(
  cpu: Cpu,
  bench: RangeBench,
  layout: Layout,
  kernel: Kernel,
  meeting: Meeting,
  seed: number,
): Steps {
  const { notes, counters } = cpu.hw;
  const trace = useTrace(cpu, layout.working, seed);
  yield* meeting.meet();
  yield* cpu.compute(1000 * cpu.machine.options.cpus);
  for (let round = -1; round < bench.rounds; round++) {
    // Once to have the translations, once to see what using them costs.
    yield* cpu.touch(trace);
    const usualFrom = cpu.clock;
    yield* cpu.touch(trace);
    const usual = cpu.clock - usualFrom;
    if (!bench.isWarm) yield* throwOut(cpu, layout);
    const began = cpu.clock;
    yield* tracedFlush(cpu, bench, layout, kernel);
    const flush = cpu.clock - began;
    const walks = counters[COUNT.walks];
    const useFrom = cpu.clock;
    yield* cpu.touch(trace);
    if (round < 0) continue;
    notes[RANGE_NOTE.FLUSH] += flush;
    notes[RANGE_NOTE.WALKS] += counters[COUNT.walks] - walks;
    notes[RANGE_NOTE.USE] += cpu.clock - useFrom;
    notes[RANGE_NOTE.USUAL] += usual;
  }
  yield* meeting.meet();
}

function* tracedFlush(cpu: Cpu, bench: RangeBench, layout: Layout, kernel: Kernel): Steps {
  const { instructionCycles } = cpu.machine.platform.costs;
  const { lineBytes } = cpu.machine.platform;
  const [space] = kernel.spaces;
  if (bench.isTraced) yield* cpu.compute(TRACE_CYCLES / instructionCycles);
  if (!bench.isWarm) {
    yield* cpu.compute(KERNEL_WORK.flushCall);
    for (let line = 0; line < FLUSH_PATH_LINES; line++) {
      yield* cpu.loadPhysical(layout.pathPa + line * lineBytes, 4, kernel.uncached);
    }
  }
  if (bench.flush === 'full') yield* kernel.flush.mm(cpu, space);
  else if (bench.flush === 'kernel') yield* kernel.flush.range(cpu, space, RANGE, bench.pages);
  else yield* kernel.flush.pages(cpu, space, RANGE, bench.pages);
}

/** Another program's data takes the place of everything in the private caches. */
function* throwOut(cpu: Cpu, { otherPa }: Layout): Steps {
  const { lineBytes, l1d, l2 } = cpu.machine.platform;
  const end = otherPa + sizeOf(l1d, l2);
  for (let pa = otherPa; pa < end; pa += lineBytes) yield* cpu.loadPhysical(pa);
}

/**
 * All lines of the working set, page by page in an order drawn from the seed: between two uses of a line of page table
 * entries so much data goes through the caches that it comes from behind the private ones, as for a program that works.
 */
function useTrace(cpu: Cpu, working: readonly BootPage[], seed: number): Uint32Array {
  const { lineBytes } = cpu.machine.platform;
  const pages = working.map(({ va }) => va);
  let state = (seed | 0) ^ 0x9e37_79b9 || 1;
  for (let i = pages.length - 1; i > 0; i--) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const j = (state >>> 0) % (i + 1);
    [pages[i], pages[j]] = [pages[j], pages[i]];
  }
  const lines = PAGE_BYTES / lineBytes;
  return Uint32Array.from({ length: pages.length * lines }, (_, i) => {
    return pages[Math.floor(i / lines)] + (i % lines) * lineBytes;
  });
}
