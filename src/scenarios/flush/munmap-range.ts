/**
 * A process unmaps a range of which some pages are dirty, and gets other frames at the same addresses; then it runs
 * another program, for which all its pages go at once. The kernel writes out what was stored, frees the frames and
 * has them for its own buffers. One flush of a kind serves many pages: the caller, not the interface for one page,
 * knows how many.
 *
 * Where there is a second CPU, another thread uses the pages there: it stores to one, reads the others, is refused
 * when they have gone, and finds what is there in the end.
 */
import type { BootPage } from '../../kernel/boot-process.ts';
import { bootAllInto } from '../../kernel/boot-process.ts';
import { unlessFaulting } from '../../kernel/boot-user.ts';
import type { FlushArchitecture } from '../../kernel/flush/architecture.ts';
import { type KernelLayout, layKernel, properKernel, READ_WRITE } from '../../kernel/kernel.ts';
import { MAP_FILLED_SITES, mapFilled } from '../../kernel/map-filled.ts';
import { UNMAP_SITES, unmapRange, unmapSpace } from '../../kernel/unmap-pages.ts';
import { type Cpu, noSteps, type Steps } from '../../machine/cpu.ts';
import type { Expectation } from '../scenario.ts';
import { flushed, found } from './alias-facts.ts';
import { bootMapApart, evenFramesFirst, oddPage } from './colours.ts';
import { OFFSETS, taskVectors } from './cow-tasks.ts';
import { defineFlushScenario } from './define-flush.ts';
import { fact } from './facts.ts';
import { awaitFlag, type Flags, layFlags, raiseFlag } from './flags.ts';
import { readBuffers, writeOutAndReuse } from './frames-back.ts';
import { fillLeft, linesLeft } from './lines-left.ts';

interface Layout {
  readonly kernel: KernelLayout;
  readonly pages: readonly BootPage[];
  readonly flags: Flags<(typeof flagNames)[number]>;
}

const PAGES = 3;
/** CPU 1 has used the pages; they have gone; it was refused; others are there; it has used them; exec is over. */
const flagNames = ['ready', 'gone', 'refused', 'mapped', 'used', 'executed'] as const;
/** Rule of the scenario, as the `detail` of a finding of kind 'invariant'. */
const USED_AFTER_UNMAP = 1;

export default defineFlushScenario<Layout>({
  name: 'munmap-range',
  title: 'A range is unmapped, then all of an address space: one flush for many pages',
  source:
    '"The Linux Cache Flush Architecture": flush_cache_range, flush_tlb_range, flush_cache_mm, flush_tlb_mm (Documentation/core-api/cachetlb.rst); Linux 2.4 mm/mmap.c (unmap_region, exit_mmap)',
  module: import.meta.url,
  sites: { ...UNMAP_SITES, ...MAP_FILLED_SITES },
  variants: [
    {
      name: 'right',
      title: 'cache, tables, TLB, and only then the frames',
      expectOn: (platform) =>
        flushed(platform, 'what goes is in memory, and nothing of it is left under its addresses'),
    },
    {
      name: 'no-cache-flush',
      title: 'lines of the range stay in the cache',
      omit: ['range.cache'],
      expectOn: (platform) => linesLeft(platform, 'the user'),
    },
    {
      name: 'no-tlb-flush',
      title: 'translations of the range stay in the TLB',
      omit: ['range.tlb'],
      expectOn: (platform) => translationsLeft(fact(platform, 'mmu.tlb.data.entries')),
    },
    {
      name: 'exec-no-cache-flush',
      title: 'lines of the old program’s pages stay in the cache',
      omit: ['exit.cache'],
      expectOn: (platform) => linesLeft(platform, 'the user'),
    },
    {
      name: 'exec-no-tlb-flush',
      title: 'translations of the old program stay in the TLB',
      omit: ['exit.tlb'],
      expectOn: (platform) => translationsLeft(fact(platform, 'mmu.tlb.data.entries')),
    },
    {
      name: 'fill-in-cache',
      title: 'what the kernel fills a fresh page with is left in the lines of its own mapping',
      omit: ['map.to-ram'],
      expectOn: fillLeft,
    },
  ],
  cpus: 2,
  minCpus: 1,
  platform: 'hypersparc',

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['process'], (boot, [space]) => ({
      pages: bootMapApart(boot, space, oddPage(0), PAGES, READ_WRITE),
      flags: layFlags(boot, flagNames),
    }));
    evenFramesFirst(machine, kernel.frames);
    bootAllInto(machine, kernel.spaces[0]);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout }, _, flushesOf) {
    const kernel = properKernel(machine, layout.kernel, checker);
    const flushes = flushesOf(kernel);
    const program = (): Steps => {
      if (cpu.index === 0) return process(cpu, flushes, layout);
      return cpu.index === 1 ? otherThread(cpu, flushes, layout) : noSteps();
    };
    return { program: program(), vectors: taskVectors(kernel) };
  },
});

