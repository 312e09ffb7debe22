/**
 * mremap moves a page's entry and lets go of the page-table lock before it flushes the old address. A hole
 * punched into the file meanwhile finds the page at its new address, flushes that one and frees the page: by
 * the old address a CPU that has it in its TLB reads and writes what belongs to somebody else.
 */

import { bootEntryOf, bootMap } from '../../kernel/boot-process.ts';
import { bootUsers, loadRepeatedly, withoutPaging } from '../../kernel/boot-user.ts';
import { type KernelLayout, layKernel, properKernel, READ_WRITE } from '../../kernel/kernel.ts';
import type { Mm, PageEntry } from '../../kernel/mm.ts';
import { zapPages } from '../../kernel/mmu-gather.ts';
import { movePages } from '../../kernel/mremap.ts';
import { layTables } from '../../kernel/page-table.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { defineScenario } from '../define.ts';

const OLD = 0x4000_0000;
const NEW = 0x4010_0000;

interface Layout {
  readonly kernel: KernelLayout;
  readonly from: PageEntry;
  readonly to: PageEntry;
}

export default defineScenario<Layout>({
  name: 'mremap-stale',
  title: 'mremap lets a page be freed before it has flushed the address that the page had',
  source: 'Linux eb66ae030829 "mremap: properly flush TLB before releasing the page", CVE-2018-18281',
  module: import.meta.url,
  variants: [
    { name: 'buggy', title: 'flushes after dropping the page-table lock', expect: ['freed-frame'] },
    { name: 'fixed', title: 'flushes under the page-table lock', expect: 'clean' },
  ],
  reachable: {
    'moved-first': { title: 'the hole finds the page at the address that it has been moved to' },
  },
  parameters: {
    touches: { title: 'accesses of each thread to the old address', default: 4, min: 1, max: 1000 },
  },
  cpus: 3,
  minCpus: 2,
  platform: 'neoverse',
  small: { cpus: 2, parameters: { touches: 1 } },

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['process'], (boot, [space]) => {
      const [from] = bootMap(boot, space, OLD, 1, READ_WRITE);
      layTables(boot, space.root, NEW, 1);
      return { from, to: { va: NEW, ptePa: bootEntryOf(machine, space, NEW) } };
    });
    bootUsers(machine, kernel.spaces[0], prepared.from);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout }, { variant, touches }) {
    const kernel = properKernel(machine, layout.kernel, checker);
    const mm: Mm = { kernel, space: layout.kernel.spaces[0], checker };
    const program = (): Steps => {
      if (cpu.index === 0) {
        return movePages(cpu, mm, [layout.from], [layout.to], { flushAfterUnlock: variant === 'buggy' });
      }
      if (cpu.index === 1) return punchHole(cpu, mm, layout, Number(touches));
      return loadRepeatedly(cpu, OLD + cpu.index * 4, Number(touches));
    };
    return { program: program(), vectors: withoutPaging(kernel) };
  },

  speculation: () => [OLD, NEW],
});

/** Frees the file's page, which is mapped at one of the two addresses; then goes on using the old one. */
function* punchHole(cpu: Cpu, mm: Mm, { from, to }: Layout, touches: number): Steps {
  const [found] = yield* zapPages(cpu, mm, [from, to]);
  if (found === to) mm.checker?.reached('moved-first');
  yield* loadRepeatedly(cpu, OLD + cpu.index * 4, touches);
}
