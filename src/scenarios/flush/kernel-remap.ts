/**
 * The kernel's own mappings change: a frame is mapped at an address of the vmalloc area, used by the kernel on behalf
 * of tasks of two address spaces, unmapped, and another is mapped there; then the same with a slot for short use. All
 * contexts have the table with the entry, so any of them may have it in a TLB, and lines that were filled through it
 * in the cache: the flush must reach whoever has run, not just who runs.
 *
 * Where there is a second CPU, a task uses the addresses there too.
 */
import { bootInto } from '../../kernel/boot-process.ts';
import { unlessFaulting } from '../../kernel/boot-user.ts';
import type { FlushArchitecture } from '../../kernel/flush/architecture.ts';
import { type KernelLayout, layKernel, properKernel } from '../../kernel/kernel.ts';
import { fillFrame } from '../../kernel/map-filled.ts';
import type { PageEntry } from '../../kernel/mm.ts';
import { flushPkmaps, type KernelArea, layKernelArea, VMAP_SITES, vmap, vunmap } from '../../kernel/vmap.ts';
import { type Cpu, noSteps, type Steps } from '../../machine/cpu.ts';
import { KERNEL_BASE, type Platform } from '../../machine/platform.ts';
import type { Expectation } from '../scenario.ts';
import { clean, flushed, found, withoutAliases, writesBack } from './alias-facts.ts';
import { evenFramesFirst } from './colours.ts';
import { loadAll, OFFSETS, storeAll, taskVectors } from './cow-tasks.ts';
import { defineFlushScenario } from './define-flush.ts';
import { dataCacheFact, fact } from './facts.ts';
import { awaitFlag, type Flags, layFlags, raiseFlag } from './flags.ts';
import { readBuffers, writeOutAndReuse } from './frames-back.ts';
import { fillLeft, linesLeft } from './lines-left.ts';

type Flag = (typeof flagNames)[number];

interface Layout {
  readonly kernel: KernelLayout;
  readonly area: KernelArea;
  /** One set for each of the two addresses. */
  readonly flags: readonly Flags<Flag>[];
}

/** A frame is there; CPU 1 has used it; it has gone; CPU 1 was refused; another one is there. */
const flagNames = ['mapped', 'used', 'gone', 'refused', 'remapped'] as const;
/** Odd pages, as the frames are even: see colours.ts. The second one is for short use. */
const AREA = KERNEL_BASE + 0x0101_5000;
const SLOT = 2;
/** Rule of the scenario, as the `detail` of a finding of kind 'invariant'. */
const USED_AFTER_UNMAP = 1;

export default defineFlushScenario<Layout>({
  name: 'kernel-remap',
  title: 'Mappings of the kernel’s own change, which every address space has',
  source:
    '"The Linux Cache Flush Architecture": flush_cache_all, flush_tlb_all, flush_cache_vunmap, flush_tlb_kernel_range (Documentation/core-api/cachetlb.rst); Linux 2.4 mm/vmalloc.c (vmfree_area_pages), mm/highmem.c (flush_all_zero_pkmaps)',
  module: import.meta.url,
  sites: VMAP_SITES,
  variants: [
    {
      name: 'right',
      title: 'all caches, the entry, the TLBs in all contexts',
      expectOn: (platform) =>
        flushed(
          platform,
          'what the kernel stored is in memory, and nothing is left under the address in any context',
        ),
    },
    {
      name: 'no-cache-flush',
      title: 'lines of the address stay in the cache',
      omit: ['vunmap.cache'],
      expectOn: (platform) => linesLeft(platform, 'the kernel'),
    },
    {
      name: 'no-tlb-flush',
      title: 'translations of the address stay in the TLBs',
      omit: ['vunmap.tlb'],
      expectOn: translationsLeft,
    },
    {
      name: 'this-context-only',
      title: 'the TLBs are flushed of the address in the context that runs',
      expectOn: thisContextOnly,
    },
    {
      name: 'slots-no-cache-flush',
      title: 'lines of the slots stay in the cache',
      omit: ['pkmap.cache'],
      expectOn: (platform) => linesLeft(platform, 'the kernel'),
    },
    {
      name: 'slots-no-tlb-flush',
      title: 'translations of the slots stay in the TLBs',
      omit: ['pkmap.tlb'],
      expectOn: translationsLeft,
    },
    {
      name: 'fill-in-cache',
      title: 'what the kernel filled a frame with is left in the lines of its linear mapping',
      omit: ['vmap.to-ram'],
      expectOn: fillInCache,
    },
  ],
  cpus: 2,
  minCpus: 1,
  platform: 'hypersparc',

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['task A', 'task B'], (boot, spaces, lock) => ({
      area: layKernelArea(boot, spaces, AREA, SLOT + 1, lock('kernel area')),
      flags: [layFlags(boot, flagNames), layFlags(boot, flagNames)],
    }));
    evenFramesFirst(machine, kernel.frames);
    const [a, b] = kernel.spaces;
    // Both have run everywhere, task A last.
    for (const { index } of machine.state.cpus) for (const space of [b, a]) bootInto(machine, index, space);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout }, { variant }, flushesOf) {
    const kernel = properKernel(machine, layout.kernel, checker);
    const flushes = flushesOf(kernel);
    const program = (): Steps => {
      if (cpu.index === 0) return tasks(cpu, flushes, layout, variant === 'this-context-only');
      return cpu.index === 1 ? otherTask(cpu, flushes, layout) : noSteps();
    };
    return { program: program(), vectors: taskVectors(kernel) };
  },
});

