/**
 * get_user_pages_fast walks the page tables without a lock. It masks interrupts, and where a flush is an IPI
 * to every CPU of the process that was protection enough: nobody could free a table under it before it had
 * taken the IPI. Where the hardware broadcasts the flush, nobody waits for the walk, and it goes on in memory
 * that belongs to somebody else.
 */

import { type BootPage, bootAllInto, bootMap } from '../../kernel/boot-process.ts';
import { withoutPaging } from '../../kernel/boot-user.ts';
import { gupFast } from '../../kernel/gup-fast.ts';
import { FIRST_CALL, type KernelLayout, layKernel, properKernel, READ_WRITE } from '../../kernel/kernel.ts';
import type { Mm } from '../../kernel/mm.ts';
import {
  callNothing,
  layTableFree,
  TableFree,
  type TableFreeing,
  type TableFreeLayout,
  unlinkTable,
} from '../../kernel/table-free.ts';
import { frameAddress } from '../../machine/attributes.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { defineScenario } from '../define.ts';

const VA = 0x4000_0000;
/** What the next owner of the memory writes there: as a table entry it would map a frame of the kernel's. */
const DATA = 0x0000_1001;
/** Number of the condition that a walk finds the page's frame or nothing. */
const FRAME_OR_NOTHING = 1;

const FREEING: Readonly<Record<string, TableFreeing>> = {
  buggy: 'at-once',
  ipi: 'after-ipi',
  deferred: 'deferred',
};

interface Layout {
  readonly kernel: KernelLayout;
  readonly tableFree: TableFreeLayout;
  readonly page: BootPage;
}

export default defineScenario<Layout>({
  name: 'gup-fast',
  title: 'A page table is freed while a CPU walks it without a lock',
  source: 'Linux a17c9da9264d and its kind; mm/gup.c, include/asm-generic/tlb.h',
  module: import.meta.url,
  variants: [
    { name: 'buggy', title: 'frees the table when the broadcast flush is complete', expect: ['freed-table'] },
    { name: 'ipi', title: 'frees it after an IPI that every CPU has taken', expect: 'clean' },
    { name: 'deferred', title: 'frees it when each CPU that walked has left the tables', expect: 'clean' },
  ],
  reachable: {
    'meets-walker': { title: 'the table is about to be freed while another CPU walks' },
    'waits-for-walker': { title: 'who frees the table waits for a walk to end', variants: ['deferred'] },
  },
  parameters: {
    touches: { title: 'walks without a lock', default: 4, min: 1, max: 1000 },
    delay: { title: 'steps that a walk loses above the last level', default: 8, min: 0, max: 1000 },
  },
  cpus: 2,
  platform: 'neoverse',
  small: { parameters: { touches: 1, delay: 0 } },

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['process'], (boot, [space]) => ({
      tableFree: layTableFree(boot, machine.options.cpus),
      page: bootMap(boot, space, VA, 1, READ_WRITE)[0],
    }));
    bootAllInto(machine, kernel.spaces[0]);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout }, { variant, touches, delay }) {
    const kernel = properKernel(machine, layout.kernel, checker, [callNothing]);
    const mm: Mm = { kernel, space: layout.kernel.spaces[0], checker };
    const tableFree = new TableFree(layout.tableFree, FREEING[variant], FIRST_CALL);
    const program =
      cpu.index === 0
        ? unmap(cpu, mm, tableFree, layout.page)
        : pinRepeatedly(cpu, mm, tableFree, layout.page, { touches: Number(touches), delay: Number(delay) });
    return { program, vectors: withoutPaging(kernel) };
  },
});

/** The end of munmap: the page goes, then the table that mapped it; the table's memory finds a new owner. */
function* unmap(cpu: Cpu, mm: Mm, tableFree: TableFree, page: BootPage): Steps {
  const { kernel, space, checker } = mm;
  yield* kernel.tables.write(cpu, page.ptePa, 0);
  const unlinked = yield* unlinkTable(cpu, mm, page.va);
  yield* kernel.flush.page(cpu, space, page.va);
  checker?.contract(cpu, page.ptePa);
  checker?.contract(cpu, unlinked.entryPa);
  checker?.reachedWithin('meets-walker');
  const waitedFor = yield* tableFree.free(cpu, mm, unlinked);
  if (waitedFor > 0) checker?.reached('waits-for-walker');
  const reused = yield* kernel.frames.allocate(cpu);
  yield* cpu.storePhysical(reused + (page.ptePa & 0xfff), DATA, 4, kernel.uncached);
}

/** Another thread has the kernel look the page up, as direct I/O does. */
function* pinRepeatedly(
  cpu: Cpu,
  mm: Mm,
  tableFree: TableFree,
  page: BootPage,
  { touches, delay }: { readonly touches: number; readonly delay: number },
): Steps {
  for (let i = 0; i < touches; i++) {
    mm.checker?.enters('meets-walker');
    const entry = yield* gupFast(cpu, mm, tableFree, page.va, delay);
    mm.checker?.leaves('meets-walker');
    const frame = frameAddress(entry);
    if (entry !== 0 && frame !== page.frame) {
      mm.checker?.violated(cpu.hw, FRAME_OR_NOTHING, frame, page.frame);
    }
  }
}
