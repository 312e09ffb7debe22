/**
 * Two processes that map the same file share the lower-level table that maps it. A process that unmaps the
 * file lets go of the table, and does not flush: the range looks empty to the code that would. The other one
 * is the last user and frees the pages and the table, with a flush of its own address space only. A thread
 * of the first process still has both in its TLB and its walk cache.
 *
 * In Linux the entries of that table are huge pages, one level up; here they are small ones, which changes
 * nothing but the size of what is exposed.
 */

import { type BootPage, bootAllInto, bootMap } from '../../kernel/boot-process.ts';
import { loadRepeatedly, unlessFaulting, withoutPaging } from '../../kernel/boot-user.ts';
import { type KernelLayout, layKernel, properKernel, READ_WRITE } from '../../kernel/kernel.ts';
import type { Mm } from '../../kernel/mm.ts';
import { layTables } from '../../kernel/page-table.ts';
import {
  bootTableOf,
  layTableFree,
  TableFree,
  type TableFreeLayout,
  unlinkTable,
} from '../../kernel/table-free.ts';
import { PTE } from '../../machine/attributes.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { PAGE_BYTES } from '../../machine/platform.ts';
import { defineScenario } from '../define.ts';

const VA = 0x4000_0000;

interface Layout {
  readonly kernel: KernelLayout;
  readonly tableFree: TableFreeLayout;
  /** The file's first page; its second one is a hole. */
  readonly page: BootPage;
  /** Word that counts the processes that share the table. */
  readonly usersPa: number;
}

export default defineScenario<Layout>({
  name: 'hugetlb-unshare',
  title: 'A shared page table is let go without a flush and freed by its last user',
  source: 'Linux a4a118f2eead "hugetlbfs: flush TLBs correctly after huge_pmd_unshare", CVE-2021-4002',
  module: import.meta.url,
  variants: [
    {
      name: 'buggy',
      title: 'lets go of the shared table without a flush',
      expect: ['stale-translation', 'freed-frame', 'freed-table'],
    },
    { name: 'fixed', title: 'flushes before it lets go', expect: 'clean' },
  ],
  reachable: {
    'used-unlinked': { title: 'the thread uses the file while its process lets go of the table' },
  },
  parameters: {
    touches: { title: 'rounds of accesses by the thread', default: 4, min: 1, max: 1000 },
  },
  cpus: 2,
  platform: 'x86-64',
  small: { parameters: { touches: 1 } },

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['first', 'second'], (boot, [first, second]) => {
      const [page] = bootMap(boot, first, VA, 1, READ_WRITE);
      // The second process gets tables of its own, of which the lowest is then replaced by the shared one.
      layTables(boot, second.root, VA, 1);
      const { translation } = machine;
      let above = second.root;
      for (let level = 0; level < translation.depth - 1; level++) {
        above = (machine.peek(translation.entryAddress(above, level, VA)) & ~(PAGE_BYTES - 1)) >>> 0;
      }
      const shared = (bootTableOf(machine, first, VA) | PTE.VALID | PTE.TABLE) >>> 0;
      machine.poke(translation.entryAddress(above, translation.depth - 1, VA), shared);
      const usersPa = boot.line();
      machine.poke(usersPa, 2);
      return { page, usersPa, tableFree: layTableFree(boot, machine.options.cpus) };
    });
    bootAllInto(machine, kernel.spaces[0]);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout }, { variant, touches }) {
    const kernel = properKernel(machine, layout.kernel, checker);
    const [first, second] = layout.kernel.spaces.map((space): Mm => ({ kernel, space, checker }));
    const program =
      cpu.index === 0
        ? unmapTwice(cpu, first, second, layout, variant === 'fixed')
        : use(cpu, first, Number(touches));
    return { program, vectors: withoutPaging(kernel) };
  },

  speculation: () => [VA, VA + PAGE_BYTES],
});

/** One process unmaps the file and, on the same CPU, the other one after it. */
function* unmapTwice(cpu: Cpu, first: Mm, second: Mm, layout: Layout, flush: boolean): Steps {
  yield* unmap(cpu, first, layout, flush);
  yield* first.kernel.switchMm(cpu, second.space);
  yield* unmap(cpu, second, layout, flush);
}

/** Unmaps the file: lets go of the table if others still share it, else empties and frees it. */
function* unmap(cpu: Cpu, mm: Mm, { page, usersPa, tableFree }: Layout, flushUnshared: boolean): Steps {
  const { kernel, space, checker } = mm;
  const users = yield* cpu.loadPhysical(usersPa, 4, kernel.uncached);
  if (users > 1) {
    const { entryPa } = yield* unlinkTable(cpu, mm, page.va);
    checker?.enters('used-unlinked');
    if (flushUnshared) {
      yield* kernel.flush.page(cpu, space, page.va);
      checker?.contract(cpu, entryPa);
    }
    yield* cpu.modifyPhysical(usersPa, (n) => n - 1, kernel.uncached);
    checker?.leaves('used-unlinked');
    return;
  }
  yield* kernel.tables.write(cpu, page.ptePa, 0);
  const unlinked = yield* unlinkTable(cpu, mm, page.va);
  yield* kernel.flush.page(cpu, space, page.va);
  checker?.contract(cpu, page.ptePa);
  checker?.contract(cpu, unlinked.entryPa);
  yield* kernel.frames.free(cpu, page.frame);
  yield* new TableFree(tableFree, 'at-once').free(cpu, mm, unlinked);
}

/** A thread of the first process uses the file, and runs past its end. */
function* use(cpu: Cpu, { checker }: Mm, touches: number): Steps {
  for (let i = 0; i < touches; i++) {
    if (yield* unlessFaulting(cpu.load(VA))) checker?.reachedWithin('used-unlinked');
    yield* loadRepeatedly(cpu, VA + PAGE_BYTES, 1);
  }
}
