/**
 * Whether kernel code keeps to the order of the flush interfaces: flush the cache, change the table, flush
 * the TLB. What it sees is one CPU's dealings with one page at a time, which is how kernel code changes a
 * mapping. Where a cache finds its lines without the mapping, the first half of the rule is not enforced.
 */
import type { Checker } from '../../checker/checker.ts';
import { frameAddress, PTE } from '../../machine/attributes.ts';
import type { Cpu } from '../../machine/cpu.ts';
import type { Machine } from '../../machine/machine.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../../machine/platform.ts';
import { flushNeedsMapping } from '../../machine/traits.ts';
import type { AddressSpace } from '../address-space.ts';

/** What is known of a page since its mapping was last settled, as bits. */
const CACHE_FLUSHED = 1;
/** Its entry has changed, and no TLB flush has followed. */
const CHANGED = 2;
/** No space has its root here. */
const EVERY_SPACE = -1;

/** Broken rules, as the `detail` of a finding of kind 'flush-order'. */
const ORDER = { CHANGED_BEFORE_CACHE_FLUSH: 0, NO_TLB_FLUSH_AFTER_CHANGE: 1 } as const;

export class FlushOrder {
  private readonly checker: Checker | null;
  private readonly needsMapping: boolean;
  private readonly pages = new Map<string, number>();
  /** Roots of the spaces whose caches have been flushed as a whole, and whose TLBs have not since. */
  private readonly flushed = new Set<number>();

  constructor(machine: Machine, checker: Checker | null) {
    this.checker = checker;
    this.needsMapping = flushNeedsMapping(machine.platform);
  }

  /** The cache has been flushed for `pages` pages from `va`. */
  cacheFlushed(space: AddressSpace, va: number, pages: number): void {
    this.update(space, va, pages, (state) => state | CACHE_FLUSHED);
  }

  /** The entry of a page changes from `old` to `entry`. */
  entryChanges(cpu: Cpu, space: AddressSpace, va: number, old: number, entry: number): void {
    if ((old & PTE.VALID) === 0 || sameAccess(old, entry)) return;
    const page = key(space, va >>> PAGE_SHIFT);
    const gone = (entry & PTE.VALID) === 0 || frameAddress(entry) !== frameAddress(old);
    if (this.needsMapping && gone && !this.isFlushed(space, page)) {
      this.checker?.outOfOrder(cpu.hw, va, ORDER.CHANGED_BEFORE_CACHE_FLUSH);
    }
    this.pages.set(page, CHANGED);
  }

  /** The TLB has been flushed for `pages` pages from `va`. */
  tlbFlushed(space: AddressSpace, va: number, pages: number): void {
    this.update(space, va, pages, (state) => state & ~CHANGED);
  }

  /** The kernel relies on it: nobody uses the old mapping any more. */
  relied(cpu: Cpu, space: AddressSpace, va: number): void {
    const page = key(space, va >>> PAGE_SHIFT);
    if ((this.stateOf(page) & CHANGED) !== 0) {
      this.checker?.outOfOrder(cpu.hw, va, ORDER.NO_TLB_FLUSH_AFTER_CHANGE);
    }
    this.pages.delete(page);
  }

  /** The caches have been flushed of everything of a space (null: of all spaces). */
  cacheFlushedAll(space: AddressSpace | null): void {
    this.flushed.add(space?.root ?? EVERY_SPACE);
  }

  /** The TLBs have been flushed of everything of a space (null: of all spaces). */
  tlbFlushedAll(space: AddressSpace | null): void {
    this.flushed.delete(space?.root ?? EVERY_SPACE);
    for (const [page, state] of this.pages) {
      if (space && !page.startsWith(`${space.root}:`)) continue;
      this.pages.set(page, state & ~CHANGED);
    }
  }

  private isFlushed(space: AddressSpace, page: string): boolean {
    if (this.flushed.has(space.root) || this.flushed.has(EVERY_SPACE)) return true;
    return (this.stateOf(page) & CACHE_FLUSHED) !== 0;
  }

  private stateOf(page: string): number {
    return this.pages.get(page) ?? 0;
  }

  private update(space: AddressSpace, va: number, pages: number, change: (state: number) => number): void {
    for (let at = 0; at < pages; at++) {
      const page = key(space, (va + at * PAGE_BYTES) >>> PAGE_SHIFT);
      this.pages.set(page, change(this.stateOf(page)));
    }
  }
}

function key(space: AddressSpace, page: number): string {
  return `${space.root}:${page}`;
}

/** True if whatever went through the old entry may go through the new one. */
function sameAccess(old: number, entry: number): boolean {
  const kept = PTE.VALID | PTE.WRITE | PTE.EXECUTE | (3 << PTE.ATTRIBUTE_SHIFT);
  const isSamePlace = frameAddress(old) === frameAddress(entry);
  return isSamePlace && (old & kept & ~entry) === 0 && ((old ^ entry) & (3 << PTE.ATTRIBUTE_SHIFT)) === 0;
}