function translationsLeft(entries: string): Expectation {
  return found(
    ['flush-order', 'stale-translation'],
    `pages that are the kernel’s go on being used through their old addresses, whatever the caches: ${entries}`,
  );
}

/** Words of page `n` that are in use: no two pages use the same line of a direct-mapped cache. */
function wordsOf(n: number): readonly number[] {
  return OFFSETS.filter((_, i) => i % PAGES === n);
}

/** CPU 0: the process, and the kernel for it. */
function* process(cpu: Cpu, flushes: FlushArchitecture, { kernel, pages, flags }: Layout): Steps {
  const { uncached } = flushes.kernel;
  const [space] = kernel.spaces;
  const two = cpu.machine.options.cpus > 1;
  const use = function* (value: number): Steps {
    yield* storeTo(cpu, pages, 0, value);
    yield* read(cpu, pages, 1);
    if (!two) yield* storeTo(cpu, pages, 2, value);
    yield* cpu.dsb();
  };
  const mapFresh = function* (value: number): Steps {
    for (const [n, page] of pages.entries()) {
      const filling = { offsets: wordsOf(n), value, permissions: READ_WRITE };
      yield* mapFilled(cpu, flushes, { ...page, space }, filling);
    }
  };
  if (two) yield* awaitFlag(cpu, flags.ready, 1, uncached);
  yield* use(1);
  const range = yield* unmapRange(cpu, flushes, space, pages);
  const buffers = yield* writeOutAndReuse(cpu, flushes, range, OFFSETS, 2);
  yield* mustFault(cpu, flushes, pages);
  if (two) {
    yield* raiseFlag(cpu, flags.gone, uncached);
    yield* awaitFlag(cpu, flags.refused, 1, uncached);
  }
  yield* mapFresh(3);
  yield* readAll(cpu, pages);
  if (two) {
    yield* raiseFlag(cpu, flags.mapped, uncached);
    yield* awaitFlag(cpu, flags.used, 1, uncached);
  }
  yield* use(4);
  const all = yield* unmapSpace(cpu, flushes, space, pages);
  buffers.push(...(yield* writeOutAndReuse(cpu, flushes, all, OFFSETS, 5)));
  yield* mapFresh(6);
  yield* readAll(cpu, pages);
  if (two) yield* raiseFlag(cpu, flags.executed, uncached);
  yield* readBuffers(cpu, buffers, OFFSETS);
}

/** CPU 1: another thread, and in the end one of the other program. */
function* otherThread(cpu: Cpu, flushes: FlushArchitecture, { pages, flags }: Layout): Steps {
  const { uncached } = flushes.kernel;
  yield* readAll(cpu, pages);
  yield* storeTo(cpu, pages, 2, 1);
  yield* raiseFlag(cpu, flags.ready, uncached);
  yield* awaitFlag(cpu, flags.gone, 0, uncached);
  yield* mustFault(cpu, flushes, pages);
  yield* raiseFlag(cpu, flags.refused, uncached);
  yield* awaitFlag(cpu, flags.mapped, 0, uncached);
  yield* readAll(cpu, pages);
  yield* storeTo(cpu, pages, 2, 4);
  yield* raiseFlag(cpu, flags.used, uncached);
  yield* awaitFlag(cpu, flags.executed, 0, uncached);
  yield* readAll(cpu, pages);
}

function* read(cpu: Cpu, pages: readonly BootPage[], n: number): Steps {
  for (const offset of wordsOf(n)) yield* cpu.load(pages[n].va + offset);
}

function* readAll(cpu: Cpu, pages: readonly BootPage[]): Steps {
  for (const n of pages.keys()) yield* read(cpu, pages, n);
}

/** Stores to the words of a page; some caches allocate a line for a load only. */
function* storeTo(cpu: Cpu, pages: readonly BootPage[], n: number, value: number): Steps {
  for (const offset of wordsOf(n)) {
    yield* cpu.load(pages[n].va + offset);
    yield* cpu.store(pages[n].va + offset, value);
  }
}

/** Every page of the range has gone. */
function* mustFault(cpu: Cpu, { checker }: FlushArchitecture, pages: readonly BootPage[]): Steps {
  for (const [n, { va }] of pages.entries()) {
    if (yield* unlessFaulting(cpu.load(va + wordsOf(n)[0])))
      checker?.violated(cpu.hw, USED_AFTER_UNMAP, 1, 0);
  }
}
