/**
 * Instructions are stored as data and run as instructions, where the two go through different caches. One after
 * the other, on CPU 0: the kernel changes text that CPU 1 runs as well, if there is one; it fills a page and maps
 * it executable; a page is executable, then data, then executable again; a program stores instructions for itself;
 * two signals are delivered at the same place of a stack; and another address space is given the ASID.
 *
 * Pages that are not executable are not flushed for what is stored to them. That is right as long as it is made up
 * for when they become so.
 */
import { ROLLOVER_SITES, takeAsid } from '../../kernel/asid-rollover.ts';
import { bootAllInto, bootMap } from '../../kernel/boot-process.ts';
import {
  CODE_SITES,
  type Code,
  changeRights,
  deliverSignal,
  fillCode,
  patchText,
} from '../../kernel/code-page.ts';
import type { FlushArchitecture } from '../../kernel/flush/architecture.ts';
import type { UserPage } from '../../kernel/flush/interfaces.ts';
import { type KernelLayout, layKernel, properKernel, READ_WRITE, USED } from '../../kernel/kernel.ts';
import { PTE } from '../../machine/attributes.ts';
import { type Cpu, noSteps, type Steps } from '../../machine/cpu.ts';
import type { Machine } from '../../machine/machine.ts';
import { bootEmptyPage, bootMapEven, oddPage } from './colours.ts';
import { taskVectors } from './cow-tasks.ts';
import { defineFlushScenario } from './define-flush.ts';
import { codeOmissions, execPageVariants } from './exec-page-variants.ts';
import { awaitFlag, type Flags, layFlags, raiseFlag } from './flags.ts';

interface MappedPage extends UserPage {
  readonly ptePa: number;
}

type PageName = 'text' | 'filled' | 'data' | 'jit' | 'stack' | 'own';

interface Layout {
  readonly kernel: KernelLayout;
  readonly pages: Readonly<Record<PageName, MappedPage>>;
  /** At the address of `own` in the second space. */
  readonly other: MappedPage;
  readonly flags: Flags<(typeof flagNames)[number]>;
}

/** CPU 1 runs the text; it has been changed; CPU 1 has run it again. */
const flagNames = ['running', 'changed', 'done'] as const;
/** Rule of the scenario, as the `detail` of a finding of kind 'invariant'. */
const OTHER_SPACE = 1;

const EXECUTABLE = USED | PTE.EXECUTE;
const ALL_RIGHTS = READ_WRITE | PTE.EXECUTE;
/** What the pages of the two address spaces have before anything runs. */
const [OWN, OTHER] = [7, 8];
/** Lines of code in a page: a random eviction may write one back in time. */
const LINES = 4;

export default defineFlushScenario<Layout>({
  name: 'exec-page',
  title: 'Instructions are stored through one cache and run through another',
  source:
    'Documentation/core-api/cachetlb.rst, flush_icache_range and flush_icache_page; Linux arch/arm/mm/flush.c (flush only what is VM_EXEC; icache_is_vivt_asid_tagged) and context.c (flush_context); arch/sparc/mm/srmmu.c (flush_sig_insns); Intel SDM vol. 3, 8.1.3, handling self- and cross-modifying code',
  module: import.meta.url,
  sites: { ...CODE_SITES, ...ROLLOVER_SITES },
  variants: execPageVariants,
  cpus: 2,
  minCpus: 1,
  platform: 'arm1136',

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['process', 'other process'], (boot, [one, two]) => {
      const even = (n: number, rights: number) => ({
        ...bootMapEven(boot, one, oddPage(n), rights),
        space: one,
      });
      const pages = {
        text: even(0, EXECUTABLE),
        filled: { ...bootEmptyPage(boot, one, oddPage(1)), space: one },
        data: even(2, EXECUTABLE),
        jit: even(3, ALL_RIGHTS),
        stack: even(4, ALL_RIGHTS),
        own: even(5, EXECUTABLE),
      };
      const other = { ...bootMap(boot, two, pages.own.va, 1, EXECUTABLE)[0], space: two };
      for (const at of offsets(machine)) {
        machine.poke(pages.own.frame + at, OWN);
        machine.poke(other.frame + at, OTHER);
      }
      return { pages, other, flags: layFlags(boot, flagNames) };
    });
    bootAllInto(machine, kernel.spaces[0]);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout }, { variant }, flushesOf) {
    const kernel = properKernel(machine, layout.kernel, checker);
    const flushes = flushesOf(kernel);
    const program = (): Steps => {
      if (cpu.index === 0) return storeAndRun(cpu, flushes, layout, String(variant));
      return cpu.index === 1 ? otherThread(cpu, flushes, layout) : noSteps();
    };
    return { program: program(), vectors: taskVectors(kernel) };
  },
});

