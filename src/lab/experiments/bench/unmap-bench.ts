/** Pages unmapped one after the other, with the flushes one by one, put together, or waited for at the end. */
import { type BootPage, bootAllInto, bootMap } from '../../../kernel/boot-process.ts';
import { withoutPaging } from '../../../kernel/boot-user.ts';
import {
  type Kernel,
  type KernelLayout,
  layKernel,
  properKernel,
  READ_WRITE,
} from '../../../kernel/kernel.ts';
import type { Cpu, Steps } from '../../../machine/cpu.ts';
import { TLBI_VA } from '../../../machine/tlb.ts';
import type { Workload } from '../../../program/workload.ts';
import { layMeeting, Meeting, type MeetingLayout } from './meeting.ts';

export const unmapMethods = {
  each: 'each page is flushed, and waited for, before the next (ptep_clear_flush)',
  gather: 'all entries are cleared, then one flush of the range (mmu_gather)',
  deferred: 'each page is broadcast at once, and all are waited for at the end (arm64, commit 43b3dfdd0455)',
  whole: 'all entries are cleared, then one flush of the space (reclaim on x86, tlb_ubc)',
} as const;
export type UnmapMethod = keyof typeof unmapMethods;

export interface UnmapBench {
  readonly method: UnmapMethod;
  readonly pages: number;
  readonly rounds: number;
}

/** Figures in the notes of CPU 0. */
export const UNMAP_NOTE = { CYCLES: 0 } as const;

const BASE = 0x4000_0000;

interface Layout {
  readonly kernel: KernelLayout;
  readonly meeting: MeetingLayout;
  readonly pages: readonly BootPage[];
}

export function unmapWorkload(bench: UnmapBench): Workload<Layout> {
  return {
    setup(machine) {
      const { kernel, prepared } = layKernel(machine, ['process'], (boot, [space]) => ({
        pages: bootMap(boot, space, BASE, bench.pages, READ_WRITE),
        meeting: layMeeting(boot),
      }));
      bootAllInto(machine, kernel.spaces[0]);
      return { kernel, ...prepared };
    },
    start({ machine, checker, cpu, layout }) {
      const kernel = properKernel(machine, layout.kernel, checker);
      const meeting = new Meeting(cpu, layout.meeting, kernel.uncached);
      return { program: run(cpu, bench, kernel, layout.pages, meeting), vectors: withoutPaging(kernel) };
    },
  };
}

function* run(
  cpu: Cpu,
  bench: UnmapBench,
  kernel: Kernel,
  pages: readonly BootPage[],
  meeting: Meeting,
): Steps {
  const trace = Uint32Array.from(pages, ({ va }) => va);
  for (let round = -1; round < bench.rounds; round++) {
    yield* cpu.touch(trace, 0, trace.length, 1);
    yield* meeting.meet();
    if (cpu.index === 0) {
      yield* cpu.compute(1000 * cpu.machine.options.cpus);
      const began = cpu.clock;
      yield* unmap(cpu, bench.method, kernel, pages);
      if (round >= 0) cpu.hw.notes[UNMAP_NOTE.CYCLES] += cpu.clock - began;
      for (const { ptePa, frame } of pages) {
        yield* kernel.tables.write(cpu, ptePa, (frame | READ_WRITE) >>> 0);
      }
      yield* cpu.dsb();
    }
    yield* meeting.meet();
  }
}

function* unmap(cpu: Cpu, method: UnmapMethod, kernel: Kernel, pages: readonly BootPage[]): Steps {
  const [space] = kernel.spaces;
  const asid = cpu.machine.translation.hasAsids ? space.asid : 0;
  for (const { va, ptePa } of pages) {
    yield* kernel.tables.exchange(cpu, ptePa, () => 0);
    if (method === 'each') yield* kernel.flush.page(cpu, space, va);
    if (method !== 'deferred') continue;
    // dsb(ishst) of __flush_tlb_page_nosync: it waits for stores alone, not for the broadcasts before.
    yield* cpu.dmb();
    yield* cpu.tlbiBroadcast(TLBI_VA, va, 1, asid);
  }
  if (method === 'gather') yield* kernel.flush.range(cpu, space, pages[0].va, pages.length);
  if (method === 'whole') yield* kernel.flush.mm(cpu, space);
  if (method === 'deferred') yield* cpu.dsb();
}
