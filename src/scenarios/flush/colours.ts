/**
 * Addresses and frames that never agree in colour: user pages have odd page numbers, frames even ones. Colours
 * are a power of two of low page-number bits, so these two differ wherever there is more than one colour, and
 * a direct-mapped virtual cache keeps the two apart as well.
 */
import type { AddressSpace } from '../../kernel/address-space.ts';
import type { BootMemory } from '../../kernel/boot-memory.ts';
import { type BootPage, bootMap } from '../../kernel/boot-process.ts';
import type { FramesLayout } from '../../kernel/frames.ts';
import { layTables } from '../../kernel/page-table.ts';
import type { Machine } from '../../machine/machine.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../../machine/platform.ts';
import { colourOf } from '../../machine/traits.ts';

const USER_BASE = 0x4000_0000;
/**
 * The kernel's own structures lie in the lowest pages of memory; user pages begin above the index that those
 * have in a direct-mapped cache of 128 KB.
 */
const FIRST_PAGE = 21;

/** Virtual address of the user page `n` (0 to 5) of a process, with an odd page number. */
export function oddPage(n: number): number {
  return USER_BASE + (FIRST_PAGE + 2 * n) * PAGE_BYTES;
}

/** Maps a page to a fresh frame with an even number, and enters it as an area of the space. */
export function bootMapEven(
  boot: BootMemory,
  space: AddressSpace,
  va: number,
  permissions: number,
): BootPage {
  return bootMapApart(boot, space, va, 1, permissions)[0];
}

/**
 * Maps pages from `va`, which has an odd number, to fresh frames, of which the first has an even one: each page
 * differs in colour from its frame. They are one area of the space.
 */
export function bootMapApart(
  boot: BootMemory,
  space: AddressSpace,
  va: number,
  pages: number,
  permissions: number,
): BootPage[] {
  // Tables first: they would come between.
  layTables(boot, space.root, va, pages);
  if ((boot.firstFreePage >>> PAGE_SHIFT) & 1) boot.pages(1);
  return bootMap(boot, space, va, pages, permissions);
}

/** An area of one page in which nothing is mapped yet, as fork finds it in the child. */
export function bootEmptyPage(boot: BootMemory, space: AddressSpace, va: number): BootPage {
  const page = bootMap(boot, space, va, 1, 0)[0];
  boot.machine.poke(page.ptePa, 0);
  return page;
}

/** Has the allocator hand out frames with even numbers first, the lowest of them at the top. */
export function evenFramesFirst(machine: Machine, frames: FramesLayout): void {
  framesFirst(machine, frames, (frame) => (frame & 1) === 0);
}

/** Has the allocator hand out frames of an address's colour first, the lowest of them at the top. */
export function framesOfColourFirst(machine: Machine, frames: FramesLayout, va: number): void {
  const { platform } = machine;
  const colour = colourOf(platform, va);
  framesFirst(machine, frames, (frame) => colourOf(platform, frame << PAGE_SHIFT) === colour);
}

function framesFirst(
  machine: Machine,
  { countPa, stackPa }: FramesLayout,
  isFirst: (frame: number) => boolean,
): void {
  const count = machine.peek(countPa);
  const frames = Array.from({ length: count }, (_, i) => machine.peek(stackPa + i * 4));
  const sorted = [...frames.filter((frame) => !isFirst(frame)), ...frames.filter(isFirst)];
  for (const [i, frame] of sorted.entries()) machine.poke(stackPa + i * 4, frame);
}
