/**
 * What virtual coherency exceptions cost where nothing is done about aliases, and what saves them. A parent
 * stores to a page and shares it with its child; the child stores, and the kernel copies the page through its
 * own mapping, whose index is another one: so each line is in the secondary cache under the wrong index when
 * the kernel reads it, when the child reads the copy, and when the parent reads its page again. Then the
 * parent reads a page that it has mapped twice, read-only: nothing could go wrong there, but the hardware does
 * not know it.
 *
 * `coherencyExceptions` of the run's counters is their number, and the clock of CPU 0 the cost.
 */
import { type BootPage, bootEntryOf, bootInto, bootMap } from '../../kernel/boot-process.ts';
import { withoutPaging } from '../../kernel/boot-user.ts';
import { coherencyHandler } from '../../kernel/coherency-exception.ts';
import { copyAfterFlush, EARLY_FLUSH_SITES, shareReadOnly } from '../../kernel/cow-early-flush.ts';
import type { FlushArchitecture } from '../../kernel/flush/architecture.ts';
import { sharedAddress } from '../../kernel/flush/update-mmu-cache.ts';
import { type KernelLayout, layKernel, properKernel, READ_WRITE, USED } from '../../kernel/kernel.ts';
import { layTables } from '../../kernel/page-table.ts';
import { type Cpu, noSteps, type Steps } from '../../machine/cpu.ts';
import { PAGE_BYTES, type Platform } from '../../machine/platform.ts';
import { colourOf, flushNeedsMapping } from '../../machine/traits.ts';
import type { Expectation } from '../scenario.ts';
import { clean, flushed, found, storesAllocate, withoutAliases, writesBack } from './alias-facts.ts';
import { bootEmptyPage, bootMapEven, evenFramesFirst, framesOfColourFirst, oddPage } from './colours.ts';
import { defineFlushScenario } from './define-flush.ts';
import { dataCacheFact, fact } from './facts.ts';

interface Layout {
  readonly kernel: KernelLayout;
  /** The page that is copied, and the child's entry for it. */
  readonly page: BootPage;
  readonly childPtePa: number;
  /** Addresses of the page that is mapped twice. */
  readonly readOnly: readonly number[];
}

const PAGE = oddPage(0);
const READ_ONLY = oddPage(1);
/** Another colour than that of an odd page, wherever there are two. */
const ONCE_MORE = oddPage(2) + PAGE_BYTES;

