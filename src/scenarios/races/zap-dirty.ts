/**
 * munmap clears a dirty entry of a shared file page, marks the page dirty, and drops the page-table lock
 * before it flushes. Write-back finds no entry left to write-protect, clears the mark and copies the page
 * to disk; a CPU that still has the writable entry then writes to a page that nobody will write back.
 */

import { type BootPage, bootMap } from '../../kernel/boot-process.ts';
import { bootUsers, storeRepeatedly, withoutPaging } from '../../kernel/boot-user.ts';
import { type FilePage, writeBack, zapFilePage } from '../../kernel/file-page.ts';
import { type KernelLayout, layKernel, properKernel, READ_WRITE } from '../../kernel/kernel.ts';
import type { Mm } from '../../kernel/mm.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { defineScenario } from '../define.ts';

const BASE = 0x4000_0000;
/** What of the page is written to disk: the word that the threads store to. */
const WRITTEN_BYTES = 4;

interface Layout {
  readonly kernel: KernelLayout;
  readonly mapping: BootPage;
  readonly page: FilePage;
}

export default defineScenario<Layout>({
  name: 'zap-dirty',
  title: 'Write-back overtakes the flush of a dirty page that is being unmapped',
  source: 'Linux 1cf35d47712d "mm: split \'tlb_flush_mmu()\' into tlb flushing and memory freeing parts"',
  module: import.meta.url,
  variants: [
    { name: 'buggy', title: 'flushes after dropping the page-table lock', expect: ['stale-translation'] },
    { name: 'fixed', title: 'flushes under the page-table lock, frees later', expect: 'clean' },
  ],
  parameters: {
    touches: { title: 'stores of each thread to the page', default: 4, min: 1, max: 1000 },
  },
  cpus: 3,
  minCpus: 2,
  platform: 'x86-64',
  small: { cpus: 2, parameters: { touches: 1 } },

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['process'], (boot, [space]) => {
      const [mapping] = bootMap(boot, space, BASE, 1, READ_WRITE);
      const page = { frame: mapping.frame, dirtyPa: boot.line(), disk: boot.pages(1) };
      return { mapping, page };
    });
    bootUsers(machine, kernel.spaces[0], prepared.mapping);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout }, { variant, touches }) {
    const kernel = properKernel(machine, layout.kernel, checker);
    const mm: Mm = { kernel, space: layout.kernel.spaces[0], checker };
    const program = (): Steps => {
      if (cpu.index === 0) {
        return zapFilePage(cpu, mm, layout.mapping, layout.page, { flushAfterUnlock: variant === 'buggy' });
      }
      if (cpu.index === 1) return syncer(cpu, mm, layout, Number(touches));
      return storeRepeatedly(cpu, BASE, Number(touches));
    };
    return { program: program(), vectors: withoutPaging(kernel) };
  },

  speculation: () => [BASE],
});

/** The thread that has the page written back (msync) and goes on writing to it. */
function* syncer(cpu: Cpu, mm: Mm, { mapping, page }: Layout, touches: number): Steps {
  yield* writeBack(cpu, mm, mapping, page, WRITTEN_BYTES);
  yield* storeRepeatedly(cpu, BASE, touches);
}
