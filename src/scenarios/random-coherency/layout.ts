/**
 * Where everything is: two address spaces of four pages each, two pages that both share, and the few lines
 * of each page that programs use. Which frames a page may have is what makes a mode: in coherent mode only
 * frames of its colour (any where aliases trap, only its own under virtual tags), in software mode fixed ones
 * with aliases.
 */
import { ATTRIBUTE_NORMAL, ATTRIBUTE_UNCACHED, PTE } from '../../machine/attributes.ts';
import type { Machine } from '../../machine/machine.ts';
import { colours, type Platform } from '../../machine/platform.ts';
import type { Mode } from './organisations.ts';

/** Kernel words, each on a line of its own. */
export const LOCK = 0x000;
export const ACKNOWLEDGED = 0x100;
export const COMMAND_KIND = 0x200;
export const COMMAND_VA = 0x204;
export const COMMAND_ASID = 0x208;

/** Root and leaf table of each space, and the leaf table that both share. */
const ROOTS = [0x1000, 0x2000];
const LEAVES = [0x3000, 0x4000];
const SHARED_LEAF = 0x5000;
const PRIVATE_PAGES = 4;
const SHARED_PAGES = 2;
const PRIVATE_VA = 0x1_0000;
const SHARED_VA = 0x41_0000;
export const SPACES = 2;
/** The page whose mapping never changes: its first word is the counter of the exclusives. */
export const COUNTER_VA = SHARED_VA + 0x1000;

export interface Page {
  readonly va: number;
  readonly pteAddress: number;
  /** Frames that it may be mapped to; the first one at the start. */
  readonly frames: readonly number[];
  readonly attributes: number;
  readonly isGlobal: boolean;
}

export interface Layout {
  readonly mode: Mode;
  /** Pages of each space; the shared ones are the same objects in both, and last. */
  readonly spaces: readonly (readonly Page[])[];
  /** Offsets of the lines that programs use within a page. */
  readonly offsets: readonly number[];
  readonly roots: readonly number[];
  readonly asids: readonly number[];
  /** Kernel words and tables are written past the caches. */
  readonly kernelUncached: boolean;
  /** Order numbers and logs of the threads' programs (software mode on threads). */
  readonly log: SharedArrayBuffer | null;
}

export function makeLayout(platform: Platform, mode: Mode, log: SharedArrayBuffer | null): Layout {
  const { lineBytes, l1d, l2, mmu } = platform;
  const isVivt = l1d.organisation === 'vivt';
  const frames =
    mode === 'software'
      ? aliasedFrames
      : isVivt
        ? ownFrames
        : colouredFrames(l2?.primaryIndex ? 1 : colours(l1d));
  const shared = Array.from({ length: SHARED_PAGES }, (_, i): Page => {
    const va = SHARED_VA + i * 0x1000;
    const candidates = frames(-1, i);
    // Virtual tags carry the ASID even of a global page, so in coherent mode it cannot be cached.
    const isUncached = mode === 'software' ? i === 0 : isVivt;
    return {
      va,
      pteAddress: SHARED_LEAF + ((va >>> 12) & 0x3ff) * 4,
      frames: va === COUNTER_VA ? candidates.slice(0, 1) : candidates,
      attributes: isUncached ? ATTRIBUTE_UNCACHED : ATTRIBUTE_NORMAL,
      isGlobal: true,
    };
  });
  const spaces = Array.from({ length: SPACES }, (_, space) => {
    const own = Array.from({ length: PRIVATE_PAGES }, (_, i): Page => {
      const va = PRIVATE_VA + i * 0x1000;
      const pteAddress = LEAVES[space] + ((va >>> 12) & 0x3ff) * 4;
      return { va, pteAddress, frames: frames(space, i), attributes: ATTRIBUTE_NORMAL, isGlobal: false };
    });
    return [...own, ...shared];
  });
  return {
    mode,
    spaces,
    offsets: [0, lineBytes, 5 * lineBytes],
    roots: ROOTS,
    asids: mmu.tlb.asidBits > 0 ? [1, 2] : [0, 0],
    kernelUncached: isVivt,
    log,
  };
}

/** Frames of a page: `space` is -1 for the shared pages. */
type FramesOf = (space: number, page: number) => number[];

/** Every page may share a frame with every other one of its colour. */
function colouredFrames(count: number): FramesOf {
  return (space, page) => {
    if (space < 0) return [24 + page, 28 + page];
    return [8, 9, 10, 11, 12, 13, 14, 15].filter((frame) => frame % count === page % count);
  };
}

/** Under virtual tags a frame in two pages is two lines: each page has two frames of its own. */
const ownFrames: FramesOf = (space, page) => {
  const first = space < 0 ? 24 + 2 * page : 8 + space * 8 + page * 2;
  return [first, first + 1];
};

/** Three frames in all: the same one in several pages, in other colours, and once uncached. */
const aliasedFrames: FramesOf = (space, page) => {
  if (space < 0) return [8 + page];
  return [
    [8, 8, 9, 10],
    [9, 10, 8, 8],
  ][space].slice(page, page + 1);
};

export function pteOf(layout: Layout, page: Page, frame: number): number {
  let bits = PTE.VALID | PTE.WRITE | PTE.EXECUTE | (page.isGlobal ? PTE.GLOBAL : 0);
  // The model knows no walker that writes.
  if (layout.mode === 'software') bits |= PTE.ACCESSED | PTE.DIRTY;
  return ((frame << 12) | bits | (page.attributes << PTE.ATTRIBUTE_SHIFT)) >>> 0;
}

/** Writes the tables as a boot loader does. */
export function writeTables(machine: Machine, layout: Layout): void {
  for (const [space, pages] of layout.spaces.entries()) {
    machine.poke(ROOTS[space] + (PRIVATE_VA >>> 22) * 4, (LEAVES[space] | PTE.VALID | PTE.TABLE) >>> 0);
    machine.poke(ROOTS[space] + (SHARED_VA >>> 22) * 4, (SHARED_LEAF | PTE.VALID | PTE.TABLE) >>> 0);
    for (const page of pages) machine.poke(page.pteAddress, pteOf(layout, page, page.frames[0]));
  }
}

/** Addresses that speculation may go to: every line that programs use. */
export function speculationOf(layout: Layout): number[] {
  return layout.spaces[0].flatMap((page) => layout.offsets.map((offset) => page.va + offset));
}
