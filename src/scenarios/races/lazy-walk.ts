/**
 * A CPU that runs a kernel thread keeps the tables of the last process and is spared the shootdowns of that
 * process: it uses none of its pages, and catches up before it does. But it may still walk the tables by
 * speculation, from where its walk cache says they are; once their memory has another owner, what it reads
 * there is taken for an entry.
 */

import { type BootPage, bootAllInto, bootMap } from '../../kernel/boot-process.ts';
import { loadRepeatedly, speculate, withoutPaging } from '../../kernel/boot-user.ts';
import { FIRST_CALL, Kernel, type KernelLayout, layKernel, READ_WRITE } from '../../kernel/kernel.ts';
import { LazyTlb, type LazyTlbLayout, layLazyTlb } from '../../kernel/lazy-tlb.ts';
import type { Mm } from '../../kernel/mm.ts';
import { layTableFree, TableFree, type TableFreeLayout, unlinkTable } from '../../kernel/table-free.ts';
import { properFlush } from '../../kernel/tlb-flush.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { PAGE_BYTES } from '../../machine/platform.ts';
import { defineScenario } from '../define.ts';

const VA = 0x4000_0000;
/** Mapped by the same table, and not in any TLB: what speculation may go to. */
const NEIGHBOUR = VA + PAGE_BYTES;

interface Layout {
  readonly kernel: KernelLayout;
  readonly lazy: LazyTlbLayout;
  readonly tableFree: TableFreeLayout;
  readonly page: BootPage;
}

export default defineScenario<Layout>({
  name: 'lazy-walk',
  title: 'A CPU in lazy TLB mode walks page tables that have been freed',
  source: 'Linux 2ff6ddf19c0e "x86/mm/tlb: Leave lazy TLB mode at page table free time"',
  module: import.meta.url,
  variants: [
    { name: 'buggy', title: 'spares lazy CPUs though tables are freed', expect: ['freed-table'] },
    { name: 'fixed', title: 'makes lazy CPUs leave the tables before they are freed', expect: 'clean' },
  ],
  parameters: {
    touches: { title: 'speculative walks of the lazy CPU', default: 4, min: 1, max: 1000 },
    returns: { title: '1: the lazy CPU goes back to the process', default: 1, min: 0, max: 1 },
  },
  cpus: 2,
  platform: 'x86-64',
  small: { parameters: { touches: 1, returns: 0 } },

  setup(machine) {
    const { cpus } = machine.options;
    const { kernel, prepared } = layKernel(machine, ['process', 'init'], (boot, [space]) => ({
      lazy: layLazyTlb(boot, cpus),
      tableFree: layTableFree(boot, cpus),
      page: bootMap(boot, space, VA, 1, READ_WRITE)[0],
    }));
    bootAllInto(machine, kernel.spaces[0]);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout }, { variant, touches, returns }) {
    const [space, init] = layout.kernel.spaces;
    const lazy = new LazyTlb(layout.lazy, space, init, machine.platform.coherence === 'none');
    const kernel = new Kernel(
      machine,
      layout.kernel,
      { ...properFlush('cross-call'), targets: lazy.targets },
      checker,
      [lazy.leaveCall],
    );
    const mm: Mm = { kernel, space, checker };
    const program =
      cpu.index === 0
        ? unmap(cpu, mm, layout, variant === 'fixed' ? lazy : null)
        : idle(cpu, lazy, Number(touches), returns === 1);
    return { program, vectors: withoutPaging(kernel) };
  },

  speculation: () => [NEIGHBOUR],
});

/** The end of munmap: the page goes, then the table that mapped it. */
function* unmap(cpu: Cpu, mm: Mm, { tableFree, page }: Layout, expelling: LazyTlb | null): Steps {
  const { kernel, space, checker } = mm;
  yield* kernel.tables.write(cpu, page.ptePa, 0);
  const unlinked = yield* unlinkTable(cpu, mm, page.va);
  yield* kernel.flush.page(cpu, space, page.va);
  checker?.contract(cpu, page.ptePa);
  if (expelling) yield* expelling.expel(cpu, kernel, FIRST_CALL);
  yield* new TableFree(tableFree, 'at-once').free(cpu, mm, unlinked);
}

/** A thread of the process uses its page, then the CPU idles for a while; then the thread may go on. */
function* idle(cpu: Cpu, lazy: LazyTlb, times: number, returns: boolean): Steps {
  yield* loadRepeatedly(cpu, VA, 1);
  yield* lazy.enter(cpu);
  for (let i = 0; i < times; i++) yield* speculate(cpu, NEIGHBOUR);
  if (!returns) return;
  yield* lazy.leave(cpu);
  yield* loadRepeatedly(cpu, VA, 1);
}
