/**
 * Cache flushes on every CPU that may hold lines: by the hardware where maintenance by address is broadcast,
 * by cross call where it is not, or where the operation goes by set and way, which is never broadcast.
 * Which of these a machine needs is a matter of its description, not of who asks.
 */
import { frameAddress, PTE } from '../../machine/attributes.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { Machine } from '../../machine/machine.ts';
import { PAGE_BYTES } from '../../machine/platform.ts';
import { CTL } from '../../machine/registers.ts';
import { isUntagged } from '../../machine/traits.ts';
import { type AddressSpace, allAreas, ranElsewhere } from '../address-space.ts';
import { type CrossCalls, otherProcessors } from '../cross-call.ts';
import type { PageTable } from '../page-table.ts';
import { CacheLines, flushesBySpace } from './cache-lines.ts';

/** What a cross call of this file asks for. */
const PAGES = 0;
const KERNEL_PAGE = 1;
const EVERYTHING = 2;
const FETCHED = 3;
const SYNCHRONIZE = 4;
/** Bits of the first argument that say what; above them a number of pages, or of bytes. */
const WHAT_BITS = 3;

export class CacheCalls {
  readonly lines: CacheLines;
  private readonly machine: Machine;
  private readonly tables: PageTable;
  private readonly spaces: readonly AddressSpace[];
  private readonly uncached: boolean;
  private readonly calls: CrossCalls;
  private readonly callNumber: number;

  /** @param callNumber number of `handle` among the functions of cross calls */
  constructor(
    parts: {
      readonly machine: Machine;
      readonly tables: PageTable;
      readonly spaces: readonly AddressSpace[];
      readonly uncached: boolean;
      readonly calls: CrossCalls;
    },
    callNumber: number,
  ) {
    this.machine = parts.machine;
    this.tables = parts.tables;
    this.spaces = parts.spaces;
    this.uncached = parts.uncached;
    this.calls = parts.calls;
    this.callNumber = callNumber;
    this.lines = new CacheLines(parts.machine);
  }

  /** What the target of a cross call does. */
  *handle(cpu: Cpu, what: number, address: number, space: number): Steps {
    const amount = what >>> WHAT_BITS;
    switch (what & ((1 << WHAT_BITS) - 1)) {
      case PAGES:
        yield* this.localPages(cpu, this.spaces[space], address, amount);
        break;
      case KERNEL_PAGE:
        yield* this.lines.kernelPage(cpu, address);
        break;
      case EVERYTHING:
        yield* this.lines.everything(cpu);
        break;
      case FETCHED:
        yield* this.lines.dropFetched(cpu, address, amount);
        break;
    }
    yield* cpu.dsb();
    yield* cpu.isb();
  }

  /** Lines of `pages` pages from `va`, on every CPU that has run the space. */
  *pages(cpu: Cpu, space: AddressSpace, va: number, pages: number): Steps {
    if (!this.lines.aliases) return;
    yield* this.localPages(cpu, space, va, pages);
    yield* this.pagesElsewhere(cpu, space, va, pages);
  }

  /** Completes the flush of pages on this CPU, and has it done on those that it does not reach. */
  private *pagesElsewhere(cpu: Cpu, space: AddressSpace, va: number, pages: number): Steps {
    yield* cpu.dsb();
    if (this.reachesOthers) return;
    const targets = yield* ranElsewhere(cpu, space, this.uncached);
    yield* this.call(cpu, targets, PAGES | (pages << WHAT_BITS), va, this.spaces.indexOf(space));
  }

  private *localPages(cpu: Cpu, space: AddressSpace, va: number, pages: number): Steps {
    for (let page = 0; page < pages; page++) {
      const at = va + page * PAGE_BYTES;
      const ptePa = yield* this.tables.find(cpu, space.root, at);
      const entry = ptePa < 0 ? 0 : yield* this.tables.read(cpu, ptePa);
      if ((entry & PTE.VALID) === 0 && !this.findsUnmapped) continue;
      yield* this.lines.userPage(cpu, space, at, frameAddress(entry));
    }
  }

