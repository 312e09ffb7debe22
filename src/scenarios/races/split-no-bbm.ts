/**
 * One page of a block in the linear mapping is to lose a permission, so the block is split. A CPU that has
 * the block in its TLB, unused for stores so far, walks for the dirty bit of its first store, finds the small
 * page and has both: harmless while they say the same, undefined as soon as the page has changed.
 */

import { bootAllInto } from '../../kernel/boot-process.ts';
import { storeRepeatedly, withoutPaging } from '../../kernel/boot-user.ts';
import { type BootBlock, bootLinearBlock, changeInBlock } from '../../kernel/huge-map.ts';
import { type KernelLayout, layKernel, properKernel } from '../../kernel/kernel.ts';
import type { Mm } from '../../kernel/mm.ts';
import { PTE } from '../../machine/attributes.ts';
import type { Platform } from '../../machine/platform.ts';
import { defineScenario } from '../define.ts';

/** Where physical address 0 is mapped. */
const BASE = 0x4000_0000;
/** Everything but the dirty bit: the block has been read, and not written. */
const CLEAN_BLOCK = PTE.VALID | PTE.ACCESSED | PTE.WRITE | PTE.EXECUTE;

interface Layout {
  readonly kernel: KernelLayout;
  readonly block: BootBlock;
  /** Virtual address of the page in the block that changes. */
  readonly va: number;
}

export default defineScenario<Layout>({
  name: 'split-no-bbm',
  title: 'A page of a split block changes while TLBs still hold the block',
  source:
    'Linux ad5ca55f6bdb "x86, cpa: srlz cpa(), global flush tlb after splitting big page and before doing cpa"',
  module: import.meta.url,
  variants: [
    { name: 'buggy', title: 'splits, changes the page, then flushes', expect: ['multiple-match'] },
    {
      name: 'fixed',
      title: 'splits, flushes everywhere, then changes the page',
      expect: 'clean',
      unsupported: conflicts,
    },
  ],
  parameters: {
    touches: { title: 'stores to the page', default: 4, min: 1, max: 1000 },
  },
  cpus: 2,
  platform: 'x86-64',
  small: { parameters: { touches: 1 } },

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['kernel'], (boot, [space]) => ({
      block: bootLinearBlock(boot, space, BASE, CLEAN_BLOCK),
      va: BASE + boot.pages(1),
    }));
    const { state, translation } = machine;
    bootAllInto(machine, kernel.spaces[0]);
    const { entryPa } = prepared.block;
    const found = { pte: machine.peek(entryPa) | 0, ptePa: entryPa, pteVersion: 0 };
    translation.fill(state.cpus[1], BASE, translation.sizeOf(translation.depth - 1), found, false);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout: { kernel: laid, block, va } }, { variant, touches }) {
    const kernel = properKernel(machine, laid, checker);
    const mm: Mm = { kernel, space: laid.spaces[0], checker };
    const program =
      cpu.index === 0
        ? changeInBlock(cpu, mm, va, block.table, PTE.EXECUTE, variant === 'fixed')
        : storeRepeatedly(cpu, va, Number(touches));
    return { program, vectors: withoutPaging(kernel) };
  },

  speculation: ({ va }) => [va],
});

/** Two entries that agree are one too many where any two are: there only break-before-make will do, as in vmap-no-bbm. */
function conflicts({ name, mmu }: Platform): string | undefined {
  return mmu.tlb.multipleMatch === 'abort'
    ? `${name} aborts a lookup that matches two TLB entries, even if they agree: its kernel breaks a block before it splits it`
    : undefined;
}
