/** Ranges of seeds, and what of them is a unit of a campaign. */

interface SeedRange {
  readonly from: number;
  /** Itself included. */
  readonly to: number;
}

const lengthOf = ({ from, to }: SeedRange) => to - from + 1;

/** How many seeds there are. */
export function countOf(ranges: readonly SeedRange[]): number {
  return ranges.reduce((sum, range) => sum + lengthOf(range), 0);
}

/** Shards of at most `size` consecutive seeds that the ranges are cut into. */
export function shardsIn(ranges: readonly SeedRange[], size: number): number {
  return ranges.reduce((sum, range) => sum + Math.ceil(lengthOf(range) / size), 0);
}

/** Seed number `index` of all, from 0. @throws RangeError beyond the last one */
export function seedAt(ranges: readonly SeedRange[], index: number): number {
  return shardAt(ranges, 1, index).firstSeed;
}

/** Shard number `index` of all, from 0. @throws RangeError beyond the last one */
export function shardAt(
  ranges: readonly SeedRange[],
  size: number,
  index: number,
): { readonly firstSeed: number; readonly runs: number } {
  let before = 0;
  for (const range of ranges) {
    const shards = Math.ceil(lengthOf(range) / size);
    if (index < before + shards) {
      const firstSeed = range.from + (index - before) * size;
      return { firstSeed, runs: Math.min(size, range.to - firstSeed + 1) };
    }
    before += shards;
  }
  throw new RangeError(`there is no shard ${index}`);
}
