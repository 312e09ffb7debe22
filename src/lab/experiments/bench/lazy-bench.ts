/**
 * A process unmaps pages while some CPUs that ran it run kernel threads: lazy, and left alone until they come back,
 * or called every time.
 */
import { type BootPage, bootAllInto, bootMap } from '../../../kernel/boot-process.ts';
import { withoutPaging } from '../../../kernel/boot-user.ts';
import { Kernel, type KernelLayout, layKernel, READ_WRITE } from '../../../kernel/kernel.ts';
import { LazyTlb, type LazyTlbLayout, layLazyTlb } from '../../../kernel/lazy-tlb.ts';
import { properFlush } from '../../../kernel/tlb-flush.ts';
import type { Cpu, Steps } from '../../../machine/cpu.ts';
import { COUNT } from '../../../machine/registers.ts';
import type { Workload } from '../../../program/workload.ts';
import { layMeeting, Meeting, type MeetingLayout } from './meeting.ts';

export interface LazyBench {
  readonly isLazy: boolean;
  /** CPUs from the last one down that run kernel threads. */
  readonly idle: number;
  /** Shootdowns, of a page each, until they come back. */
  readonly flushes: number;
  /** Pages that each CPU uses. */
  readonly pages: number;
  readonly rounds: number;
}

/** Figures in a CPU's notes: sums over the measured rounds. */
export const LAZY_NOTE = { CYCLES: 0, LOST: 1, WALKS: 2 } as const;

const TAKEN = 0x5000_0000;
const USED = 0x4000_0000;

interface Layout {
  readonly kernel: KernelLayout;
  readonly lazy: LazyTlbLayout;
  readonly meeting: MeetingLayout;
  readonly taken: BootPage;
}

export function lazyWorkload(bench: LazyBench): Workload<Layout> {
  return {
    setup(machine) {
      const { kernel, prepared } = layKernel(machine, ['process', 'kernel'], (boot, [space]) => {
        bootMap(boot, space, USED, bench.pages, READ_WRITE);
        return {
          taken: bootMap(boot, space, TAKEN, 1, READ_WRITE)[0],
          lazy: layLazyTlb(boot, machine.options.cpus),
          meeting: layMeeting(boot),
        };
      });
      bootAllInto(machine, kernel.spaces[0]);
      return { kernel, ...prepared };
    },
    start({ machine, checker, cpu, layout }) {
      const [space, kernelSpace] = layout.kernel.spaces;
      const uncached = machine.platform.coherence === 'none';
      const lazy = new LazyTlb(layout.lazy, space, kernelSpace, uncached);
      const targets = bench.isLazy ? { targets: lazy.targets } : {};
      const kernel = new Kernel(
        machine,
        layout.kernel,
        { ...properFlush('cross-call'), ...targets },
        checker,
      );
      const meeting = new Meeting(cpu, layout.meeting, kernel.uncached);
      return {
        program: run(cpu, bench, kernel, lazy, layout.taken, meeting),
        vectors: withoutPaging(kernel),
      };
    },
  };
}

function* run(
  cpu: Cpu,
  bench: LazyBench,
  kernel: Kernel,
  lazy: LazyTlb,
  taken: BootPage,
  meeting: Meeting,
): Steps {
  const { notes, counters } = cpu.hw;
  const { lineBytes } = cpu.machine.platform;
  const used = Uint32Array.from(
    { length: bench.pages },
    (_, i) => USED + i * 4096 + ((i * 5 * lineBytes) % 4096),
  );
  const isIdle = cpu.index >= cpu.machine.options.cpus - bench.idle;
  for (let round = -1; round < bench.rounds; round++) {
    yield* cpu.touch(used, 0, used.length, 1);
    yield* meeting.meet();
    const before = counters[COUNT.interruptCycles];
    if (isIdle && bench.isLazy) yield* lazy.enter(cpu);
    yield* meeting.meet();
    if (cpu.index === 0) {
      yield* cpu.compute(1000 * cpu.machine.options.cpus);
      const began = cpu.clock;
      yield* unmapAgainAndAgain(cpu, bench.flushes, kernel, taken);
      if (round >= 0) notes[LAZY_NOTE.CYCLES] += cpu.clock - began;
    }
    yield* meeting.meet();
    const began = cpu.clock;
    if (isIdle && bench.isLazy) yield* lazy.leave(cpu);
    const leaving = cpu.clock - began;
    const walks = counters[COUNT.walks];
    yield* cpu.touch(used, 0, used.length, 1);
    if (round < 0) continue;
    notes[LAZY_NOTE.LOST] += counters[COUNT.interruptCycles] - before + (isIdle ? leaving : 0);
    notes[LAZY_NOTE.WALKS] += counters[COUNT.walks] - walks;
  }
}

function* unmapAgainAndAgain(
  cpu: Cpu,
  flushes: number,
  kernel: Kernel,
  { ptePa, va, frame }: BootPage,
): Steps {
  const [space] = kernel.spaces;
  for (let i = 0; i < flushes; i++) {
    yield* kernel.tables.exchange(cpu, ptePa, () => 0);
    yield* kernel.flush.page(cpu, space, va);
    yield* kernel.tables.write(cpu, ptePa, (frame | READ_WRITE) >>> 0);
  }
  yield* cpu.dsb();
}
