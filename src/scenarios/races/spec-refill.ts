/**
 * A process exits: one flush at the beginning, then its pages are freed without any, since no thread of it
 * is left to use them. But a CPU between two threads still has its tables attached, and may fill its TLB from
 * them by speculation until it switches. The next process is given the same tables, and with them the same
 * tag: that CPU then runs it on the pages of the first.
 */

import { type BootPage, bootAllInto, bootMap } from '../../kernel/boot-process.ts';
import { loadRepeatedly, speculate, withoutPaging } from '../../kernel/boot-user.ts';
import { type KernelLayout, layKernel, properKernel, READ_WRITE } from '../../kernel/kernel.ts';
import type { Mm } from '../../kernel/mm.ts';
import { exitMmap } from '../../kernel/mmu-gather.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { defineScenario } from '../define.ts';

const BASE = 0x4000_0000;

interface Layout {
  readonly kernel: KernelLayout;
  readonly page: BootPage;
  /** Frame of the next process's page. */
  readonly nextFrame: number;
  /** 1 when the next process may run. */
  readonly runnablePa: number;
}

export default defineScenario<Layout>({
  name: 'spec-refill',
  title: 'Speculation refills the TLB from tables that are still attached after their flush',
  source: 'Linux 02a8f3abb708 "s390/mm,tlb: safeguard against speculative TLB creation"',
  module: import.meta.url,
  variants: [
    {
      name: 'buggy',
      title: 'flushes first, then clears the entries and frees the pages',
      expect: ['stale-translation'],
      unsupported: (platform) => {
        if (platform.mmu.refill === 'software') return `${platform.name} never fills its TLB by itself`;
        if (platform.mmu.tlb.asidBits > 0 && platform.mmu.walkCache?.asidTagged !== false) return undefined;
        return `${platform.name} has no tags and flushes whenever it switches: use a platform with ASIDs`;
      },
    },
    { name: 'fixed', title: 'clears the entries, flushes, then frees the pages', expect: 'clean' },
  ],
  parameters: {
    touches: {
      title: 'speculative walks, and accesses of the next process',
      default: 4,
      min: 1,
      max: 1000,
    },
  },
  cpus: 2,
  platform: 'neoverse',
  small: { parameters: { touches: 1 } },

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['process'], (boot, [space]) => ({
      page: bootMap(boot, space, BASE, 1, READ_WRITE)[0],
      nextFrame: boot.pages(1),
      runnablePa: boot.line(),
    }));
    bootAllInto(machine, kernel.spaces[0]);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout }, { variant, touches }) {
    const kernel = properKernel(machine, layout.kernel, checker);
    const mm: Mm = { kernel, space: layout.kernel.spaces[0], checker };
    const program =
      cpu.index === 0
        ? exitAndFork(cpu, mm, layout, variant === 'buggy')
        : idleThenNext(cpu, mm, layout, Number(touches));
    return { program, vectors: withoutPaging(kernel) };
  },

  speculation: () => [BASE],
});

/** Takes the process down and builds another with the tables, and so the tag, of the first. */
function* exitAndFork(cpu: Cpu, mm: Mm, layout: Layout, flushFirst: boolean): Steps {
  const { kernel } = mm;
  yield* exitMmap(cpu, mm, [layout.page], { flushFirst });
  yield* kernel.tables.write(cpu, layout.page.ptePa, (layout.nextFrame | READ_WRITE) >>> 0);
  yield* cpu.dsb();
  yield* cpu.storePhysical(layout.runnablePa, 1, 4, kernel.uncached);
}

/** Idles with the tables of the process still attached; then switches to the next one and runs it. */
function* idleThenNext(cpu: Cpu, { kernel, space }: Mm, layout: Layout, touches: number): Steps {
  for (let i = 0; i < touches; i++) yield* speculate(cpu, BASE);
  yield* cpu.waitUntil(layout.runnablePa, (runnable) => runnable !== 0, {
    why: 'the next process',
    from: 0,
    uncached: kernel.uncached,
  });
  yield* kernel.switchMm(cpu, space);
  yield* loadRepeatedly(cpu, BASE, touches);
}
