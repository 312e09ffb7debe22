/**
 * Whether kernel code keeps to the order of the flush interfaces: flush the cache, change the table, flush
 * the TLB. What it sees is one CPU's dealings with one page at a time, which is how kernel code changes a
 * mapping. Where a cache finds its lines without the mapping, the first half of the rule is not enforced.
 */
import type { Checker } from '../../checker/checker.ts';
import { frameAddress, PTE } from '../../machine/attributes.ts';
import type { Cpu } from '../../machine/cpu.ts';
import type { Machine } from '../../machine/machine.ts';
import { KERNEL_BASE, PAGE_BYTES, PAGE_SHIFT } from '../../machine/platform.ts';
import { flushNeedsMapping } from '../../machine/traits.ts';
import type { AddressSpace } from '../address-space.ts';

/** Broken rules, as the `detail` of a finding of kind 'flush-order'. */
const ORDER = { CHANGED_BEFORE_CACHE_FLUSH: 0, NO_TLB_FLUSH_AFTER_CHANGE: 1 } as const;

/** What a flush was of: a page of a space, a space, a page of the kernel's, everything. */
type Scope = string;

export class FlushOrder {
  private readonly checker: Checker | null;
  private readonly needsMapping: boolean;
  private readonly kernelIsGlobal: boolean;
  /** Numbers the events below in their order. */
  private now = 0;
  /** When the caches were flushed of something last. */
  private readonly cacheFlushes = new Map<Scope, number>();
  /** When something was changed, or the TLBs flushed of it, last: what was flushed earlier counts no more. */
  private readonly ends = new Map<Scope, number>();
  /** Pages whose entry has changed, and no TLB flush has followed. */
  private readonly changed = new Set<Scope>();

  constructor(machine: Machine, checker: Checker | null) {
    this.checker = checker;
    this.needsMapping = flushNeedsMapping(machine.platform);
    this.kernelIsGlobal = machine.platform.mmu.kernelMappings === 'global';
  }

  /** The cache has been flushed for `pages` pages from `va`. */
  cacheFlushed(space: AddressSpace, va: number, pages: number): void {
    for (const at of addresses(va, pages)) this.cacheFlushes.set(pageScope(space, at), ++this.now);
  }

  /** The entry of a page changes from `old` to `entry`. */
  entryChanges(cpu: Cpu, space: AddressSpace, va: number, old: number, entry: number): void {
    const page = pageScope(space, va);
    if ((old & PTE.VALID) === 0) {
      // Lines that come in through it come after any flush there was.
      this.ends.set(page, ++this.now);
      return;
    }
    if (sameAccess(old, entry)) return;
    const gone = (entry & PTE.VALID) === 0 || frameAddress(entry) !== frameAddress(old);
    if (this.needsMapping && gone && !this.isFlushed(space, va)) {
      this.checker?.outOfOrder(cpu.hw, va, ORDER.CHANGED_BEFORE_CACHE_FLUSH);
    }
    this.ends.set(page, ++this.now);
    this.changed.add(page);
  }

  /** The TLB has been flushed for `pages` pages from `va` (no space: pages of the kernel’s, in all of them). */
  tlbFlushed(space: AddressSpace | null, va: number, pages: number): void {
    for (const at of addresses(va, pages)) {
      // Each context may have its own translation of a page of the kernel's: one of them is not all.
      if (isKernels(at) && space && !this.kernelIsGlobal) continue;
      const page = pageScope(space, at);
      this.ends.set(page, ++this.now);
      this.changed.delete(page);
    }
  }

  /** The kernel relies on it: nobody uses the old mapping any more. */
  relied(cpu: Cpu, space: AddressSpace, va: number): void {
    const page = pageScope(space, va);
    if (this.changed.delete(page)) this.checker?.outOfOrder(cpu.hw, va, ORDER.NO_TLB_FLUSH_AFTER_CHANGE);
    this.ends.set(page, ++this.now);
  }

  /** The caches have been flushed of everything of a space (null: of all spaces). */
  cacheFlushedAll(space: AddressSpace | null): void {
    this.cacheFlushes.set(spaceScope(space), ++this.now);
  }

  /** The TLBs have been flushed of everything of a space (null: of all spaces). */
  tlbFlushedAll(space: AddressSpace | null): void {
    this.ends.set(spaceScope(space), ++this.now);
    for (const page of this.changed)
      if (!space || page.startsWith(spaceScope(space))) this.changed.delete(page);
  }

  /** Has the cache been flushed of a page since its last change or TLB flush? */
  private isFlushed(space: AddressSpace, va: number): boolean {
    const scopes = scopesOf(space, va);
    return latest(this.cacheFlushes, scopes) > latest(this.ends, scopes);
  }
}

function* addresses(va: number, pages: number): Iterable<number> {
  for (let page = 0; page < pages; page++) yield va + page * PAGE_BYTES;
}

function isKernels(va: number): boolean {
  return va >>> 0 >= KERNEL_BASE;
}

/** A page of the kernel's is the same in every space. */
function pageScope(space: AddressSpace | null, va: number): Scope {
  return `${spaceScope(isKernels(va) ? null : space)}${va >>> PAGE_SHIFT}`;
}

function spaceScope(space: AddressSpace | null): Scope {
  return `${space?.root ?? 'every'}:`;
}

/** Every scope that a page of a space is in. */
function scopesOf(space: AddressSpace, va: number): readonly Scope[] {
  return [pageScope(space, va), spaceScope(isKernels(va) ? null : space), spaceScope(null)];
}

function latest(times: ReadonlyMap<Scope, number>, scopes: readonly Scope[]): number {
  return Math.max(...scopes.map((scope) => times.get(scope) ?? 0));
}

/** True if whatever went through the old entry may go through the new one. */
function sameAccess(old: number, entry: number): boolean {
  const kept = PTE.VALID | PTE.WRITE | PTE.EXECUTE | (3 << PTE.ATTRIBUTE_SHIFT);
  const isSamePlace = frameAddress(old) === frameAddress(entry);
  return isSamePlace && (old & kept & ~entry) === 0 && ((old ^ entry) & (3 << PTE.ATTRIBUTE_SHIFT)) === 0;
}