export default defineFlushScenario<Layout>({
  name: 'r4000-vce',
  title: 'Copy on write and read-only aliases where the hardware keeps aliases apart, and what that costs',
  source:
    '"The Linux Cache Flush Architecture", the R4000; MIPS R4000 User’s Manual, "Virtual Coherency Exception"; Linux arch/mips/kernel/genex.S (handle_vced)',
  module: import.meta.url,
  sites: EARLY_FLUSH_SITES,
  variants: [
    {
      name: 'flush-both',
      title: 'the user’s page is flushed before it is copied, and the copy after that',
      expectOn: (platform) => flushed(platform, 'each side finds in memory what the other stored'),
      unsupported: virtualTags,
    },
    {
      name: 'flush-before-copy',
      title: 'only what the document proposes: the user’s page is flushed before it is copied',
      omit: ['early.copy-to-ram'],
      expectOn: (platform) => withoutAliases(platform) ?? copyInCache(platform),
      unsupported: virtualTags,
    },
    {
      name: 'colouring',
      title: 'frames, and addresses of one page, have one colour; no flush',
      omit: ['early.user-page', 'early.copy-to-ram'],
      expectOn: (platform) =>
        withoutAliases(platform) ??
        clean(`addresses of one colour have one index, and so one line: ${dataCacheFact(platform)}`),
      unsupported: (platform) =>
        virtualTags(platform) ??
        (flushNeedsMapping(platform)
          ? `the order of flushes demands one before an entry changes: ${fact(platform, 'maintenance.unmapped')}`
          : undefined),
    },
    {
      name: 'nothing',
      title: 'no flush, no colouring: exceptions, where there are any',
      omit: ['early.user-page', 'early.copy-to-ram'],
      expectOn: (platform) => withoutAliases(platform) ?? nothingDone(platform),
      unsupported: virtualTags,
    },
  ],
  parameters: {
    lines: { title: 'lines in use of each page, at most all', default: 128, min: 1, max: 256 },
    readings: {
      title: 'times that the read-only page is read through both addresses',
      default: 2,
      min: 0,
      max: 100,
    },
  },
  cpus: 1,
  platform: 'r4000',

  setup(machine, { variant }) {
    const { platform } = machine;
    const isColoured = variant === 'colouring';
    const { kernel, prepared } = layKernel(machine, ['parent', 'child'], (boot, [parent, child]) => {
      const { ptePa: childPtePa } = bootEmptyPage(boot, child, PAGE);
      const again = isColoured ? sharedAddress(platform, ONCE_MORE, READ_ONLY) : ONCE_MORE;
      layTables(boot, parent.root, again, 1);
      const [{ frame }] = bootMap(boot, parent, READ_ONLY, 1, USED);
      machine.poke(bootEntryOf(machine, parent, again), (frame | USED) >>> 0);
      let page = bootMapEven(boot, parent, PAGE, READ_WRITE);
      while (isColoured && colourOf(platform, page.frame) !== colourOf(platform, PAGE)) {
        page = { ...page, frame: boot.pages(1) };
        machine.poke(page.ptePa, (page.frame | READ_WRITE) >>> 0);
      }
      return { page, childPtePa, readOnly: [READ_ONLY, again] };
    });
    if (isColoured) framesOfColourFirst(machine, kernel.frames, PAGE);
    else evenFramesFirst(machine, kernel.frames);
    bootInto(machine, 0, kernel.spaces[0]);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout }, { lines, readings }, flushesOf) {
    const kernel = properKernel(machine, layout.kernel, checker);
    const { lineBytes } = machine.platform;
    const inUse = Math.min(Number(lines), PAGE_BYTES / lineBytes);
    const words = Array.from({ length: inUse }, (_, i) => i * lineBytes);
    return {
      program: cpu.index === 0 ? traffic(cpu, flushesOf(kernel), layout, words, Number(readings)) : noSteps(),
      vectors: { ...withoutPaging(kernel), coherencyException: coherencyHandler },
    };
  },
});

function virtualTags({ l1d, name }: Platform): string | undefined {
  if (l1d.organisation !== 'vivt') return undefined;
  return `lines of ${name} are found by their virtual addresses alone, so that more than aliases has to be flushed: see cow-alias`;
}

function copyInCache(platform: Platform): Expectation {
  if (!storesAllocate(platform)) {
    return clean(
      `what the kernel stores to the copy misses its cache and goes on to memory: ${fact(platform, 'l1d.allocate')}`,
    );
  }
  return found(
    ['stale-data'],
    `the copy is dirty under the kernel’s index, and the child reads memory: ${dataCacheFact(platform)}`,
  );
}

function nothingDone(platform: Platform): Expectation {
  if (flushNeedsMapping(platform)) {
    return found(
      ['flush-order', 'stale-data'],
      `what the parent stored is dirty under its own index, and no flush finds it once the entry has changed: ${fact(platform, 'maintenance.unmapped')}`,
    );
  }
  if (!writesBack(platform)) return copyInCache(platform);
  return found(
    ['stale-data'],
    `what the parent stored is dirty under its own index, and the kernel copies memory: ${dataCacheFact(platform)}`,
  );
}

function* traffic(
  cpu: Cpu,
  flushes: FlushArchitecture,
  { kernel: { spaces }, page, childPtePa, readOnly }: Layout,
  words: readonly number[],
  readings: number,
): Steps {
  const [parent, child] = spaces;
  const { va, ptePa } = page;
  const copied = { space: child, va, ptePa: childPtePa };
  for (const at of words) {
    // Some caches allocate a line for a load only.
    yield* cpu.load(va + at);
    yield* cpu.store(va + at, 0x10000 + at);
  }
  yield* cpu.dsb();
  yield* shareReadOnly(cpu, flushes, { space: parent, va, ptePa }, copied);
  yield* flushes.kernel.switchMm(cpu, child);
  yield* copyAfterFlush(cpu, flushes, copied, words);
  for (const at of words) {
    yield* cpu.load(va + at);
    yield* cpu.store(va + at, 0x20000 + at);
  }
  yield* cpu.dsb();
  yield* flushes.kernel.switchMm(cpu, parent);
  for (const at of words) yield* cpu.load(va + at);
  for (let reading = 0; reading < readings; reading++) {
    for (const address of readOnly) for (const at of words) yield* cpu.load(address + at);
  }
}
