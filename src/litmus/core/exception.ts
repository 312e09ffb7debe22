/** Exceptions: of accesses that faulted and of undefined instructions. */
import { finish, OUTCOME } from './execute.ts';
import { FETCH, FLAG, SLOT, THREAD } from './layout.ts';
import { isContextReady, mayFault } from './order.ts';
import type { Program } from './program.ts';
import { faultOf, hasFlag, slotAt } from './window.ts';

/** Lets a fault count and its exception be taken, each as soon as it may. */
export function advanceFault(program: Program, state: Int32Array, thread: number, index: number): number {
  const slot = slotAt(program, thread, index);
  let outcome: number = OUTCOME.SAME;
  if (!hasFlag(state, slot, FLAG.IS_TAKEN) && isContextReady(program, state, thread, index)) {
    if (!takeException(program, state, thread, slot)) return OUTCOME.DEAD;
    outcome = OUTCOME.CHANGED;
  }
  if (hasFlag(state, slot, FLAG.IS_DONE) || !mayFault(program, state, thread, index)) return outcome;
  return finish(state, slot);
}

/**
 * Goes on at the handler or, without one, as the variant has it.
 * @returns false if an instruction that is tried again faults again: it is tried twice, as herd7 does
 */
function takeException(program: Program, state: Int32Array, thread: number, slot: number): boolean {
  const pc = state[slot + SLOT.PC];
  const fault = faultOf(state, slot);
  const handler = program.code.handlers[thread];
  const { afterFault } = program.features;
  const isAgain = program.faults.hasFaulted(state, thread, pc);
  if (handler < 0 && afterFault === 'retry' && isAgain) return false;
  program.noteFault(state, thread, pc, fault, state[slot + SLOT.ADDRESS]);
  const next = afterFault === 'retry' ? pc : afterFault === 'skip' ? pc + 1 : FETCH.ENDED;
  state[program.layout.thread(thread) + THREAD.FETCH] = handler >= 0 ? handler : next;
  state[slot + SLOT.FLAGS] |= FLAG.IS_TAKEN;
  return true;
}
