/** When the reads and writes of a thread may be performed, and where a read takes its value from. */
import { COMPUTE, KIND, type Operation, ORDER } from '../isa/operation.ts';
import { FLAG, SLOT, THREAD } from './layout.ts';
import { inFlight, mayPerform } from './order.ts';
import type { Program } from './program.ts';
import { STEP, type StepList } from './step-list.ts';
import { hasFlag, operationAt, readRegister, slotAt } from './window.ts';

/** Adds what a translated access may do next. */
export function addAccess(
  program: Program,
  state: Int32Array,
  thread: number,
  index: number,
  operation: Operation,
  steps: StepList,
): void {
  const slot = slotAt(program, thread, index);
  if (operation.kind === KIND.STORE || hasFlag(state, slot, FLAG.HAS_RESULT)) {
    if (!hasFlag(state, slot, FLAG.HAS_DATA) || hasFlag(state, slot, FLAG.IS_STALE)) return;
    if (operation.expected >= 0 && !readRegister(program, state, thread, index, operation.expected)) return;
    if (operation.isExclusive) {
      steps.add(thread, index, STEP.FAIL, 0);
      const { MONITOR } = THREAD;
      if (state[program.layout.thread(thread) + MONITOR] !== state[slot + SLOT.CELL] + 1) return;
    }
    if (mayPerform(program, state, thread, index, true)) steps.add(thread, index, STEP.STORE, 0);
    return;
  }
  if (!mayPerform(program, state, thread, index, false)) return;
  const source = forwardingStore(program, state, thread, index);
  if (source >= 0) {
    const isReady = mayForward(program, state, slotAt(program, thread, source), operation);
    if (isReady && program.profile.writeForwarding) steps.add(thread, index, STEP.FORWARD, source);
  } else if (!hasStaleLoadAfter(program, state, thread, index)) steps.add(thread, index, STEP.LOAD, 0);
}

/**
 * Whether a read may take its value from a write that is not performed: that is known to happen and with what
 * value. An acquire comes after what an atomic that it reads from has read ("Atomic-ordered-before").
 */
function mayForward(program: Program, state: Int32Array, source: number, reader: Operation): boolean {
  const writer = operationAt(program, state, source);
  if (writer.isExclusive || !hasFlag(state, source, FLAG.HAS_DATA)) return false;
  if (writer.kind === KIND.STORE || hasFlag(state, source, FLAG.HAS_RESULT)) return true;
  const isAcquire = (reader.order & (ORDER.ACQUIRE | ORDER.ACQUIRE_PC)) !== 0;
  return !isAcquire && writer.compute === COMPUTE.SECOND && writer.expected < 0;
}

/** The last write to the same location before a read that is not performed; -1 if there is none. */
function forwardingStore(program: Program, state: Int32Array, thread: number, index: number): number {
  const cell = state[slotAt(program, thread, index) + SLOT.CELL];
  for (let older = index - 1; older >= 0; older--) {
    const slot = slotAt(program, thread, older);
    const { kind } = operationAt(program, state, slot);
    if ((kind !== KIND.STORE && kind !== KIND.SWAP) || hasFlag(state, slot, FLAG.IS_DONE)) continue;
    if (hasFlag(state, slot, FLAG.IS_TRANSLATED) && state[slot + SLOT.CELL] === cell) return older;
  }
  return -1;
}

/** Whether a later load has read what another CPU has overwritten since: loads of a location are coherent. */
function hasStaleLoadAfter(program: Program, state: Int32Array, thread: number, index: number): boolean {
  const cell = state[slotAt(program, thread, index) + SLOT.CELL];
  for (let younger = index + 1; younger < inFlight(program, state, thread); younger++) {
    const slot = slotAt(program, thread, younger);
    if (hasFlag(state, slot, FLAG.IS_STALE) && state[slot + SLOT.CELL] === cell) return true;
  }
  return false;
}
