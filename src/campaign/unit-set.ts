/** Units that are done: a bit each. */
export class UnitSet {
  /** Units that there are. */
  readonly total: number;
  /** Units that are in the set. */
  size = 0;
  private readonly bits: Uint8Array;

  constructor(total: number) {
    this.total = total;
    this.bits = new Uint8Array(Math.ceil(total / 8));
  }

  has(unit: number): boolean {
    return (this.bits[unit >>> 3] & (1 << (unit & 7))) !== 0;
  }

  /** @returns false if it was in already */
  add(unit: number): boolean {
    if (this.has(unit)) return false;
    this.bits[unit >>> 3] |= 1 << (unit & 7);
    this.size++;
    return true;
  }
}

/** Part of a campaign for one of several machines that know nothing of each other. */
export interface Share {
  /** From 1. */
  readonly index: number;
  readonly of: number;
}

/**
 * Units of a share that are not done, in order. Units next to each other go to different shares, so that no share has
 * a slow cell to itself.
 */
export function* unitsToDo(done: UnitSet, { index, of }: Share): Generator<number, undefined> {
  for (let unit = index - 1; unit < done.total; unit += of) if (!done.has(unit)) yield unit;
  return undefined;
}

/** Units of a share. @param units of the campaign */
export function countIn({ index, of }: Share, units: number): number {
  return Math.max(0, Math.ceil((units - index + 1) / of));
}
