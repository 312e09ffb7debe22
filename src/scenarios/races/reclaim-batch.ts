/**
 * Reclaim clears a page's entry and postpones the flush. A thread that unmaps the range meanwhile finds
 * nothing mapped, flushes nothing and returns: the range is gone, but the thread's own TLB still has the
 * page.
 */

import { type BootPage, bootInto, bootMap } from '../../kernel/boot-process.ts';
import { bootTouched, loadRepeatedly, withoutPaging } from '../../kernel/boot-user.ts';
import { type KernelLayout, layKernel, properKernel, READ_WRITE } from '../../kernel/kernel.ts';
import type { Mm } from '../../kernel/mm.ts';
import { unmapPages } from '../../kernel/mmu-gather.ts';
import { BatchedFlush, ReclaimBatch } from '../../kernel/reclaim.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { defineScenario } from '../define.ts';

const BASE = 0x4000_0000;

interface Layout {
  readonly kernel: KernelLayout;
  readonly page: BootPage;
  /** Word that is set while reclaim owes the process a flush. */
  readonly batchedPa: number;
}

export default defineScenario<Layout>({
  name: 'reclaim-batch',
  title: 'munmap returns while reclaim still owes the flush of what it had unmapped',
  source: 'Linux 3ea277194daa "mm, mprotect: flush TLB if potentially racing with a parallel reclaim"',
  module: import.meta.url,
  variants: [
    {
      name: 'buggy',
      title: 'munmap trusts that an entry that is gone has been flushed',
      expect: ['stale-translation'],
    },
    { name: 'fixed', title: 'munmap does the flush that reclaim owes', expect: 'clean' },
  ],
  parameters: {
    touches: { title: 'accesses of each thread to the page', default: 4, min: 1, max: 1000 },
  },
  cpus: 3,
  minCpus: 2,
  platform: 'x86-64',
  small: { cpus: 2, parameters: { touches: 1 } },

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['process'], (boot, [space]) => ({
      page: bootMap(boot, space, BASE, 1, READ_WRITE)[0],
      batchedPa: boot.line(),
    }));
    // CPU 0 reclaims: a kernel thread, in nobody's address space.
    for (const { index } of machine.state.cpus.slice(1)) {
      bootInto(machine, index, kernel.spaces[0]);
      bootTouched(machine, index, prepared.page);
    }
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout }, { variant, touches }) {
    const kernel = properKernel(machine, layout.kernel, checker);
    const mm: Mm = { kernel, space: layout.kernel.spaces[0], checker };
    const batched = variant === 'fixed' ? new BatchedFlush(mm, layout.batchedPa) : undefined;
    const program = (): Steps => {
      if (cpu.index === 0) return reclaim(cpu, mm, layout, batched);
      if (cpu.index === 1) return unmapper(cpu, mm, layout, batched, Number(touches));
      return loadRepeatedly(cpu, BASE + cpu.index * 4, Number(touches));
    };
    return { program: program(), vectors: withoutPaging(kernel) };
  },

  speculation: () => [BASE],
});

function* reclaim(cpu: Cpu, mm: Mm, { page }: Layout, batched: BatchedFlush | undefined): Steps {
  const batch = new ReclaimBatch(mm, batched);
  yield* batch.unmap(cpu, page);
  yield* batch.flushAndFree(cpu);
}

/** Unmaps the page and looks whether it has gone. */
function* unmapper(
  cpu: Cpu,
  mm: Mm,
  { page }: Layout,
  batched: BatchedFlush | undefined,
  touches: number,
): Steps {
  yield* unmapPages(cpu, mm, [page], batched);
  yield* loadRepeatedly(cpu, BASE + cpu.index * 4, touches);
}
