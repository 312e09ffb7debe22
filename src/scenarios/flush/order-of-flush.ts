/**
 * The kernel takes a page from a user, writes it out, uses its frame for something else and maps another frame
 * at the user's address. "Flush the cache, change the tables, flush the TLB": what becomes of the other orders.
 *
 * Between the first flush and the change of the entry the page is used once more: by a walk of the hardware's own
 * accord, where it walks; by an interrupt handler that looks at the user's memory, where software refills the TLB;
 * and by another thread, where there is a second CPU. In the right order that comes before both flushes.
 */
import { type BootPage, bootAllInto } from '../../kernel/boot-process.ts';
import { speculate, unlessFaulting } from '../../kernel/boot-user.ts';
import type { FlushArchitecture } from '../../kernel/flush/architecture.ts';
import { type KernelLayout, layKernel, properKernel, READ_WRITE } from '../../kernel/kernel.ts';
import { mapFrame, RECLAIM_PAGE_SITES, type ReclaimOptions, reclaimPage } from '../../kernel/reclaim-page.ts';
import { type Cpu, noSteps, type Steps } from '../../machine/cpu.ts';
import { PAGE_BYTES, type Platform } from '../../machine/platform.ts';
import { flushNeedsMapping } from '../../machine/traits.ts';
import type { Expectation } from '../scenario.ts';
import { clean, found, withoutAliases } from './alias-facts.ts';
import { bootMapEven, oddPage } from './colours.ts';
import { loadAll, OFFSETS, storeAll, taskVectors } from './cow-tasks.ts';
import { defineFlushScenario } from './define-flush.ts';
import { fact } from './facts.ts';
import { awaitFlag, type Flags, layFlags, raiseFlag } from './flags.ts';
import { linesLeft } from './lines-left.ts';

interface Layout {
  readonly kernel: KernelLayout;
  readonly page: BootPage;
  /** Frame that the user's address is given afterwards. */
  readonly next: number;
  readonly flags: Flags<(typeof flagNames)[number]>;
}

/** CPU 1 has used the page, is to use it once more, has done so; the page has gone; the fault has come. */
const flagNames = ['ready', 'window', 'used', 'gone', 'refused', 'mapped'] as const;
/** Rule of the scenario, as the `detail` of a finding of kind 'invariant'. */
const USED_AFTER_RECLAIM = 1;

export default defineFlushScenario<Layout>({
  name: 'order-of-flush',
  title: 'Flush the cache, change the tables, flush the TLB: the other orders',
  source:
    '"The Linux Cache Flush Architecture": flush_cache_page before the change of the entry, flush_tlb_page after it (Documentation/core-api/cachetlb.rst has the sequence); Linux mm/rmap.c (try_to_unmap_one)',
  module: import.meta.url,
  sites: RECLAIM_PAGE_SITES,
  variants: [
    {
      name: 'right',
      title: 'cache, table, TLB',
      expectOn: (platform) =>
        clean(
          `the cache is flushed while the mapping is there, and the TLB once nobody can fill it from the old entry: ${fact(platform, 'mmu.refill')}`,
        ),
    },
    {
      name: 'tlb-first',
      title: 'the TLB is flushed before the entry is cleared',
      expectOn: (platform) => found(['flush-order', 'stale-translation'], refilled(platform)),
    },
    {
      name: 'cache-last',
      title: 'the cache is flushed when the mapping has gone',
      expectOn: cacheLast,
    },
    {
      name: 'no-tlb-flush',
      title: 'the translation stays in the TLB',
      omit: ['reclaim.tlb'],
      expectOn: (platform) =>
        found(
          ['flush-order', 'stale-translation'],
          `the user goes on using a page that is the kernel’s, whatever the caches: ${fact(platform, 'mmu.tlb.data.entries')}`,
        ),
    },
    {
      name: 'no-cache-flush',
      title: 'lines of the page stay in the cache',
      omit: ['reclaim.cache'],
      expectOn: (platform) => linesLeft(platform, 'the user'),
    },
  ],
  cpus: 2,
  minCpus: 1,
  platform: 'hypersparc',

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['process'], (boot, [space]) => {
      const page = bootMapEven(boot, space, oddPage(0), READ_WRITE);
      // Two pages on: another even one.
      return { page, next: boot.pages(2) + PAGE_BYTES, flags: layFlags(boot, flagNames) };
    });
    bootAllInto(machine, kernel.spaces[0]);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout }, { variant }, flushesOf) {
    const kernel = properKernel(machine, layout.kernel, checker);
    const flushes = flushesOf(kernel);
    const order = variant === 'tlb-first' || variant === 'cache-last' ? variant : 'right';
    const program = (): Steps => {
      if (cpu.index === 0) return reclaim(cpu, flushes, layout, order);
      return cpu.index === 1 ? otherThread(cpu, flushes, layout) : noSteps();
    };
    return { program: program(), vectors: taskVectors(kernel) };
  },
});

