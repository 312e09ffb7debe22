/** What follows from a platform's description, in the terms in which kernels ask. */
import { colours, type Platform } from './platform.ts';

/** Can one word of memory sit in the L1D twice, under two virtual addresses, without the two seeing each other? */
export function dataAliases({ l1d }: Platform): boolean {
  return l1d.organisation === 'vivt' || colours(l1d) > 1;
}

/** Can one word of memory sit in the L1I twice, under two virtual addresses? */
export function fetchAliases({ l1i }: Platform): boolean {
  return l1i.organisation === 'vivt' || colours(l1i) > 1;
}

/** Colour of a virtual address in the L1D: aliases of one colour share their line, unless tags are virtual. */
export function colourOf({ l1d }: Platform, va: number): number {
  return (va >>> 12) & (colours(l1d) - 1);
}

/** Does a context switch leave lines behind that the next context would take for its own? */
export function tagsRepeat({ l1d }: Platform): boolean {
  return isUntagged(l1d);
}

/** Are lines of a cache found by their virtual address alone? */
export function isUntagged(cache: Platform['l1d'] | Platform['l1i']): boolean {
  return cache.organisation === 'vivt' && !cache.asidTagged;
}

/** Must an instruction cache be told of stores, or of what it is to fetch from? */
export function fetchNeedsMaintenance({ l1i }: Platform): boolean {
  return !l1i.snooped || l1i.fillsFrom === 'unification';
}

/**
 * Does a flush find the lines of a virtual address only while that is mapped? Then it must come before the
 * mapping changes, as the order of the flush interfaces has it.
 */
export function flushNeedsMapping(platform: Platform): boolean {
  return dataAliases(platform) && platform.maintenance.unmapped === 'ignored';
}
