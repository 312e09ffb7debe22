/**
 * The example of "The Linux Cache Flush Architecture": task 1 writes a page and forks, task 2 shares it read-only
 * and stores to it, the kernel copies it through its own mappings, and both go on reading. One CPU runs the tasks
 * in turn. A second page is read and stored to by task 1, right after fork.
 *
 * Where there are three CPUs, a third page is shared with a task that is exiting: its mapping has gone, its
 * reference has not. While CPU 0 copies it, CPU 1 runs another thread of task 2, and CPU 2 drops that reference.
 */
import { bootInto } from '../../kernel/boot-process.ts';
import { COW_SITES, type CowMapping, forkPages } from '../../kernel/cow.ts';
import type { FlushArchitecture } from '../../kernel/flush/architecture.ts';
import { type KernelLayout, layKernel, properKernel, READ_WRITE } from '../../kernel/kernel.ts';
import { type CountedFrame, putPage } from '../../kernel/page-count.ts';
import { PTE } from '../../machine/attributes.ts';
import { type Cpu, noSteps, type Steps } from '../../machine/cpu.ts';
import { bootEmptyPage, bootMapEven, evenFramesFirst, oddPage } from './colours.ts';
import { cowAliasVariants } from './cow-alias-variants.ts';
import { kernelBuffer, loadAll, storeAll, storeShared, taskVectors } from './cow-tasks.ts';
import { defineFlushScenario } from './define-flush.ts';
import { awaitFlag, type Flags, layFlags, raiseFlag } from './flags.ts';

interface Task {
  readonly a: CowMapping;
  readonly b: CowMapping;
}

interface Layout {
  readonly kernel: KernelLayout;
  readonly one: Task;
  readonly two: Task;
  readonly a: CountedFrame;
  readonly b: CountedFrame;
  /** The page that task 2 shares with one that exits. */
  readonly exiting: { readonly mapping: CowMapping; readonly page: CountedFrame };
  /** Words by which the CPUs say how far they are. */
  readonly flags: Flags<Flag>;
}

type Flag = (typeof flagNames)[number];
const flagNames = ['ready', 'changed', 'dropped', 'touched', 'done'] as const;

const [A, B, EXITING] = [0, 1, 2].map(oddPage);

export default defineFlushScenario<Layout>({
  name: 'cow-alias',
  title: 'Copy on write through the kernel’s mappings: the example of the document',
  source:
    'David S. Miller, "The Linux Cache Flush Architecture" (tldp.org, Kernel Hackers’ Guide, memory/flush.html), flush_page_to_ram; do_wp_page of Linux 2.0 (mm/memory.c)',
  module: import.meta.url,
  sites: COW_SITES,
  neverMatters: {
    'cow.old-to-ram':
      'what is left of the kernel’s mapping of the old page agrees with it until somebody stores to it and the kernel reads it again: cow-alias-fork goes on to there',
  },
  variants: cowAliasVariants,
  cpus: 3,
  minCpus: 1,
  platform: 'arm1136',

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['task 1', 'task 2'], (boot, spaces) => {
      const counted = (frame: number, count: number): CountedFrame => {
        const countPa = boot.line();
        machine.poke(countPa, count);
        return { frame, countPa };
      };
      const pages = spaces.map((space, i) =>
        [A, B].map((va) => {
          const page = i === 0 ? bootMapEven(boot, space, va, READ_WRITE) : bootEmptyPage(boot, space, va);
          return { ...page, space };
        }),
      );
      const mapped = bootMapEven(boot, spaces[1], EXITING, READ_WRITE & ~PTE.WRITE);
      const [one, two] = pages.map(([a, b]) => ({ a, b }));
      return {
        one,
        two,
        a: counted(one.a.frame, 1),
        b: counted(one.b.frame, 1),
        exiting: { mapping: { ...mapped, space: spaces[1] }, page: counted(mapped.frame, 2) },
        flags: layFlags(boot, flagNames),
      };
    });
    evenFramesFirst(machine, kernel.frames);
    const [one, two] = kernel.spaces;
    for (const { index } of machine.state.cpus) bootInto(machine, index, index === 0 ? one : two);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout }, { variant }, flushesOf) {
    const kernel = properKernel(machine, layout.kernel, checker);
    const flushes = flushesOf(kernel);
    const program = (): Steps => {
      if (cpu.index === 0) return tasks(cpu, flushes, layout, variant === 'free-before-flush');
      if (cpu.index === 1 && machine.options.cpus > 2) return otherThread(cpu, flushes, layout);
      if (cpu.index === 2) return exit(cpu, flushes, layout);
      return noSteps();
    };
    return { program: program(), vectors: taskVectors(kernel) };
  },
});

