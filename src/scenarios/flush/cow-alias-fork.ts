/**
 * The sequence of three tasks by which "The Linux Cache Flush Architecture" argues that flushPageToRam must
 * invalidate lines even where the cache is write-through: as it stands there (`literal`), and the nearest ones in
 * which a line that the kernel’s mapping has kept is really old when the kernel reads through it again. In the
 * wrong variants flushPageToRam writes back, and leaves the lines.
 *
 * As it stands, nobody stores to the page that the kernel reads twice: it is read-only for as long as it is
 * shared. It takes a store between the two, by whoever has the page for itself, and a fork after it.
 */
import { bootInto } from '../../kernel/boot-process.ts';
import { COW_SITES, type CowMapping, forkPages } from '../../kernel/cow.ts';
import type { FlushArchitecture } from '../../kernel/flush/architecture.ts';
import { flushesBySpace } from '../../kernel/flush/cache-lines.ts';
import { type KernelLayout, layKernel, properKernel, READ_WRITE } from '../../kernel/kernel.ts';
import type { CountedFrame } from '../../kernel/page-count.ts';
import { type Cpu, noSteps, type Steps } from '../../machine/cpu.ts';
import type { Platform } from '../../machine/platform.ts';
import type { Expectation } from '../scenario.ts';
import { clean, flushed, found, storesAllocate, withoutAliases } from './alias-facts.ts';
import { bootEmptyPage, bootMapEven, evenFramesFirst, oddPage } from './colours.ts';
import { kernelBuffer, loadAll, storeAll, storeShared, taskVectors } from './cow-tasks.ts';
import { defineFlushScenario } from './define-flush.ts';
import { dataCacheFact, fact } from './facts.ts';

/** A page that task 1 shares with the two others sooner or later. */
interface Shared {
  readonly tasks: readonly CowMapping[];
  readonly page: CountedFrame;
  /** Physical address of the reference count of task 2’s copy of it. */
  readonly copyCountPa: number;
}

interface Layout {
  readonly kernel: KernelLayout;
  readonly first: Shared;
  readonly second: Shared;
}

/** How a sequence goes. */
interface Manner {
  readonly keepsKernelLines: boolean;
  /** The frame of task 2’s copy has lines of the kernel’s mapping before. */
  readonly cached?: boolean;
}

export default defineFlushScenario<Layout>({
  name: 'cow-alias-fork',
  title: 'Must flushPageToRam invalidate in a write-through cache? Three tasks that share a page',
  source:
    'David S. Miller, "The Linux Cache Flush Architecture" (tldp.org, Kernel Hackers’ Guide, memory/flush.html), the note on flush_page_to_ram',
  module: import.meta.url,
  sites: COW_SITES,
  variants: [
    {
      name: 'right',
      title: 'flushPageToRam leaves no line, in the sequences that need it',
      expectOn: (platform) => flushed(platform, 'every flush is made that the document asks for'),
    },
    {
      name: 'literal',
      title:
        'the document’s sequence: tasks 2 and 3 share task 1’s page; task 1 reads, task 2 copies and writes, task 3 copies',
      expectOn: (platform) =>
        clean(
          `nobody stores to the old page while it is shared, so the lines that the kernel has of it since the first copy are right for the second, whatever the cache: ${dataCacheFact(platform)}`,
        ),
    },
    {
      name: 'shares-copy',
      title: 'task 3 is forked by task 2 after its stores, and so shares the copy',
      expectOn: (platform) => whenKept(platform) ?? withFreshCopy(platform),
    },
    {
      name: 'shares-copy-cached',
      title: 'the same, and the frame of the copy has lines of the kernel’s mapping from before',
      expectOn: (platform) =>
        whenKept(platform) ??
        found(
          ['stale-data'],
          `the copy went through lines that the kernel had of that frame, they are older than what task 2 stored, and the kernel copies them: ${dataCacheFact(platform)}`,
        ),
    },
    {
      name: 'shares-original',
      title:
        'task 1, who has the old page to itself when task 2 has copied it, stores to it and forks task 3',
      expectOn: (platform) =>
        whenKept(platform) ??
        found(
          ['stale-data'],
          `the lines that the kernel read the old page through are older than what task 1 stored, and the kernel copies them: ${dataCacheFact(platform)}`,
        ),
    },
  ],
  cpus: 1,
  platform: 'hypersparc',

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['task 1', 'task 2', 'task 3'], (boot, spaces) => {
      const counter = () => {
        const pa = boot.line();
        machine.poke(pa, 1);
        return pa;
      };
      const share = (va: number): Shared => {
        const [one, ...others] = spaces;
        const page = bootMapEven(boot, one, va, READ_WRITE);
        const children = others.map((space) => ({ ...bootEmptyPage(boot, space, va), space }));
        return {
          tasks: [{ ...page, space: one }, ...children],
          page: { frame: page.frame, countPa: counter() },
          copyCountPa: counter(),
        };
      };
      return { first: share(oddPage(0)), second: share(oddPage(1)) };
    });
    evenFramesFirst(machine, kernel.frames);
    bootInto(machine, 0, kernel.spaces[0]);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout: { kernel: laid, first, second } }, { variant }, flushesOf) {
    const kernel = properKernel(machine, laid, checker);
    const flushes = flushesOf(kernel);
    return {
      program: cpu.index === 0 ? sequenceOf(cpu, flushes, variant, first, second) : noSteps(),
      vectors: taskVectors(kernel),
    };
  },
});

