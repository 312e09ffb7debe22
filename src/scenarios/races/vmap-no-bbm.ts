/**
 * A huge vmap puts one block where small pages were, and writes its entry over the one that pointed to their
 * table. While their TLB entries are flushed one by one, a CPU that has lost one of them walks again, gets
 * the block, and then has it beside a small page that is still there: on Arm a TLB conflict, or worse.
 */

import { bootAllInto } from '../../kernel/boot-process.ts';
import { bootTouched, loadRepeatedly, withoutPaging } from '../../kernel/boot-user.ts';
import { bootLinearPages, mapBlock } from '../../kernel/huge-map.ts';
import { type KernelLayout, layKernel, properKernel, READ_WRITE } from '../../kernel/kernel.ts';
import type { Mm, PageEntry } from '../../kernel/mm.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { defineScenario } from '../define.ts';

/** Where physical address 0 is mapped. */
const BASE = 0x4000_0000;
const PAGES = 2;

interface Layout {
  readonly kernel: KernelLayout;
  readonly pages: readonly PageEntry[];
}

export default defineScenario<Layout>({
  name: 'vmap-no-bbm',
  title: 'A huge mapping replaces small pages without break-before-make',
  source: 'Linux ec28bb9c9b08 "arm64: Implement page table free interfaces"',
  module: import.meta.url,
  variants: [
    { name: 'buggy', title: 'writes the block, then flushes', expect: ['multiple-match'] },
    { name: 'fixed', title: 'breaks the old mapping, flushes, then writes the block', expect: 'clean' },
  ],
  parameters: {
    touches: { title: 'rounds of accesses to the small pages', default: 4, min: 1, max: 1000 },
  },
  cpus: 2,
  platform: 'neoverse',
  small: { parameters: { touches: 1 } },

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['kernel'], (boot, [space]) =>
      bootLinearPages(boot, space, BASE, PAGES, READ_WRITE),
    );
    bootAllInto(machine, kernel.spaces[0]);
    for (const page of prepared) bootTouched(machine, 1, page);
    return { kernel, pages: prepared };
  },

  start({ machine, checker, cpu, layout }, { variant, touches }) {
    const kernel = properKernel(machine, layout.kernel, checker);
    const mm: Mm = { kernel, space: layout.kernel.spaces[0], checker };
    const used = { va: layout.pages[0].va, pages: PAGES };
    // The block begins at physical address 0.
    const program =
      cpu.index === 0
        ? mapBlock(cpu, mm, used, READ_WRITE, variant === 'fixed')
        : use(cpu, layout.pages, Number(touches));
    return { program, vectors: withoutPaging(kernel) };
  },

  speculation: ({ pages }) => pages.map(({ va }) => va),
});

/** Uses the small pages in turn; a page that is not there just now is one that nobody should have used. */
function* use(cpu: Cpu, pages: readonly PageEntry[], touches: number): Steps {
  for (let i = 0; i < touches; i++) for (const { va } of pages) yield* loadRepeatedly(cpu, va, 1);
}