/** Task 1, then task 2, then task 1. */
function* tasks(cpu: Cpu, flushes: FlushArchitecture, layout: Layout, freeBeforeFlush: boolean): Steps {
  const { one, two, a, b } = layout;
  const { kernel } = flushes;
  yield* storeAll(cpu, A, 1);
  yield* storeAll(cpu, B, 1);
  yield* forkPages(cpu, flushes, [
    { parent: one.a, child: two.a, page: a },
    { parent: one.b, child: two.b, page: b },
  ]);
  yield* loadAll(cpu, B);
  yield* storeShared(cpu, flushes, one.b, b, 2, { freeBeforeFlush });
  yield* kernel.switchMm(cpu, two.a.space);
  yield* loadAll(cpu, A);
  yield* kernelBuffer(cpu, kernel);
  yield* storeShared(cpu, flushes, two.a, a, 3, { freeBeforeFlush });
  yield* loadAll(cpu, A);
  yield* loadAll(cpu, B);
  if (cpu.machine.options.cpus > 2) yield* copyWhileExiting(cpu, flushes, layout, freeBeforeFlush);
  yield* kernel.switchMm(cpu, one.a.space);
  yield* loadAll(cpu, A);
  yield* storeShared(cpu, flushes, one.a, a, 4);
  yield* loadAll(cpu, A);
  yield* loadAll(cpu, B);
}

/** Task 2 stores to the page that it shares with the task that exits. */
function* copyWhileExiting(
  cpu: Cpu,
  flushes: FlushArchitecture,
  { exiting: { mapping, page }, flags }: Layout,
  freeBeforeFlush: boolean,
): Steps {
  const { uncached } = flushes.kernel;
  yield* awaitFlag(cpu, flags.ready, 1, uncached);
  const window = function* (): Steps {
    yield* raiseFlag(cpu, flags.changed, uncached);
    yield* awaitFlag(cpu, flags.touched, 1, uncached);
  };
  yield* storeShared(cpu, flushes, mapping, page, 5, { freeBeforeFlush, window });
  yield* raiseFlag(cpu, flags.done, uncached);
}

/** Another thread of task 2: reads the page before it is copied, while it is, and after. */
function* otherThread(cpu: Cpu, { kernel: { uncached } }: FlushArchitecture, { flags }: Layout): Steps {
  yield* loadAll(cpu, EXITING);
  yield* raiseFlag(cpu, flags.ready, uncached);
  yield* awaitFlag(cpu, flags.dropped, 2, uncached);
  yield* loadAll(cpu, EXITING);
  yield* raiseFlag(cpu, flags.touched, uncached);
  yield* awaitFlag(cpu, flags.done, 0, uncached);
  yield* loadAll(cpu, EXITING);
}

/** The end of the exit of the other task: its mapping has gone long since. */
function* exit(cpu: Cpu, { kernel }: FlushArchitecture, { exiting: { page }, flags }: Layout): Steps {
  yield* awaitFlag(cpu, flags.changed, 0, kernel.uncached);
  yield* putPage(cpu, kernel, page);
  yield* raiseFlag(cpu, flags.dropped, kernel.uncached);
}