function translationsLeft(platform: Platform): Expectation {
  return found(
    ['flush-order', 'stale-translation'],
    `the address goes on leading to a frame that is somebody else’s, whatever the caches: ${fact(platform, 'mmu.tlb.data.entries')}`,
  );
}

function thisContextOnly(platform: Platform): Expectation {
  const kept = fact(platform, 'mmu.kernelMappings');
  return platform.mmu.kernelMappings === 'global'
    ? clean(
        `an entry of the kernel’s is for all contexts, and goes whichever of them it is named with: ${kept}`,
      )
    : found(
        ['flush-order', 'stale-translation'],
        `other contexts that have used the address have entries of their own, with their own number: ${kept}`,
      );
}

function fillInCache(platform: Platform): Expectation {
  if (writesBack(platform)) return fillLeft(platform);
  const why =
    'memory has what the kernel filled the frame with, and its own lines go with all others before it reads there again';
  return withoutAliases(platform) ?? clean(`${why}: ${dataCacheFact(platform)}`);
}

/** CPU 0: both kinds of mapping, one after the other. */
function* tasks(cpu: Cpu, flushes: FlushArchitecture, layout: Layout, thisContext: boolean): Steps {
  const { kernel, area, flags } = layout;
  const [page, slot] = [area.pages[0], area.pages[SLOT]];
  const running = thisContext ? kernel.spaces[1] : undefined;
  yield* remap(cpu, flushes, layout, page, flags[0], () => vunmap(cpu, flushes, area, page, running));
  yield* remap(cpu, flushes, layout, slot, flags[1], function* () {
    return (yield* flushPkmaps(cpu, flushes, area, [slot]))[0];
  });
}

/**
 * A frame is mapped and used for task A, then for task B, unmapped, and another one is mapped and used for both.
 * @param unmap returns the frame; task B runs
 */
function* remap(
  cpu: Cpu,
  flushes: FlushArchitecture,
  { kernel: { spaces }, area }: Layout,
  page: PageEntry,
  flags: Flags<Flag>,
  unmap: () => Steps<number>,
): Steps {
  const { kernel } = flushes;
  const { uncached } = kernel;
  const [a, b] = spaces;
  const two = cpu.machine.options.cpus > 1;
  const mapFresh = function* (value: number): Steps {
    const frame = yield* kernel.frames.allocate(cpu);
    yield* fillFrame(cpu, frame, OFFSETS, value);
    yield* vmap(cpu, flushes, area, page, frame);
  };
  yield* mapFresh(1);
  yield* storeAll(cpu, page.va, 2);
  if (two) {
    yield* raiseFlag(cpu, flags.mapped, uncached);
    yield* awaitFlag(cpu, flags.used, 1, uncached);
  }
  yield* kernel.switchMm(cpu, b);
  yield* storeAll(cpu, page.va, 3);
  yield* cpu.dsb();
  const old = yield* unmap();
  const buffers = yield* writeOutAndReuse(cpu, flushes, [old], OFFSETS, 4);
  yield* mustFault(cpu, flushes, page);
  if (two) {
    yield* raiseFlag(cpu, flags.gone, uncached);
    yield* awaitFlag(cpu, flags.refused, 1, uncached);
  }
  yield* mapFresh(5);
  yield* loadAll(cpu, page.va);
  yield* storeAll(cpu, page.va, 6);
  if (two) yield* raiseFlag(cpu, flags.remapped, uncached);
  yield* kernel.switchMm(cpu, a);
  yield* loadAll(cpu, page.va);
  yield* readBuffers(cpu, buffers, OFFSETS);
}

/** CPU 1: task A is there as well. */
function* otherTask(cpu: Cpu, flushes: FlushArchitecture, { area, flags }: Layout): Steps {
  const { uncached } = flushes.kernel;
  for (const [i, page] of [area.pages[0], area.pages[SLOT]].entries()) {
    const { mapped, used, gone, refused, remapped } = flags[i];
    yield* awaitFlag(cpu, mapped, 0, uncached);
    yield* loadAll(cpu, page.va);
    yield* raiseFlag(cpu, used, uncached);
    yield* awaitFlag(cpu, gone, 0, uncached);
    yield* mustFault(cpu, flushes, page);
    yield* raiseFlag(cpu, refused, uncached);
    yield* awaitFlag(cpu, remapped, 0, uncached);
    yield* loadAll(cpu, page.va);
  }
}

function* mustFault(cpu: Cpu, { checker }: FlushArchitecture, { va }: PageEntry): Steps {
  if (yield* unlessFaulting(cpu.load(va + OFFSETS[0]))) checker?.violated(cpu.hw, USED_AFTER_UNMAP, 1, 0);
}
