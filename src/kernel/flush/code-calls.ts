/**
 * New instructions on every CPU that may run them: what was stored reaches the level that instruction caches fill
 * from, what these have is dropped, and whoever has fetched ahead is made to fetch again.
 */
import { CLEAN } from '../../machine/cache-maintenance.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { PAGE_BYTES, type Platform } from '../../machine/platform.ts';
import type { AddressSpace } from '../address-space.ts';
import type { Kernel } from '../kernel.ts';
import type { CodeOmissions } from './code-interfaces.ts';

export class CodeCalls {
  private readonly kernel: Kernel;
  private readonly platform: Platform;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.platform = kernel.machine.platform;
  }

  /** What the kernel stored at `pa` is what every CPU fetches from now on. */
  *kernelRange(cpu: Cpu, pa: number, sizeBytes: number, omit: CodeOmissions): Steps {
    const { caches } = this.kernel;
    yield* this.written(cpu, pa, sizeBytes, omit);
    const drops = this.needsCall && omit.invalidate !== true && omit.others !== true;
    if (drops) yield* caches.dropFetchedElsewhere(cpu, pa, sizeBytes);
    else if (this.platform.l1i.fetchAhead && omit.synchronize !== true) yield* caches.synchronizeOthers(cpu);
  }

  /** What the kernel stored in a page is what everybody fetches who is yet to be let run it. */
  *kernelPage(cpu: Cpu, frame: number, omit: CodeOmissions): Steps {
    yield* this.written(cpu, frame, PAGE_BYTES, omit);
    if (!this.needsCall || omit.invalidate === true || omit.others === true) return;
    yield* this.kernel.caches.dropFetchedElsewhere(cpu, frame, PAGE_BYTES);
  }

  private *written(cpu: Cpu, pa: number, sizeBytes: number, omit: CodeOmissions): Steps {
    const { lines } = this.kernel.caches;
    if (omit.clean !== true) yield* lines.cleanForFetch(cpu, pa, sizeBytes);
    yield* cpu.dsb();
    if (omit.invalidate !== true) yield* lines.dropFetched(cpu, pa, sizeBytes);
    yield* cpu.dsb();
    yield* cpu.isb();
  }

  /**
   * What a user stored at `va`, in the space that runs, is what is fetched from there.
   * @param synchronizes by other threads too, at once
   */
  *userRange(cpu: Cpu, space: AddressSpace, va: number, sizeBytes: number, synchronizes: boolean): Steps {
    const { caches, tables } = this.kernel;
    const { l1i, lineBytes } = this.platform;
    const first = va - (va % lineBytes);
    if (l1i.fillsFrom === 'unification') {
      for (let at = first; at < va + sizeBytes; at += lineBytes) {
        yield* cpu.maintainVirtual(at, CLEAN, 'unification');
      }
    }
    yield* cpu.dsb();
    if (!l1i.snooped) {
      for (let at = first; at < va + sizeBytes; at += lineBytes) yield* cpu.invalidateFetch(at);
      yield* cpu.dsb();
    }
    yield* cpu.isb();
    if (this.needsCall) {
      const ptePa = yield* tables.find(cpu, space.root, va);
      const entry = yield* tables.read(cpu, ptePa);
      const pa = ((entry & ~(PAGE_BYTES - 1)) | (va & (PAGE_BYTES - 1))) >>> 0;
      yield* caches.dropFetchedElsewhere(cpu, pa, sizeBytes);
    } else if (l1i.fetchAhead && synchronizes) yield* caches.synchronizeOthers(cpu);
  }

  /** No instruction cache holds lines that are found by an ASID. */
  *asids(cpu: Cpu): Steps {
    const { l1i } = this.platform;
    if (l1i.organisation !== 'vivt' || !l1i.asidTagged) return;
    yield* cpu.invalidateFetchAll();
    yield* cpu.dsb();
    yield* cpu.isb();
    // Virtual tags: all of them are dropped, whatever range is named.
    if (this.platform.maintenance.icache === 'local')
      yield* this.kernel.caches.dropFetchedElsewhere(cpu, 0, 1);
  }

  /** Does it take a call to drop what other instruction caches have? */
  private get needsCall(): boolean {
    const { l1i, maintenance } = this.platform;
    return !l1i.snooped && maintenance.icache === 'local';
  }
}
