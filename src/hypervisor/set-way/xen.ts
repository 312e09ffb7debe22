/**
 * Xen's way (xen/arch/arm/p2m.c, p2m_set_way_flush, p2m_toggle_cache, p2m_flush_vm; xen/arch/arm/traps.c,
 * check_for_vcpu_work; commit "xen/arm: Implement Set/Way operations", f253e88bec12). The policy is KVM's; what
 * differs is that the flush is put off until the vCPU is about to enter the guest, where it may be preempted and goes
 * on later, and how much of memory it goes through: all of it, as the thread begins with, or what the guest has used
 * since the last time (accessed.ts). Xen begins to track when the domain has been created, so as not to go through all of
 * its memory the first time (p2m_domain_creation_finished); here the first flush does, and tracking begins with it.
 */
import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { LoadedVcpu } from '../host.ts';
import { VCPU } from '../vm-layout.ts';
import { forgetAccessed, noteAccessed } from './accessed.ts';
import {
  cachesEnabled,
  type Held,
  type SetWayEmulation,
  setTrapsControl,
  trapsControl,
} from './emulation.ts';
import { flushGuest, type Preemption } from './flush-guest.ts';

export interface XenOptions {
  /** All of the guest's memory, or the pages that it has used since the last flush. */
  readonly pages: 'all' | 'accessed';
  readonly preemption?: Preemption;
  /** A device shares the stage-2 table by the IOMMU (iommu_use_hap_pt). */
  readonly sharesTable?: boolean;
  /**
   * With `sharesTable`: the guest gets an undefined-instruction exception in place of the operation (commit
   * 2b45ff60301a "xen/arm: Do not invalidate the P2M when the PT is shared with the IOMMU"). Without it the device's
   * transfers fault, since its IOMMU cannot tell an entry that is not valid from one that is not there.
   */
  undefined?(): void;
}

export function xenSetWay({
  pages,
  preemption,
  sharesTable = false,
  ...options
}: XenOptions): SetWayEmulation {
  const track = { inMemory: sharesTable };
  const tracks = pages === 'accessed';

  /** check_for_vcpu_work: what is to be flushed before the guest goes on. */
  function* work(cpu: Cpu, held: Held): Steps {
    const from = (yield* read(cpu, held)) - 1;
    if (from < 0) return;
    const next = yield* flushGuest(cpu, held, { from, ...(preemption && { preemption }) });
    if (next < 0 && tracks) yield* forgetAccessed(cpu, held, track);
    yield* write(cpu, held, next + 1);
  }

  return {
    policy: {
      traps: { setWay: true },
      ownTraps: true,
      hooks: { enter: (cpu, vcpu) => work(cpu, heldOf(vcpu)) },
    },

    *setWay(cpu, held) {
      if (sharesTable && options.undefined) {
        options.undefined();
        return;
      }
      if (yield* trapsControl(cpu, held)) return;
      yield* write(cpu, held, 1);
      yield* setTrapsControl(cpu, held, true);
      yield* work(cpu, held);
    },

    *control(cpu, held, { before, after }) {
      const enabled = cachesEnabled(after);
      if (enabled !== cachesEnabled(before)) yield* write(cpu, held, 1);
      if (enabled) yield* setTrapsControl(cpu, held, false);
      yield* work(cpu, held);
    },

    ...(tracks && {
      fault: (cpu: Cpu, held: Held, { ipa, kind }: { ipa: number; kind: string }) =>
        kind === 'translation' ? noteAccessed(cpu, held, ipa, track) : refused(),
    }),
  };
}

function heldOf(vcpu: LoadedVcpu): Held {
  const { host } = vcpu;
  return { host, vcpu, vm: host.vms[vcpu.vm.index] };
}

function* refused(): Steps<boolean> {
  return false;
}

function read(cpu: Cpu, { host, vcpu }: Held): Steps<number> {
  return cpu.loadPhysical(vcpu.layout.pa + VCPU.TO_FLUSH, 4, host.kernel.uncached);
}

function write(cpu: Cpu, { host, vcpu }: Held, word: number): Steps<unknown> {
  return cpu.storePhysical(vcpu.layout.pa + VCPU.TO_FLUSH, word, 4, host.kernel.uncached);
}
