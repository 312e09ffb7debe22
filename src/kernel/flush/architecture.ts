/**
 * The flush interfaces on a machine, and the places in the kernel that call them. Each place has a name
 * (`site`), so that a run can leave one call out and see what it was for: `flushes.at('cow.cache')` is the
 * set of interfaces as that place calls them, which do nothing where the site is omitted.
 */
import type { Checker } from '../../checker/checker.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { AddressSpace } from '../address-space.ts';
import type { Kernel } from '../kernel.ts';
import type { Mapping, SharedPage } from '../rmap.ts';
import { CodeCalls } from './code-calls.ts';
import type { CodeInterfaces, CodeOmissions } from './code-interfaces.ts';
import { FlushOrder } from './flush-order.ts';
import type { AliasTest, FlushInterfaces, UserPage } from './interfaces.ts';
import { keepAliasesCoherent } from './update-mmu-cache.ts';

export class FlushArchitecture {
  readonly kernel: Kernel;
  readonly checker: Checker | null;
  private readonly real: FlushInterfaces & CodeInterfaces;
  private readonly order: FlushOrder;
  private readonly omitted: ReadonlySet<string>;
  private readonly sites: readonly string[];

  /**
   * @param sites names of all places that may call
   * @param omitted those that leave their call out
   */
  constructor(
    kernel: Kernel,
    checker: Checker | null,
    sites: readonly string[],
    omitted: ReadonlySet<string> = new Set(),
  ) {
    this.kernel = kernel;
    this.checker = checker;
    this.order = new FlushOrder(kernel.machine, checker);
    this.real = new Flushes(this, this.order);
    this.sites = sites;
    this.omitted = omitted;
  }

  /** The interfaces as a place calls them. @throws Error for a site that the scenario does not list */
  at(site: string): FlushInterfaces & CodeInterfaces {
    return this.runs(site) ? this.real : nothing;
  }

  /** False if the call of a place is left out. @throws Error as `at` */
  runs(site: string): boolean {
    if (!this.sites.includes(site)) {
      throw new Error(`flush site '${site}' is not listed: add it to the scenario's sites`);
    }
    return !this.omitted.has(site);
  }

  /** Writes an entry of a page table as kernel code must: the walker sees it once this CPU's stores have drained. */
  *changeEntry(cpu: Cpu, { space, va }: MappedPage, ptePa: number, old: number, entry: number): Steps {
    this.order.entryChanges(cpu, space, va, old, entry);
    yield* this.kernel.tables.write(cpu, ptePa, entry);
  }

  /**
   * The kernel relies on it from here on: nobody reaches anything through an older entry of the page. To be
   * said where the sequence is complete, whatever was left out of it.
   */
  settled(cpu: Cpu, { space, va }: MappedPage, ptePa: number): void {
    this.order.relied(cpu, space, va);
    this.checker?.contract(cpu, ptePa);
  }
}

type MappedPage = Pick<UserPage, 'space' | 'va'>;

/** The interfaces on this machine; what they promise is in interfaces.ts. */
class Flushes implements FlushInterfaces, CodeInterfaces {
  private readonly architecture: FlushArchitecture;
  private readonly kernel: Kernel;
  private readonly order: FlushOrder;
  private readonly code: CodeCalls;
  private readonly callCycles: number;

  constructor(architecture: FlushArchitecture, order: FlushOrder) {
    this.architecture = architecture;
    this.kernel = architecture.kernel;
    this.order = order;
    this.code = new CodeCalls(this.kernel);
    this.callCycles = this.kernel.machine.platform.costs.flushCallCycles;
  }

  *flushCacheAll(cpu: Cpu): Steps {
    cpu.hw.charge(this.callCycles);
    yield* this.kernel.caches.everything(cpu, null);
    this.order.cacheFlushedAll(null);
  }

  *flushCacheMm(cpu: Cpu, space: AddressSpace): Steps {
    cpu.hw.charge(this.callCycles);
    yield* this.kernel.caches.everything(cpu, space);
    this.order.cacheFlushedAll(space);
  }