  /** Virtual tags match whatever is mapped. */
  private get findsUnmapped(): boolean {
    return this.machine.platform.maintenance.unmapped === 'tags';
  }

  /** Lines of one page whose frame the caller knows. */
  *page(cpu: Cpu, space: AddressSpace, va: number, frame: number): Steps {
    if (!this.lines.aliases) return;
    yield* this.lines.userPage(cpu, space, va, frame);
    yield* this.pagesElsewhere(cpu, space, va, 1);
  }

  /** Lines of the kernel's linear mapping of a frame, on every CPU. */
  *kernelPage(cpu: Cpu, frame: number): Steps {
    if (!this.lines.aliases) return;
    yield* this.lines.kernelPage(cpu, frame);
    yield* cpu.dsb();
    if (!this.reachesOthers) yield* this.call(cpu, otherProcessors(cpu), KERNEL_PAGE, frame, 0);
  }

  /**
   * Wrong where flushPageToRam is asked for: lines of the kernel's linear mapping of a frame are written back, on
   * this CPU, and stay.
   */
  *cleanKernelPage(cpu: Cpu, frame: number): Steps {
    if (!this.lines.aliases) return;
    yield* this.lines.kernelPage(cpu, frame, true);
    yield* cpu.dsb();
  }

  /** Everything, on the CPUs that have run a space, or on all; the space's own lines alone where that can be. */
  *everything(cpu: Cpu, space: AddressSpace | null): Steps {
    if (!this.lines.aliases) return;
    if (space && flushesBySpace(this.machine.platform)) {
      // One operation a line, or a context, on the machine; here by what is mapped.
      for (const { startPage, endPage } of yield* allAreas(cpu, space, this.uncached)) {
        yield* this.pages(cpu, space, startPage * PAGE_BYTES, endPage - startPage);
      }
      return;
    }
    yield* this.lines.everything(cpu);
    yield* cpu.dsb();
    const targets = space ? yield* ranElsewhere(cpu, space, this.uncached) : otherProcessors(cpu);
    yield* this.call(cpu, targets, EVERYTHING, 0, 0);
  }

  /** No instruction cache holds lines of a page any more. */
  *fetchedPage(cpu: Cpu, frame: number): Steps {
    const { l1i, maintenance } = this.machine.platform;
    if (l1i.snooped) return;
    yield* this.lines.dropFetched(cpu, frame, PAGE_BYTES);
    yield* cpu.dsb();
    yield* cpu.isb();
    if (maintenance.icache === 'local') yield* this.dropFetchedElsewhere(cpu, frame, PAGE_BYTES);
  }

  /** Instruction caches of other CPUs drop some lines, or all where one line may be there under several addresses. */
  *dropFetchedElsewhere(cpu: Cpu, pa: number, sizeBytes: number): Steps {
    yield* this.call(cpu, otherProcessors(cpu), FETCHED | (sizeBytes << WHAT_BITS), pa, 0);
  }

  /** Every other CPU has taken an interrupt: what it had fetched before is gone. */
  *synchronizeOthers(cpu: Cpu): Steps {
    yield* this.call(cpu, otherProcessors(cpu), SYNCHRONIZE, 0, 0);
  }

  private *call(cpu: Cpu, targets: readonly number[], what: number, address: number, space: number): Steps {
    yield* this.calls.call(cpu, targets, this.callNumber, what, address, space);
  }

  private get reachesOthers(): boolean {
    return this.machine.platform.maintenance.byAddress === 'broadcast';
  }

  /** Before another space runs on this CPU: lines without a tag would pass for its own. */
  *beforeSwitch(cpu: Cpu, to: AddressSpace): Steps {
    const { ctl } = cpu.hw;
    const isFirst = ctl[CTL.MMU_ON] === 0;
    if (isFirst || ctl[CTL.ROOT] >>> 0 === to.root) return;
    const { l1d, l1i } = this.machine.platform;
    if (!isUntagged(l1d) && !isUntagged(l1i)) return;
    if (isUntagged(l1d)) yield* this.lines.everything(cpu);
    if (isUntagged(l1i)) yield* cpu.invalidateFetchAll();
    yield* cpu.dsb();
  }
}