function sequenceOf(
  cpu: Cpu,
  flushes: FlushArchitecture,
  variant: string,
  first: Shared,
  second: Shared,
): Steps {
  const keepsKernelLines = true;
  switch (variant) {
    case 'literal':
      return literal(cpu, flushes, first, { keepsKernelLines });
    case 'shares-copy':
      return sharesCopy(cpu, flushes, first, { keepsKernelLines });
    case 'shares-copy-cached':
      return sharesCopy(cpu, flushes, first, { keepsKernelLines, cached: true });
    case 'shares-original':
      return sharesOriginal(cpu, flushes, first, { keepsKernelLines });
    default:
      return both(cpu, flushes, first, second);
  }
}

function* both(cpu: Cpu, flushes: FlushArchitecture, first: Shared, second: Shared): Steps {
  yield* sharesOriginal(cpu, flushes, first, { keepsKernelLines: false });
  yield* sharesCopy(cpu, flushes, second, { keepsKernelLines: false, cached: true });
}

/** The four steps of the document, with what must come before them and a look at the outcome. */
function* literal(cpu: Cpu, flushes: FlushArchitecture, shared: Shared, manner: Manner): Steps {
  const [one, two, three] = shared.tasks;
  const { page } = shared;
  yield* storeAll(cpu, one.va, 1);
  yield* forkPages(cpu, flushes, [{ parent: one, child: two, page }]);
  yield* forkPages(cpu, flushes, [{ parent: one, child: three, page }]);
  // 1. Task 1 reads some of the page.
  yield* loadAll(cpu, one.va);
  // 2. Task 2 takes a fault on it and gets a copy. 3. It performs its stores to that.
  yield* flushes.kernel.switchMm(cpu, two.space);
  yield* storeShared(cpu, flushes, two, page, 2, manner);
  // 4. Task 3 takes a fault on it and gets a copy.
  yield* flushes.kernel.switchMm(cpu, three.space);
  yield* storeShared(cpu, flushes, three, page, 3, manner);
  yield* readAll(cpu, flushes, shared);
}

function* sharesCopy(cpu: Cpu, flushes: FlushArchitecture, shared: Shared, manner: Manner): Steps {
  const [one, two, three] = shared.tasks;
  const { page, copyCountPa } = shared;
  const { kernel } = flushes;
  yield* kernel.switchMm(cpu, one.space);
  yield* storeAll(cpu, one.va, 1);
  yield* forkPages(cpu, flushes, [{ parent: one, child: two, page }]);
  yield* loadAll(cpu, one.va);
  yield* kernel.switchMm(cpu, two.space);
  if (manner.cached) yield* kernelBuffer(cpu, kernel);
  const frame = yield* storeShared(cpu, flushes, two, page, 2, manner);
  const copy = { frame, countPa: copyCountPa };
  yield* forkPages(cpu, flushes, [{ parent: two, child: three, page: copy }]);
  yield* kernel.switchMm(cpu, three.space);
  yield* storeShared(cpu, flushes, three, copy, 3, manner);
  yield* readAll(cpu, flushes, shared);
}

function* sharesOriginal(cpu: Cpu, flushes: FlushArchitecture, shared: Shared, manner: Manner): Steps {
  const [one, two, three] = shared.tasks;
  const { page } = shared;
  const { kernel } = flushes;
  yield* storeAll(cpu, one.va, 1);
  yield* forkPages(cpu, flushes, [{ parent: one, child: two, page }]);
  yield* loadAll(cpu, one.va);
  yield* kernel.switchMm(cpu, two.space);
  yield* storeShared(cpu, flushes, two, page, 2, manner);
  yield* kernel.switchMm(cpu, one.space);
  yield* loadAll(cpu, one.va);
  yield* storeShared(cpu, flushes, one, page, 3);
  yield* forkPages(cpu, flushes, [{ parent: one, child: three, page }]);
  yield* kernel.switchMm(cpu, three.space);
  yield* storeShared(cpu, flushes, three, page, 4, manner);
  yield* readAll(cpu, flushes, shared);
}

/** Each task reads its page, task 3, which runs now, first. */
function* readAll(cpu: Cpu, { kernel }: FlushArchitecture, { tasks }: Shared): Steps {
  for (const { space, va } of tasks.toReversed()) {
    yield* kernel.switchMm(cpu, space);
    yield* loadAll(cpu, va);
  }
}

/** The verdict where the kernel’s lines do not last until the second copy, or do no harm; undefined elsewhere. */
function whenKept(platform: Platform): Expectation | undefined {
  const aliasFree = withoutAliases(platform);
  if (aliasFree || flushesBySpace(platform)) return aliasFree;
  return clean(
    `flushing the parent at fork empties the whole cache, of the kernel’s lines too, because nothing tells them apart: ${dataCacheFact(platform)}`,
  );
}

function withFreshCopy(platform: Platform): Expectation {
  if (!storesAllocate(platform)) {
    return clean(
      `the kernel only stores to the copy, and a store that misses brings no line in: ${fact(platform, 'l1d.allocate')}`,
    );
  }
  return found(
    ['stale-data'],
    `the kernel’s stores to the copy brought lines in, they are older than what task 2 stored, and the kernel copies them: ${fact(platform, 'l1d.allocate')}`,
  );
}
