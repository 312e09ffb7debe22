/**
 * A virtual machine on a processor without virtualization extensions: the guest, its kernel included, runs in user
 * mode in an address space of its own, that of the shadow tables. Whatever is privileged traps, and so does every
 * address that has no shadow entry yet; the host then switches to the emulator process (world switch), does what is
 * asked for, and switches back. This is how KVM worked on ARMv5 and ARMv6 before there was stage 2: arch/arm/kvm
 * (arm_mmu.c, arm_emulate.c) of that time, and C. Dall and J. Nieh, "KVM for ARM", Linux Symposium 2010 (from memory).
 */
import type { AddressSpace } from '../../kernel/address-space.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { PTE } from '../../machine/attributes.ts';
import { CLEAN } from '../../machine/cache-maintenance.ts';
import type { Cpu, Fault, Steps } from '../../machine/cpu.ts';
import { PAGE_BYTES } from '../../machine/platform.ts';
import { CTL } from '../../machine/registers.ts';
import { GuestLines } from './guest-lines.ts';
import type { GuestRam } from './guest-ram.ts';
import type { GuestTables } from './guest-tables.ts';
import { GuestWalk, type ReadPlan } from './guest-walk.ts';
import type { ShadowTables } from './shadow-tables.ts';

/** Bits of the guest's entries that shadow entries take over; the attribute is the host's to choose. */
const TAKEN_OVER = PTE.VALID | PTE.WRITE | PTE.EXECUTE | PTE.ACCESSED | PTE.DIRTY;

/** What a virtual machine consists of: plain data. */
export interface ShadowVmLayout {
  readonly emulator: AddressSpace;
  /** The space that the guest runs in. */
  readonly shadow: AddressSpace;
  readonly ram: GuestRam;
  readonly tables: GuestTables;
}

export class ShadowVm {
  readonly lines: GuestLines;
  readonly walk: GuestWalk;
  readonly ram: GuestRam;
  readonly shadow: ShadowTables;
  private readonly kernel: Kernel;
  private readonly layout: ShadowVmLayout;

  constructor(kernel: Kernel, layout: ShadowVmLayout, shadow: ShadowTables, plan: ReadPlan) {
    this.kernel = kernel;
    this.layout = layout;
    this.shadow = shadow;
    this.ram = layout.ram;
    this.lines = new GuestLines(layout.ram, layout.shadow);
    this.walk = new GuestWalk(layout.ram, layout.tables, this.lines, plan);
  }

  /** World switch to the guest. */
  enter(cpu: Cpu): Steps {
    return this.kernel.switchMm(cpu, this.layout.shadow);
  }

  /** World switch to the emulator process. */
  exit(cpu: Cpu): Steps {
    return this.kernel.switchMm(cpu, this.layout.emulator);
  }

  /** Does the guest run on this CPU? */
  isInGuest(cpu: Cpu): boolean {
    return cpu.hw.ctl[CTL.ROOT] >>> 0 === this.layout.shadow.root;
  }

  /**
   * Page-fault handler. A guest's fault is repaired with a shadow entry if its own tables have the page, and is the
   * guest's to handle if they have not.
   */
  *fault(cpu: Cpu, { va, write, kind }: Fault): Steps<boolean> {
    if (!this.isInGuest(cpu) || kind === 'bus' || kind === 'conflict') return false;
    yield* this.exit(cpu);
    const mapping = yield* this.walk.translate(cpu, va);
    const isAllowed = mapping !== undefined && (!write || (mapping.bits & PTE.WRITE) !== 0);
    if (isAllowed) {
      const page = va - (va % PAGE_BYTES);
      yield* this.shadow.unmap(cpu, page);
      yield* this.shadow.map(cpu, page, ((this.ram.frame + mapping.gpa) | (mapping.bits & TAKEN_OVER)) >>> 0);
    }
    yield* this.enter(cpu);
    return isAllowed;
  }

  /**
   * A trap of the guest: entry and return, a world switch either way, and in between, in the emulator's context,
   * `body`. Costs are those of a page fault.
   */
  *trap<T>(cpu: Cpu, body: () => Steps<T>): Steps<T> {
    const { costs } = this.kernel.machine.platform;
    cpu.hw.charge(costs.faultEntryCycles);
    yield* this.exit(cpu);
    const result = yield* body();
    yield* this.enter(cpu);
    cpu.hw.charge(costs.faultExitCycles);
    return result;
  }

  /**
   * The guest runs a load that the host must emulate (LDM from a device, emulate_ls_mult): the host walks the
   * guest's tables and loads the word for it, through the address that it reads guest memory by.
   * @returns the word; undefined if the guest has nothing mapped there
   */
  emulateLoad(cpu: Cpu, va: number): Steps<number | undefined> {
    return this.trap(cpu, () => this.loadForGuest(cpu, va));
  }

  private *loadForGuest(cpu: Cpu, va: number): Steps<number | undefined> {
    const mapping = yield* this.walk.translate(cpu, va);
    return mapping && (yield* this.walk.read(cpu, mapping.gpa + (va % PAGE_BYTES)));
  }

  /** The guest cleans a line of its memory by address, which is privileged (c7, c10, 1): the host does it for it. */
  emulateClean(cpu: Cpu, gpa: number): Steps {
    return this.trap(cpu, () =>
      this.lines.maintain(cpu, gpa, 'user', { through: 'guest', operation: CLEAN }),
    );
  }

  /**
   * The guest flushes the cache for a page that it is about to map elsewhere (flush_cache_page), which it owes its
   * machine where lines have virtual tags or colours. Its operations trap one by one; here the page is one trap.
   */
  emulateCacheFlush(cpu: Cpu, va: number): Steps {
    return this.trap(cpu, () => this.kernel.caches.pages(cpu, this.layout.shadow, va, 1));
  }

  /** The guest invalidates its TLB for a page (c8, c7, 1): the shadow entry goes, and comes back by a fault. */
  emulateTlbInvalidate(cpu: Cpu, va: number): Steps {
    return this.trap(cpu, () => this.shadow.unmap(cpu, va));
  }
}