function offsets({ platform }: Machine): number[] {
  return Array.from({ length: LINES }, (_, i) => 0x400 + i * platform.lineBytes);
}

function codeOf({ machine }: Cpu, word: number): Code {
  return { offsets: offsets(machine), word };
}

/** Runs the code of a page. */
function* run(cpu: Cpu, { va }: UserPage): Steps {
  for (const offset of offsets(cpu.machine)) yield* cpu.fetch(va + offset);
}

function* storeAndRun(cpu: Cpu, flushes: FlushArchitecture, layout: Layout, variant: string): Steps {
  const { pages, flags } = layout;
  const { uncached } = flushes.kernel;
  const omit = codeOmissions[variant] ?? {};
  const two = cpu.machine.options.cpus > 1;

  yield* run(cpu, pages.text);
  if (two) yield* awaitFlag(cpu, flags.running, 1, uncached);
  yield* patchText(cpu, flushes, pages.text.frame, codeOf(cpu, 1), omit);
  if (two) yield* raiseFlag(cpu, flags.changed, uncached);
  yield* run(cpu, pages.text);
  if (two) yield* awaitFlag(cpu, flags.done, 1, uncached);

  yield* fillCode(cpu, pages.filled.frame, codeOf(cpu, 2));
  yield* changeRights(cpu, flushes, pages.filled, EXECUTABLE, omit);
  yield* run(cpu, pages.filled);

  yield* run(cpu, pages.data);
  yield* changeRights(cpu, flushes, pages.data, READ_WRITE, omit);
  yield* fillCode(cpu, pages.data.frame, codeOf(cpu, 3));
  yield* changeRights(cpu, flushes, pages.data, EXECUTABLE, omit);
  yield* run(cpu, pages.data);

  yield* compile(cpu, flushes, pages.jit, codeOf(cpu, 4));
  for (const word of [5, 6]) {
    yield* deliverSignal(cpu, flushes, pages.stack, codeOf(cpu, word));
    yield* run(cpu, pages.stack);
  }
  yield* rollOver(cpu, flushes, layout);
}

/** A compiler in the program replaces what it has run already. */
function* compile(cpu: Cpu, flushes: FlushArchitecture, page: UserPage, { offsets: at, word }: Code): Steps {
  yield* run(cpu, page);
  for (const offset of at) {
    yield* cpu.load(page.va + offset);
    yield* cpu.store(page.va + offset, word);
  }
  yield* cpu.dsb();
  const sizeBytes = LINES * cpu.machine.platform.lineBytes;
  yield* flushes.at('code.cacheflush').flushIcacheUserRange(cpu, page.space, page.va + at[0], sizeBytes);
  yield* cpu.isb();
  yield* run(cpu, page);
}

/** Another address space runs, with the ASID of this one. */
function* rollOver(
  cpu: Cpu,
  flushes: FlushArchitecture,
  { kernel: { spaces }, pages, other }: Layout,
): Steps {
  const { checker } = flushes;
  const [one, two] = spaces;
  const at = offsets(cpu.machine);
  yield* run(cpu, pages.own);
  for (const offset of at) yield* cpu.load(pages.own.va + offset);
  yield* takeAsid(cpu, flushes, one, two);
  for (const offset of at) {
    const instruction = yield* cpu.fetch(other.va + offset);
    const word = yield* cpu.load(other.va + offset);
    // Through an old translation one reaches the other space's page, which is up to date.
    for (const got of [instruction, word])
      if (got !== OTHER) checker?.violated(cpu.hw, OTHER_SPACE, got, OTHER);
  }
}

/** CPU 1: another thread runs the text, and is about to run it again when it is changed. */
function* otherThread(
  cpu: Cpu,
  { kernel: { uncached } }: FlushArchitecture,
  { pages, flags }: Layout,
): Steps {
  yield* run(cpu, pages.text);
  for (const offset of offsets(cpu.machine)) yield* cpu.fetchAhead(pages.text.va + offset);
  yield* raiseFlag(cpu, flags.running, uncached);
  yield* awaitFlag(cpu, flags.changed, 0, uncached);
  yield* run(cpu, pages.text);
  yield* raiseFlag(cpu, flags.done, uncached);
}
