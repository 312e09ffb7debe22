/**
 * A virtual machine as its hypervisor sees it: changes of its stage-2 table with the invalidates that they need, after
 * KVM. When `unmapIpa` returns no CPU may use what the entry said, and the frame behind it may be given to somebody
 * else: a contract point for the checker.
 */
import type { Checker } from '../checker/checker.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { spinLock, spinUnlock } from '../kernel/spin-lock.ts';
import { frameAddress, PTE } from '../machine/attributes.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import { PAGE_BYTES } from '../machine/platform.ts';
import type { Stage2Fence } from './stage2-fence.ts';
import { Stage2Table } from './stage2-table.ts';
import type { VmLayout } from './vm-layout.ts';

export class Vm {
  readonly layout: VmLayout;
  readonly table: Stage2Table;
  private readonly kernel: Kernel;
  private readonly fence: Stage2Fence;
  private readonly checker: Checker | null;

  constructor(kernel: Kernel, fence: Stage2Fence, checker: Checker | null, layout: VmLayout) {
    this.layout = layout;
    this.table = new Stage2Table(kernel.tables, layout.root);
    this.kernel = kernel;
    this.fence = fence;
    this.checker = checker;
  }

  /**
   * Puts a frame behind an IPA that has none. Nothing need be invalidated: no TLB holds an invalid entry.
   * @param permissions PTE bits
   */
  *mapIpa(cpu: Cpu, ipa: number, frame: number, permissions: number): Steps {
    yield* this.lock(cpu);
    const ptePa = yield* this.table.build(cpu, ipa, (by) => this.kernel.frames.allocate(by));
    yield* this.table.write(cpu, ptePa, (frame | permissions) >>> 0);
    yield* cpu.dsb();
    yield* this.unlock(cpu);
  }

  /**
   * Takes `pages` pages from `ipa` away from the guest: clear, invalidate, contract.
   * @param beforeFence runs while TLBs may still have what the entries said, with the frames; a hypervisor that is right
   *   has nothing to do there
   * @returns the frames that were mapped; they are the caller's
   */
  *unmapIpa(
    cpu: Cpu,
    ipa: number,
    pages = 1,
    beforeFence?: (frames: readonly number[]) => Steps,
  ): Steps<number[]> {
    const frames: number[] = [];
    yield* this.changeAll(
      cpu,
      ipa,
      pages,
      beforeFence && (() => beforeFence(frames)),
      function* (table, ptePa) {
        const old = yield* table.clear(cpu, ptePa);
        if (old !== 0) frames.push(frameAddress(old));
        return (old & PTE.VALID) !== 0;
      },
    );
    return frames;
  }

  /** As `unmapIpa`, and gives the frames back to the kernel. */
  *releaseIpa(cpu: Cpu, ipa: number, pages = 1): Steps {
    for (const frame of yield* this.unmapIpa(cpu, ipa, pages)) yield* this.kernel.frames.free(cpu, frame);
  }

  /** Takes bits such as PTE.WRITE away from `pages` pages from `ipa`; when it returns no CPU uses them any more. */
  *protectIpa(cpu: Cpu, ipa: number, pages: number, bits: number): Steps {
    yield* this.changeAll(cpu, ipa, pages, undefined, function* (table, ptePa) {
      const old = yield* table.setBits(cpu, ptePa, { clear: bits });
      return (old & PTE.VALID) !== 0 && (old & bits) !== 0;
    });
  }

  /** Hides `pages` pages from `ipa`: the next access to each faults, and `revealIpa` lets it go on. */
  *hideIpa(cpu: Cpu, ipa: number, pages: number): Steps {
    yield* this.changeAll(cpu, ipa, pages, undefined, function* (table, ptePa) {
      return (yield* table.hide(cpu, ptePa)) !== 0;
    });
  }

  /** Lets the guest have a page again that was hidden. @returns false if it was not */
  *revealIpa(cpu: Cpu, ipa: number): Steps<boolean> {
    yield* this.lock(cpu);
    const ptePa = yield* this.table.find(cpu, ipa);
    const was = ptePa >= 0 && (yield* this.table.reveal(cpu, ptePa));
    yield* cpu.dsb();
    yield* this.unlock(cpu);
    return was;
  }

  /**
   * Puts another frame behind an IPA by break before make: the old entry is gone everywhere before the new one is there.
   * @returns the frame that was there, -1 if there was none
   */
  *replaceIpa(cpu: Cpu, ipa: number, frame: number, permissions: number): Steps<number> {
    const [old = -1] = yield* this.unmapIpa(cpu, ipa);
    yield* this.mapIpa(cpu, ipa, frame, permissions);
    return old;
  }

  /** Physical address behind an IPA, by a walk in software; -1 if nothing is mapped there. */
  *translate(cpu: Cpu, ipa: number): Steps<number> {
    const entry = yield* this.table.read(cpu, ipa);
    return (entry & PTE.VALID) === 0 ? -1 : frameAddress(entry) + (ipa & (PAGE_BYTES - 1));
  }

  /** Runs `change` on each leaf; those for which it says so are made to hold everywhere by one invalidate. */
  private *changeAll(
    cpu: Cpu,
    ipa: number,
    pages: number,
    beforeFence: (() => Steps) | undefined,
    change: (table: Stage2Table, ptePa: number) => Steps<boolean>,
  ): Steps {
    yield* this.lock(cpu);
    const changed: number[] = [];
    // What is written last is invalidated first: if no barrier is between the two, that shows.
    for (let page = pages - 1; page >= 0; page--) {
      const ptePa = yield* this.table.find(cpu, ipa + page * PAGE_BYTES);
      if (ptePa >= 0 && (yield* change(this.table, ptePa))) changed.push(ptePa);
    }
    if (beforeFence) yield* beforeFence();
    if (changed.length > 0) yield* this.fence.pages(cpu, this.layout, ipa, pages);
    for (const ptePa of changed) this.checker?.contract(cpu, ptePa);
    yield* this.unlock(cpu);
  }

  /** Runs `body` while nobody else changes the table, or looks through all of it. */
  *locked<T>(cpu: Cpu, body: () => Steps<T>): Steps<T> {
    yield* this.lock(cpu);
    const result = yield* body();
    yield* this.unlock(cpu);
    return result;
  }

  private lock(cpu: Cpu): Steps {
    return spinLock(cpu, this.layout.lock, this.kernel.uncached);
  }

  private unlock(cpu: Cpu): Steps {
    return spinUnlock(cpu, this.layout.lock, this.kernel.uncached);
  }
}
