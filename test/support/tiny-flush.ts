/**
 * A flush scenario of a few steps, so that tests of what surrounds flush scenarios take no time: a user stores
 * to a page, and the kernel reads it through its own mapping of another colour.
 */
import { type BootPage, bootInto, bootMap } from '../../src/kernel/boot-process.ts';
import { withoutPaging } from '../../src/kernel/boot-user.ts';
import type { FlushArchitecture } from '../../src/kernel/flush/architecture.ts';
import { type KernelLayout, layKernel, properKernel, READ_WRITE } from '../../src/kernel/kernel.ts';
import type { Cpu, Steps } from '../../src/machine/cpu.ts';
import { colours, PAGE_BYTES, type Platform } from '../../src/machine/platform.ts';
import { dataAliases } from '../../src/machine/traits.ts';
import { defineFlushScenario } from '../../src/scenarios/flush/define-flush.ts';

interface Layout {
  readonly kernel: KernelLayout;
  readonly page: BootPage;
}

const USER = 0x4000_0000;
const writeBackAliases = (platform: Platform) => dataAliases(platform) && platform.l1d.write === 'write-back';

export default defineFlushScenario<Layout>({
  name: 'tiny-flush',
  title: 'The kernel reads what a user stored',
  source: 'made up',
  module: import.meta.url,
  sites: { cache: 'flushCachePage before the kernel reads', after: 'and when it has read' },
  neverMatters: { after: 'nobody looks again' },
  variants: [
    {
      name: 'right',
      title: 'flushes the page first',
      expectOn: ({ name }) => ({ expect: 'clean', reason: `the page is in memory on <${name}>` }),
    },
    {
      name: 'no-flush',
      title: 'just reads',
      omit: ['cache'],
      expectOn: (platform) =>
        writeBackAliases(platform)
          ? { expect: ['stale-data'], reason: 'the line is dirty under another index' }
          : { expect: 'clean', reason: 'memory or the same line has it' },
      unsupported: ({ l2 }) => (l2?.primaryIndex ? 'the hardware notices by itself' : undefined),
    },
  ],
  cpus: 1,
  platform: 'arm926',

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['process'], (boot, [space]) => {
      let page = bootMap(boot, space, USER, 1, READ_WRITE)[0];
      const ways = colours(machine.platform.l1d);
      // A frame of another colour than the page's.
      while (ways > 1 && ((page.frame ^ page.va) & ((ways - 1) * PAGE_BYTES)) === 0) {
        const frame = boot.pages(1);
        machine.poke(page.ptePa, (frame | READ_WRITE) >>> 0);
        page = { ...page, frame };
      }
      return page;
    });
    bootInto(machine, 0, kernel.spaces[0]);
    return { kernel, page: prepared };
  },

  start({ machine, checker, cpu, layout }, _, flushesOf) {
    const kernel = properKernel(machine, layout.kernel, checker);
    return { program: readBack(cpu, flushesOf(kernel), layout), vectors: withoutPaging(kernel) };
  },
});

function* readBack(cpu: Cpu, flushes: FlushArchitecture, { kernel, page }: Layout): Steps {
  // Some caches allocate a line for a load only.
  yield* cpu.load(page.va);
  yield* cpu.store(page.va, 1);
  yield* cpu.dsb();
  const user = { ...page, space: kernel.spaces[0] };
  yield* flushes.at('cache').flushCachePage(cpu, user);
  yield* cpu.loadPhysical(page.frame);
  yield* flushes.at('after').flushCachePage(cpu, user);
}
