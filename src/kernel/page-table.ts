/**
 * Page tables in simulated memory. Entries are written the way the platform's kernel must write them for
 * its walker to see: cached, through an uncached alias, or cached and then cleaned.
 */
import { frameAddress, PTE } from '../machine/attributes.ts';
import { CLEAN } from '../machine/cache-maintenance.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { Machine } from '../machine/machine.ts';
import { PAGE_BYTES } from '../machine/platform.ts';
import type { BootMemory } from './boot-memory.ts';
import { maintainLines } from './maintain-lines.ts';

/** Builds the upper levels for `pages` pages from `va`, so that only leaves change later. */
export function layTables(boot: BootMemory, root: number, va: number, pages: number): void {
  for (let page = 0; page < pages; page++) bootEntry(boot, root, va + page * PAGE_BYTES);
}

function bootEntry(boot: BootMemory, root: number, va: number): number {
  const { machine } = boot;
  const { translation } = machine;
  let table = root;
  for (let level = 0; level < translation.depth; level++) {
    const at = translation.entryAddress(table, level, va);
    let entry = machine.peek(at);
    if ((entry & PTE.VALID) === 0) {
      entry = (boot.pages(1) | PTE.VALID | PTE.TABLE) >>> 0;
      machine.poke(at, entry);
    }
    table = frameAddress(entry);
  }
  return translation.entryAddress(table, translation.depth, va);
}

export class PageTable {
  readonly machine: Machine;
  private readonly uncached: boolean;
  private readonly cleans: boolean;

  constructor(machine: Machine) {
    this.machine = machine;
    this.uncached = machine.platform.mmu.pageTables === 'uncached';
    this.cleans = machine.platform.mmu.pageTables === 'clean';
  }

  /** Physical address of the entry of `last`, by default the last level, for a page; -1 if a level above is missing. */
  *find(cpu: Cpu, root: number, va: number, last = this.machine.translation.depth): Steps<number> {
    const { translation } = this.machine;
    let table = root;
    for (let level = 0; level < last; level++) {
      const entry = yield* this.read(cpu, translation.entryAddress(table, level, va));
      if ((entry & PTE.VALID) === 0 || (entry & PTE.TABLE) === 0) return -1;
      table = frameAddress(entry);
    }
    return translation.entryAddress(table, last, va);
  }

  /** Like `find`, but builds what is missing from frames that `allocate` gives. The mm lock is held. */
  *build(cpu: Cpu, root: number, va: number, allocate: (cpu: Cpu) => Steps<number>): Steps<number> {
    const { translation } = this.machine;
    let table = root;
    for (let level = 0; level < translation.depth; level++) {
      const at = translation.entryAddress(table, level, va);
      let entry = yield* this.read(cpu, at);
      if ((entry & PTE.VALID) === 0) {
        const frame = yield* allocate(cpu);
        yield* cpu.fillPhysical(frame, PAGE_BYTES, 0, this.uncached);
        if (this.cleans) yield* this.cleanRange(cpu, frame, PAGE_BYTES);
        entry = (frame | PTE.VALID | PTE.TABLE) >>> 0;
        yield* this.write(cpu, at, entry);
      }
      table = frameAddress(entry);
    }
    return translation.entryAddress(table, translation.depth, va);
  }

  /** Tables are read and written through an uncached alias. */
  get readsUncached(): boolean {
    return this.uncached;
  }

  read(cpu: Cpu, ptePa: number): Steps<number> {
    return cpu.loadPhysical(ptePa, 4, this.uncached);
  }

  /** Writes an entry so that the walker will see it, once this CPU's stores have drained. */
  *write(cpu: Cpu, ptePa: number, entry: number): Steps {
    yield* this.store(cpu, ptePa, entry);
    if (this.cleans) yield* this.cleanRange(cpu, ptePa, 4);
  }

  /** The store of `write` alone: the walker sees it after `clean` and a barrier. */
  *store(cpu: Cpu, ptePa: number, entry: number): Steps {
    yield* cpu.storePhysical(ptePa, entry, 4, this.uncached);
  }

  /** Writes the line of an entry back to where the walker reads, on platforms that do so; a barrier is to follow. */
  *clean(cpu: Cpu, ptePa: number): Steps {
    if (this.cleans) yield* this.cleanLines(cpu, ptePa, 4);
  }

  /**
   * Replaces an entry atomically and returns the old one, as a kernel must where the hardware sets bits in
   * it. Writes only if `change` returns an entry.
   */
  *exchange(cpu: Cpu, ptePa: number, change: (entry: number) => number | undefined): Steps<number> {
    const old = yield* cpu.modifyPhysical(ptePa, change, this.uncached);
    if (this.cleans) yield* this.cleanRange(cpu, ptePa, 4);
    return old;
  }

  private *cleanRange(cpu: Cpu, pa: number, sizeBytes: number): Steps {
    yield* this.cleanLines(cpu, pa, sizeBytes);
    yield* cpu.dsb();
  }

  private cleanLines(cpu: Cpu, pa: number, sizeBytes: number): Steps {
    const { mmu } = this.machine.platform;
    return maintainLines(cpu, pa, sizeBytes, CLEAN, mmu.walkerReads === 'memory' ? 'memory' : 'unification');
  }
}
