/**
 * The flush interfaces of Linux, as David Miller's "The Linux Cache Flush Architecture" describes them
 * (today Documentation/core-api/cachetlb.rst), with the names in camel case. Kernel code calls them whatever
 * the machine; what each does there is decided in this folder from the platform's description.
 *
 * The rule for their order, whenever the mapping of a page is taken away or changed:
 *
 *     flush the cache; change the tables; flush the TLB
 *
 * The cache first, because a virtual cache may need the mapping to find a line or to write it back; the TLB
 * last, because a walker refills it from the tables.
 */
import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { AddressSpace } from '../address-space.ts';
import type { Mapping, SharedPage } from '../rmap.ts';
import type { CodeOmissions } from './code-interfaces.ts';

/** A page as one address space sees it. */
export interface UserPage {
  readonly space: AddressSpace;
  readonly va: number;
  /** Physical address of its frame. */
  readonly frame: number;
  /** Mapped executable: instruction caches may hold it. */
  readonly executable?: boolean;
}

/** A part of updateMmuCache that goes another way. */
export interface AliasTest {
  /** Wrong, and what the document shows: only whether the new mapping may be written through. */
  readonly newOnly?: boolean;
}

export interface FlushInterfaces {
  /** The kernel's own mappings are about to change: afterwards no cache holds a line of any mapping. */
  flushCacheAll(cpu: Cpu): Steps;
  /** The whole address space is about to go or to change (exit, exec, fork): no cache holds a line of it. */
  flushCacheMm(cpu: Cpu, space: AddressSpace): Steps;
  /** `pages` pages from `va` are about to change: no cache holds a line filled through them. */
  flushCacheRange(cpu: Cpu, space: AddressSpace, va: number, pages: number): Steps;
  /** One page is about to change: no cache holds a line filled through it. */
  flushCachePage(cpu: Cpu, page: UserPage): Steps;
  /** The kernel's own mappings have changed: no TLB holds an older translation of any address space. */
  flushTlbAll(cpu: Cpu): Steps;
  /** The whole address space has changed: no TLB holds an older translation of it. */
  flushTlbMm(cpu: Cpu, space: AddressSpace): Steps;
  /** `pages` pages from `va` have changed: no TLB holds an older translation of them. */
  flushTlbRange(cpu: Cpu, space: AddressSpace, va: number, pages: number): Steps;
  /** One page has changed: no TLB holds an older translation of it. */
  flushTlbPage(cpu: Cpu, space: AddressSpace, va: number): Steps;
  /** Pages of the kernel's own mappings from `va` have changed (vmalloc): no TLB holds an older translation. */
  flushTlbKernelRange(cpu: Cpu, va: number, pages: number): Steps;
  /**
   * The kernel has written a user's page, or will read it, through its own mapping: what it stored is in
   * memory, and no line of the kernel's mapping is left that could hide what a user stores.
   */
  flushPageToRam(cpu: Cpu, frame: number): Steps;
  /**
   * Successor of flushPageToRam, for pages that are mapped in user space as well (page cache): the lines of
   * the kernel's mapping and of all of the user's are written back and gone, so that either side sees what
   * the other stored. flushPageToRam does the kernel's half of it.
   * @param mappings every mapping of the page in a user's address space
   */
  flushDcachePage(cpu: Cpu, frame: number, mappings: readonly UserPage[]): Steps;
  /**
   * A page that several mappings may share has just been mapped at `mapping`, which its reverse mappings have
   * already, and nobody has used that address yet: whatever is stored through one of them is what the others
   * load, from the moment that this returns. The table of the mapping's space is locked.
   */
  updateMmuCache(cpu: Cpu, mapping: Mapping, page: SharedPage, test?: AliasTest): Steps;
  /**
   * Words of the kernel's own mapping, `sizeBytes` from physical address `pa`, are code now: every CPU
   * fetches what was stored last, as soon as this returns.
   */
  flushIcacheRange(cpu: Cpu, pa: number, sizeBytes: number, omit?: CodeOmissions): Steps;
  /** The kernel has written a page that is about to be mapped executable: whoever executes it fetches that. */
  flushIcachePage(cpu: Cpu, page: UserPage, omit?: CodeOmissions): Steps;
}
