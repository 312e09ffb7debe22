/** What the programs of a cost measurement work with. */
import type { Contexts, ContextsLayout } from '../../kernel/contexts.ts';
import type { CodeInterfaces } from '../../kernel/flush/code-interfaces.ts';
import type { FlushInterfaces } from '../../kernel/flush/interfaces.ts';
import type { Kernel, KernelLayout } from '../../kernel/kernel.ts';
import type { SharedPage } from '../../kernel/rmap.ts';

export interface FlushCostLayout {
  readonly kernel: KernelLayout;
  readonly contexts: ContextsLayout;
  /** Frames of the user's pages. */
  readonly frames: readonly number[];
  /** The first page, which is mapped once more at `alias`, an address of another colour. */
  readonly shared: SharedPage;
  readonly alias: number;
  /** Entries of both mappings, and what they hold. */
  readonly sharedPtes: readonly number[];
  readonly sharedEntry: number;
  /** How often each target has been ready, twice a round: its pages are used, and it waits. */
  readonly readyPa: readonly number[];
  /** How often CPU 0 has done its part, twice a round: all is prepared, and the call is over. */
  readonly donePa: number;
}

export interface CostDesk {
  readonly kernel: Kernel;
  readonly contexts: Contexts;
  readonly calls: FlushInterfaces & CodeInterfaces;
  readonly layout: FlushCostLayout;
  /** Address of the user's first page, and how many there are. */
  readonly user: number;
  readonly pages: number;
  /** Address of a page of the kernel's own. */
  readonly kernelPage: number;
}