function refilled(platform: Platform): string {
  const walks = platform.mmu.refill === 'hardware';
  const who = walks
    ? 'the walker fills the TLB again on its own'
    : 'the next access has the handler fill the TLB again';
  return `as long as the old entry stands ${who}: ${fact(platform, 'mmu.refill')}`;
}

function cacheLast(platform: Platform): Expectation {
  const kept = withoutAliases(platform);
  if (kept) return kept;
  if (flushNeedsMapping(platform)) {
    return found(
      ['flush-order', 'stale-data'],
      `the flush finds no line of a page that is not mapped, and what the user stored stays behind: ${fact(platform, 'maintenance.unmapped')}`,
    );
  }
  const how =
    platform.l1d.organisation === 'vivt'
      ? 'lines are found by their virtual tag, mapped or not, and carry the physical address that they go back to'
      : 'the flush goes through a mapping of the frame that the kernel makes for it';
  return clean(`${how}, and nobody uses the address in between: ${fact(platform, 'maintenance.unmapped')}`);
}

/** CPU 0: a thread of the process, then the kernel, then the thread again. */
function* reclaim(
  cpu: Cpu,
  flushes: FlushArchitecture,
  { kernel: { spaces }, page, next, flags }: Layout,
  order: ReclaimOptions['order'],
): Steps {
  const { kernel, checker } = flushes;
  const { uncached } = kernel;
  const two = cpu.machine.options.cpus > 1;
  const mapped = { ...page, space: spaces[0] };
  const meanwhile = function* (): Steps {
    // An interrupt handler reads what the user has there; or the walker goes ahead.
    if (cpu.machine.platform.mmu.refill === 'software') yield* cpu.load(page.va + OFFSETS[0]);
    else yield* speculate(cpu, page.va);
    if (!two) return;
    yield* raiseFlag(cpu, flags.window, uncached);
    yield* awaitFlag(cpu, flags.used, 1, uncached);
  };
  if (two) yield* awaitFlag(cpu, flags.ready, 1, uncached);
  yield* storeAll(cpu, page.va, 1);
  yield* cpu.dsb();
  const frame = yield* reclaimPage(cpu, flushes, mapped, { order, meanwhile });
  // Out to the disk, and something else into the frame.
  for (const offset of OFFSETS) yield* cpu.loadPhysical(frame + offset);
  for (const offset of OFFSETS) yield* cpu.storePhysical(frame + offset, 2);
  yield* cpu.dsb();
  if (yield* unlessFaulting(cpu.load(page.va + OFFSETS[0])))
    checker?.violated(cpu.hw, USED_AFTER_RECLAIM, 1, 0);
  if (two) {
    yield* raiseFlag(cpu, flags.gone, uncached);
    yield* awaitFlag(cpu, flags.refused, 1, uncached);
  }
  yield* mapFrame(cpu, flushes, mapped, next, READ_WRITE);
  yield* loadAll(cpu, page.va);
  yield* storeAll(cpu, page.va, 3);
  yield* cpu.dsb();
  if (two) yield* raiseFlag(cpu, flags.mapped, uncached);
  for (const offset of OFFSETS) yield* cpu.loadPhysical(frame + offset);
}

/** CPU 1: another thread. It reads the page before, meanwhile, and when it has gone. */
function* otherThread(cpu: Cpu, { kernel, checker }: FlushArchitecture, { page, flags }: Layout): Steps {
  const { uncached } = kernel;
  const at = page.va + OFFSETS[1];
  yield* cpu.load(at);
  yield* raiseFlag(cpu, flags.ready, uncached);
  yield* awaitFlag(cpu, flags.window, 0, uncached);
  yield* cpu.load(at);
  yield* raiseFlag(cpu, flags.used, uncached);
  yield* awaitFlag(cpu, flags.gone, 0, uncached);
  if (yield* unlessFaulting(cpu.load(at))) checker?.violated(cpu.hw, USED_AFTER_RECLAIM, 1, 0);
  yield* raiseFlag(cpu, flags.refused, uncached);
  yield* awaitFlag(cpu, flags.mapped, 0, uncached);
  yield* cpu.load(at);
}
