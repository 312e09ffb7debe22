/** Walks that a CPU makes on its own while it runs a guest, at points that a program fixes. */
import { type Cpu, STEP, type Steps } from '../machine/cpu.ts';
import { MISS } from '../machine/translation.ts';
import { walkWhole } from '../machine/whole-walk.ts';

/**
 * A speculative walk for an address of the guest's that is in no TLB, in one step, as the hardware's agent makes them.
 * Whatever it finds, the guest does not notice.
 */
export function* speculateInGuest(cpu: Cpu, va: number): Steps {
  const { machine, hw } = cpu;
  const { translation, guests, state } = machine;
  yield STEP;
  state.lockCpu(hw);
  const found = translation.lookup(hw, va, false, false, false);
  state.unlockCpu(hw);
  if (found === MISS) walkWhole(state, translation, guests, hw, va, false);
}
