/**
 * KVM's way (Linux arch/arm64/kvm/mmu.c, kvm_set_way_flush and kvm_toggle_cache; arch/arm64/kvm/sys_regs.c,
 * access_dcsw; the former two as Xen has them as well; since 3c1e71650833 "arm/arm64: KVM: Use set/way op trapping to
 * track the state of the caches"): the first operation flushes all of the guest's mapped memory and makes the guest's
 * writes of its registers trap; the ones after it do nothing, since they are the rest of the same loop. Each time the
 * guest turns MMU and caches on or off all of it is flushed again, and once they are on, nothing but an operation by
 * set and way traps any more.
 *
 * Under forced write-back there is nothing to do: whatever the guest turns off, its memory stays cacheable
 * (access_dcsw, ARM64_HAS_STAGE2_FWB).
 */
import type { Platform } from '../../machine/platform.ts';
import { cachesEnabled, type SetWayEmulation, setTrapsControl, trapsControl } from './emulation.ts';
import { flushGuest } from './flush-guest.ts';

/** Not on a platform with forced write-back, where KVM has `forcedWriteBack`. */
export const kvmSetWay: SetWayEmulation = {
  policy: { traps: { setWay: true }, ownTraps: true },

  *setWay(cpu, held) {
    if (yield* trapsControl(cpu, held)) return;
    yield* flushGuest(cpu, held);
    yield* setTrapsControl(cpu, held, true);
  },

  *control(cpu, held, { before, after }) {
    const enabled = cachesEnabled(after);
    // On: lines must go that were there before; off: what is in the caches must be in memory.
    if (enabled !== cachesEnabled(before)) yield* flushGuest(cpu, held);
    if (enabled) yield* setTrapsControl(cpu, held, false);
  },
};

/** Nothing at all: right where stage 2 makes all of the guest's memory cacheable, wrong elsewhere. */
export function ignoreSetWay({ forcedWriteBack }: { readonly forcedWriteBack: boolean }): SetWayEmulation {
  return {
    policy: { traps: { setWay: true }, ...(forcedWriteBack && { forcedWriteBack }) },
    *setWay() {},
  };
}

/** May KVM do nothing on this platform? */
export const hasForcedWriteBack = ({ virtualization }: Platform): boolean =>
  virtualization?.forcedWriteBack === true;
