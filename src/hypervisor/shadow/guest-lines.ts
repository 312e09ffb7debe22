/**
 * Maintenance of a line of the guest's memory on the host, by each of the addresses that reach it. In a virtually
 * indexed cache an operation by address looks only where that address would be (Arm ARM for ARMv6, DDI 0100I, B6 on
 * restrictions for virtually indexed caches, from memory; ARM DDI 0211H, 6.11.3), so which one is used matters.
 *
 * The set/way operations are those of `kvm_coherent_from_guest` and `v6_clean_dcache_sw` in arch/arm/kvm/arm_mmu.c
 * of the KVM for ARMv6 that the thread of November 2010 is about: all ways of the set that the guest's address has.
 */
import type { AddressSpace } from '../../kernel/address-space.ts';
import type { LineOperation } from '../../machine/cache-maintenance.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { CTL } from '../../machine/registers.ts';
import { isUntagged } from '../../machine/traits.ts';
import type { GuestRam } from './guest-ram.ts';

/**
 * How a line is reached: by the address that the host reads it through; by the guest's; all ways of the set that
 * the guest's address has; or the outer cache by its controller, where there is one.
 */
type Through = 'reader' | 'guest' | 'guest-set' | 'outer';

export interface LineStep {
  readonly through: Through;
  readonly operation: LineOperation;
}

/** Address that the host reads the guest's memory through: the emulator's, or the kernel's linear mapping. */
export type Reader = 'user' | 'linear';

export class GuestLines {
  private readonly ram: GuestRam;
  private readonly shadow: AddressSpace;

  /** @param shadow the space of the shadow tables, in which the guest's addresses mean something */
  constructor(ram: GuestRam, shadow: AddressSpace) {
    this.ram = ram;
    this.shadow = shadow;
  }

  /**
   * One operation on the line of a guest-physical address, in the emulator's context.
   * @throws SegmentationFault where the address that is used is not mapped, and the platform minds
   */
  *maintain(cpu: Cpu, gpa: number, reader: Reader, { through, operation }: LineStep): Steps {
    const { ram } = this;
    const pa = ram.frame + gpa;
    switch (through) {
      case 'reader':
        if (reader === 'linear') yield* cpu.maintainPhysical(pa, operation, 'coherency');
        else yield* cpu.maintainVirtual(ram.userVa + gpa, operation, 'coherency');
        return;
      case 'guest':
        yield* this.byGuestAddress(cpu, ram.guestVa + gpa, pa, operation);
        return;
      case 'guest-set':
        yield* setOf(cpu, ram.guestVa + gpa, pa, operation);
        return;
      case 'outer':
        yield* cpu.maintainOuter(pa, operation);
    }
  }

  /**
   * By tag or translation in the guest's context; where only the index counts, through a mapping of the frame in
   * the guest's colour that the host makes for the purpose, as Linux flush_pfn_alias does (arch/arm/mm/flush.c).
   */
  private *byGuestAddress(cpu: Cpu, gva: number, pa: number, operation: LineOperation): Steps {
    const { l1d, maintenance } = cpu.machine.platform;
    // What has no tag left the cache with the guest's context.
    if (isUntagged(l1d)) return;
    if (l1d.organisation !== 'vivt' && maintenance.unmapped !== 'ignored') {
      yield* cpu.maintainPhysical(pa, operation, 'coherency', gva);
      return;
    }
    const { ctl } = cpu.hw;
    const root = ctl[CTL.ROOT] >>> 0;
    const asid = ctl[CTL.ASID];
    yield* cpu.setContext(this.shadow.root, this.shadow.asid);
    yield* cpu.maintainVirtual(gva, operation, 'coherency');
    yield* cpu.setContext(root, asid);
  }
}

function* setOf(cpu: Cpu, gva: number, pa: number, operation: LineOperation): Steps {
  const { l1d } = cpu.hw;
  const set = l1d.setOf(gva, pa >>> cpu.machine.state.lineShift);
  for (let way = 0; way < l1d.ways; way++) yield* cpu.maintainSetWay('l1d', set, way, operation);
}
