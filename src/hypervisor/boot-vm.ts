/**
 * Virtual machines that exist before anything runs: stage-2 tables over guest memory, stage-1 tables in guest memory,
 * vCPUs with registers. A run starts where its subject begins, and is not spent on booting guests.
 */
import type { BootMemory } from '../kernel/boot-memory.ts';
import type { SpinLock } from '../kernel/spin-lock.ts';
import { frameAddress, PTE } from '../machine/attributes.ts';
import { PAGE_BYTES } from '../machine/platform.ts';
import { bootStage2Entry, layStage2Root, stage2Pages } from './stage2-table.ts';
import {
  bootFrameOf,
  CONTROL_CACHES,
  CONTROL_MMU,
  type MemorySlot,
  VCPU,
  type VcpuLayout,
  type VmLayout,
} from './vm-layout.ts';

/** Where guest memory begins unless told otherwise: no physical address of the host's. */
const GUEST_RAM = 0x8000_0000;

/** Bits of a stage-2 entry of ordinary memory that the guest has used already. */
export const STAGE2_RAM = PTE.VALID | PTE.ACCESSED | PTE.DIRTY | PTE.WRITE | PTE.EXECUTE;

export interface VmOptions {
  readonly name: string;
  readonly vcpus: number;
  /** Pages of guest memory, in one slot. */
  readonly pages: number;
  /** IPA of the first of them. */
  readonly ipa?: number;
  /** Bits of their stage-2 entries; 0: nothing is mapped at first. */
  readonly permissions?: number;
}

/** A VM while it is laid out: hands its memory out from the lowest IPA on. */
export class BootVm {
  readonly boot: BootMemory;
  private readonly options: VmOptions;
  private readonly index: number;
  private readonly root: number;
  private readonly slot: MemorySlot;
  private readonly vcpus: VcpuLayout[];
  private readonly lock: SpinLock;
  private readonly contextPa: number;
  private readonly lastRanPa: readonly number[];
  private next = 0;

  constructor(boot: BootMemory, lock: SpinLock, index: number, options: VmOptions) {
    const { lineBytes } = boot.machine.platform;
    this.boot = boot;
    this.options = options;
    this.index = index;
    this.lock = lock;
    this.root = layStage2Root(boot);
    this.contextPa = boot.line();
    this.lastRanPa = boot.machine.state.processors.map(() => boot.line());
    const frames = Array.from({ length: options.pages }, () => boot.pages(1));
    this.slot = { ipa: options.ipa ?? GUEST_RAM, frames };
    this.vcpus = Array.from({ length: options.vcpus }, (_, vcpu) => ({
      index: vcpu,
      pa: boot.bytes(VCPU.BYTES, Math.max(lineBytes, 32)),
    }));
    this.mapSlot();
  }

  private mapSlot(): void {
    const { boot, slot, root } = this;
    const permissions = this.options.permissions ?? STAGE2_RAM;
    for (const [page, frame] of slot.frames.entries()) {
      const ptePa = bootStage2Entry(boot.machine, root, slot.ipa + page * PAGE_BYTES, boot);
      if (permissions !== 0) boot.machine.poke(ptePa, (frame | permissions) >>> 0);
    }
  }

  /** IPA of the next unused guest pages, zero when the run begins. @throws Error when there are not enough */
  pages(count: number): number {
    const { name, pages } = this.options;
    const first = this.next;
    this.next += count;
    if (this.next > pages) throw new Error(`${name}: ${this.next} guest pages needed, it has ${pages}`);
    return this.slot.ipa + first * PAGE_BYTES;
  }

  /** Physical address behind an IPA. @throws Error if there is none */
  paOf(ipa: number): number {
    return bootFrameOf({ name: this.options.name, slots: [this.slot] }, ipa);
  }

  /** Physical address of the stage-2 entry of an IPA. */
  stage2Entry(ipa: number): number {
    return bootStage2Entry(this.boot.machine, this.root, ipa, this.boot);
  }

  /** A stage-1 root table in guest memory that maps nothing. @returns its IPA */
  stage1Root(): number {
    const { levels, entryBytes } = this.boot.machine.platform.mmu;
    return this.pages(Math.max(1, ((1 << levels[0].bits) * entryBytes) / PAGE_BYTES));
  }

  /**
   * Maps a page of the guest, with the tables above it taken from guest memory.
   * @param rootIpa of the stage-1 table
   * @param permissions PTE bits
   * @returns physical address of the leaf entry
   */
  mapStage1(rootIpa: number, va: number, ipa: number, permissions: number): number {
    const { machine } = this.boot;
    const { translation } = machine;
    let table = rootIpa;
    for (let level = 0; level < translation.depth; level++) {
      const at = this.paOf(translation.entryAddress(table, level, va));
      let entry = machine.peek(at);
      if ((entry & PTE.VALID) === 0) {
        entry = (this.pages(1) | PTE.VALID | PTE.TABLE) >>> 0;
        machine.poke(at, entry);
      }
      table = frameAddress(entry);
    }
    const leaf = this.paOf(translation.entryAddress(table, translation.depth, va));
    machine.poke(leaf, (ipa | permissions) >>> 0);
    return leaf;
  }

  /** IPA of the leaf entry of a page of the guest whose tables are there. */
  stage1Entry(rootIpa: number, va: number): number {
    const { machine } = this.boot;
    const { translation } = machine;
    let table = rootIpa;
    for (let level = 0; level < translation.depth; level++) {
      table = frameAddress(machine.peek(this.paOf(translation.entryAddress(table, level, va))));
    }
    return translation.entryAddress(table, translation.depth, va);
  }

  /** Sets the registers that a vCPU begins with: MMU and data caching are on. */
  registers(vcpu: number, rootIpa: number, asid: number): void {
    const { pa } = this.vcpus[vcpu];
    const { machine } = this.boot;
    machine.poke(pa + VCPU.ROOT, rootIpa);
    machine.poke(pa + VCPU.ASID, asid);
    machine.poke(pa + VCPU.CONTROL, CONTROL_MMU | CONTROL_CACHES);
  }

  /** A vCPU begins with MMU and data caching off, as after a reset. @param traps writes of its registers trap (TVM) */
  reset(vcpu: number, rootIpa: number, asid: number, traps: boolean): void {
    const { pa } = this.vcpus[vcpu];
    const { machine } = this.boot;
    machine.poke(pa + VCPU.ROOT, rootIpa);
    machine.poke(pa + VCPU.ASID, asid);
    machine.poke(pa + VCPU.TRAPS, traps ? 1 : 0);
  }

  /** A vCPU has run on a host CPU before the run begins, and was the last of its VM there. */
  ranOn(vcpu: number, cpu: number): void {
    this.boot.machine.poke(this.vcpus[vcpu].pa + VCPU.LAST_CPU, cpu + 1);
    this.boot.machine.poke(this.lastRanPa[cpu], vcpu + 1);
  }

  /** The VM as it is now. Without `registers` a vCPU begins with its MMU and data caching off. */
  finish(): VmLayout {
    const { boot, index, root, lock, slot, vcpus, contextPa, lastRanPa } = this;
    return {
      name: this.options.name,
      index,
      root,
      lock,
      contextPa,
      lastRanPa,
      slots: [slot],
      vcpus,
      tables: stage2Pages(boot.machine, root),
    };
  }
}
