/** Machines whose caches are emptied in few steps. */
import { colours, PAGE_BYTES, type Platform } from '../../machine/platform.ts';

/** Sets of each cache. */
interface Sets {
  readonly l1: number;
  readonly l2: number;
  readonly shared: number;
  readonly outer: number;
}

const FEW: Sets = { l1: 4, l2: 8, shared: 8, outer: 16 };
const FEWER: Sets = { l1: 4, l2: 4, shared: 2, outer: 8 };
const FEWEST: Sets = { l1: 2, l2: 2, shared: 1, outer: 4 };
const MOST_WAYS = 4;

interface Shape {
  readonly sizeBytes: number;
  readonly ways: number;
}

/**
 * The platform with caches of a few sets and ways: a flush by set and way takes a step for each line, and how many there
 * are is not what a scenario is about; in a long one the hardware writes back by itself what the flush misses. A data
 * cache that has aliases keeps two colours.
 */
export function smallCaches(platform: Platform): Platform {
  return withSets(platform, FEW);
}

/** The same where each operation is a trap, and takes many steps itself. */
export function smallerCaches(platform: Platform): Platform {
  return withSets(platform, FEWER);
}

/** The same for a size at which every schedule is to be explored. */
export function tinyCaches(platform: Platform): Platform {
  return withSets(platform, FEWEST);
}

function withSets(platform: Platform, sets: Sets): Platform {
  const { name, title, lineBytes, l1d, l1i, l2, shared, outer } = platform;
  if (name.endsWith('-small-caches')) return platform;
  const cut = <T extends Shape>(cache: T, count: number, wayBytes = count * lineBytes): T => {
    const ways = Math.min(cache.ways, MOST_WAYS);
    return { ...cache, ways, sizeBytes: ways * Math.min(cache.sizeBytes / cache.ways, wayBytes) };
  };
  const first = cut(l1d, sets.l1, colours(l1d) > 1 ? 2 * PAGE_BYTES : undefined);
  // A private L2 includes the L1D.
  const atLeast = <T extends Shape>(cache: T): T => {
    let { sizeBytes } = cache;
    while (sizeBytes < first.sizeBytes) sizeBytes *= 2;
    return { ...cache, sizeBytes };
  };
  return {
    ...platform,
    name: `${name}-small-caches`,
    title: `${title}; with small caches`,
    l1d: first,
    l1i: cut(l1i, sets.l1, colours(l1i) > 1 ? 2 * PAGE_BYTES : undefined),
    ...(l2 && { l2: atLeast(cut(l2, sets.l2)) }),
    ...(shared && { shared: cut(shared, sets.shared) }),
    ...(outer && { outer: cut(outer, sets.outer) }),
  };
}
