/**
 * The operation itself, on the host CPU that the vCPU happens to be on: what the guest asked for, to the letter, and
 * what it gets without a trap as well. Its lines may be in the caches of a CPU that it was on before, and behind the
 * caches that such operations reach.
 *
 * The thread's alternative for the former: what the guest has left is cleaned when its vCPU leaves a CPU, and what is
 * left of it there is invalidated before it runs there again. System caches are out of its reach all the same. The
 * host must not lose what it has in the same caches, so it cleans and invalidates.
 */
import { flushBySetWay } from '../../kernel/set-way.ts';
import { FLUSH } from '../../machine/cache-maintenance.ts';
import type { SetWayEmulation } from './emulation.ts';

/** No emulation: nothing traps, and the guest's operations act on the caches of the CPU that it is on. */
export const untrappedSetWay: SetWayEmulation = {
  policy: {},
  *setWay() {
    throw new Error('an operation by set and way has trapped, and this hypervisor has not asked for it');
  },
};

/** @param followsVcpu with what is done when a vCPU leaves a host CPU, and before it runs on one */
export function setWayToTheLetter(followsVcpu = false): SetWayEmulation {
  return {
    policy: {
      traps: { setWay: true },
      ...(followsVcpu && {
        hooks: { load: (cpu) => flushBySetWay(cpu), put: (cpu) => flushBySetWay(cpu) },
      }),
    },

    *setWay(cpu, _held, { level, set, way }) {
      // An invalidate alone would throw away what others have in the same line (HCR_EL2.SWIO).
      // The barrier after it is the guest's, or that of the switch to another vCPU.
      yield* cpu.maintainSetWay(level, set, way, FLUSH);
    },
  };
}