  *flushCacheRange(cpu: Cpu, space: AddressSpace, va: number, pages: number): Steps {
    cpu.hw.charge(this.callCycles);
    yield* this.kernel.caches.pages(cpu, space, va, pages);
    this.order.cacheFlushed(space, va, pages);
  }

  *flushCachePage(cpu: Cpu, { space, va, frame, executable }: UserPage): Steps {
    cpu.hw.charge(this.callCycles);
    yield* this.kernel.caches.page(cpu, space, va, frame);
    if (executable === true) yield* this.kernel.caches.fetchedPage(cpu, frame);
    this.order.cacheFlushed(space, va, 1);
  }

  *flushTlbAll(cpu: Cpu): Steps {
    yield* this.kernel.flush.all(cpu);
    this.order.tlbFlushedAll(null);
  }

  *flushTlbMm(cpu: Cpu, space: AddressSpace): Steps {
    yield* this.kernel.flush.mm(cpu, space);
    this.order.tlbFlushedAll(space);
  }

  *flushTlbRange(cpu: Cpu, space: AddressSpace, va: number, pages: number): Steps {
    yield* this.kernel.flush.range(cpu, space, va, pages);
    this.order.tlbFlushed(space, va, pages);
  }

  *flushTlbPage(cpu: Cpu, space: AddressSpace, va: number): Steps {
    yield* this.kernel.flush.page(cpu, space, va);
    this.order.tlbFlushed(space, va, 1);
  }

  *flushTlbKernelRange(cpu: Cpu, va: number, pages: number): Steps {
    yield* this.kernel.flush.kernelRange(cpu, va, pages);
    this.order.tlbFlushed(null, va, pages);
  }

  *flushPageToRam(cpu: Cpu, frame: number): Steps {
    cpu.hw.charge(this.callCycles);
    yield* this.kernel.caches.kernelPage(cpu, frame);
  }

  *flushDcachePage(cpu: Cpu, frame: number, mappings: readonly UserPage[]): Steps {
    yield* this.flushPageToRam(cpu, frame);
    for (const { space, va } of mappings) yield* this.kernel.caches.page(cpu, space, va, frame);
  }

  *updateMmuCache(cpu: Cpu, mapping: Mapping, page: SharedPage, test: AliasTest = {}): Steps {
    yield* keepAliasesCoherent(cpu, this.architecture, mapping, page, test);
  }

  *flushIcacheRange(cpu: Cpu, pa: number, sizeBytes: number, omit: CodeOmissions = {}): Steps {
    cpu.hw.charge(this.callCycles);
    yield* this.code.kernelRange(cpu, pa, sizeBytes, omit);
  }

  *flushIcachePage(cpu: Cpu, { frame }: UserPage, omit: CodeOmissions = {}): Steps {
    cpu.hw.charge(this.callCycles);
    yield* this.code.kernelPage(cpu, frame, omit);
  }

  *flushIcacheUserRange(cpu: Cpu, space: AddressSpace, va: number, sizeBytes: number): Steps {
    cpu.hw.charge(this.callCycles);
    yield* this.code.userRange(cpu, space, va, sizeBytes, true);
  }

  *flushSignalTrampoline(cpu: Cpu, space: AddressSpace, va: number, sizeBytes: number): Steps {
    cpu.hw.charge(this.callCycles);
    yield* this.code.userRange(cpu, space, va, sizeBytes, false);
  }

  *flushIcacheAsids(cpu: Cpu): Steps {
    cpu.hw.charge(this.callCycles);
    yield* this.code.asids(cpu);
  }
}

function* omit(): Steps {}

/** What a call that is left out does. */
const nothing: FlushInterfaces & CodeInterfaces = {
  flushCacheAll: omit,
  flushCacheMm: omit,
  flushCacheRange: omit,
  flushCachePage: omit,
  flushTlbAll: omit,
  flushTlbMm: omit,
  flushTlbRange: omit,
  flushTlbPage: omit,
  flushTlbKernelRange: omit,
  flushPageToRam: omit,
  flushDcachePage: omit,
  updateMmuCache: omit,
  flushIcacheRange: omit,
  flushIcachePage: omit,
  flushIcacheUserRange: omit,
  flushSignalTrampoline: omit,
  flushIcacheAsids: omit,
};
