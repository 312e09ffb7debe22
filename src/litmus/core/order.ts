/**
 * Which instruction may act when. Each rule is one of Arm's "locally-hardware-required-ordered-before"
 * (Arm ARM B2.3 and D8; herdtools7, `aarch64hwreqs.cat`), read as: an instruction acts only when all that is
 * ordered before it has acted. All that acts does so at one moment, for all CPUs (multi-copy atomicity), so
 * the moments of a run are an order in which "ordered-before" has no cycle, and every such order is a run.
 */
import { FENCE, KIND, type Operation, ORDER } from '../isa/operation.ts';
import { ZERO_REGISTER } from '../isa/registers.ts';
import { FAULT, FLAG, SLOT, THREAD } from './layout.ts';
import { dependsOnSelection } from './prediction.ts';
import type { Program } from './program.ts';
import { faultOf, hasFlag, operationAt, slotAt } from './window.ts';

export function isAccess(operation: Operation): boolean {
  return operation.kind === KIND.LOAD || operation.kind === KIND.STORE || operation.kind === KIND.SWAP;
}

/** Whether the read of an instruction that is not done is still to come. */
function awaitsRead(operation: Operation, state: Int32Array, slot: number): boolean {
  return (
    operation.kind === KIND.LOAD || (operation.kind === KIND.SWAP && !hasFlag(state, slot, FLAG.HAS_RESULT))
  );
}

/** An atomic whose result nobody gets is no load to barriers, and no acquire (Arm ARM B2.3.7). */
function isOrderedRead(operation: Operation, state: Int32Array, slot: number): boolean {
  if (operation.kind === KIND.SWAP && operation.to <= ZERO_REGISTER) return false;
  return awaitsRead(operation, state, slot);
}

function writes(operation: Operation): boolean {
  return operation.kind === KIND.STORE || operation.kind === KIND.SWAP;
}

function isBranch(operation: Operation): boolean {
  return operation.kind === KIND.BRANCH || operation.kind === KIND.INDIRECT;
}

/** Whether an access faulted, so that it is none. */
function isFault(state: Int32Array, slot: number): boolean {
  return faultOf(state, slot) !== FAULT.NONE;
}

/** Whether an access still may turn out to fault, or a branch to go elsewhere, or has not been decided. */
function isUndecided(operation: Operation, state: Int32Array, slot: number): boolean {
  if (isFault(state, slot)) return !hasFlag(state, slot, FLAG.IS_TAKEN);
  if (isAccess(operation)) return !hasFlag(state, slot, FLAG.IS_TRANSLATED);
  return isBranch(operation) || operation.kind === KIND.ERET || hasFlag(state, slot, FLAG.IS_GUESSED);
}

/** Whether what comes before an instruction may still turn out to lead elsewhere. */
export function isSpeculative(program: Program, state: Int32Array, thread: number, index: number): boolean {
  for (let older = 0; older < index; older++) {
    const slot = slotAt(program, thread, older);
    if (hasFlag(state, slot, FLAG.IS_DONE)) continue;
    if (isUndecided(operationAt(program, state, slot), state, slot)) return true;
  }
  return false;
}

const ACQUIRES = ORDER.ACQUIRE | ORDER.ACQUIRE_PC;
const BOTH = ORDER.ACQUIRE | ORDER.RELEASE;

/** Whether barriers, acquires and releases order a read or write after an instruction that is not done. */
function waitsForOrder(
  operation: Operation,
  isWrite: boolean,
  older: Operation,
  state: Int32Array,
  slot: number,
): boolean {
  if (older.kind === KIND.FENCE) return older.isSynchronization || older.fence !== FENCE.STORES || isWrite;
  if ((older.order & ACQUIRES) !== 0 && isOrderedRead(older, state, slot)) return true;
  if (older.kind === KIND.SWAP && (older.order & BOTH) === BOTH) return true;
  if (isWrite) return isAccess(older) && (operation.order & ORDER.RELEASE) !== 0;
  return writes(older) && (older.order & ORDER.RELEASE) !== 0 && (operation.order & ORDER.ACQUIRE) !== 0;
}

/** Whether a maintenance operation by address is of the word that an access is to, or may be. */
function isSameLine(state: Int32Array, maintenance: number, all: boolean, address: number): boolean {
  return (
    all || !hasFlag(state, maintenance, FLAG.HAS_ADDRESS) || state[maintenance + SLOT.ADDRESS] === address
  );
}

/** Whether the read or the write of a translated access may be performed as far as order goes. */
export function mayPerform(
  program: Program,
  state: Int32Array,
  thread: number,
  index: number,
  isWrite: boolean,
): boolean {
  const slot = slotAt(program, thread, index);
  const operation = operationAt(program, state, slot);
  const { profile } = program;
  for (let i = 0; i < index; i++) {
    const other = slotAt(program, thread, i);
    if (hasFlag(state, other, FLAG.IS_DONE)) continue;
    const older = operationAt(program, state, other);
    if (isFault(state, other)) continue;
    if (waitsForOrder(operation, isWrite, older, state, other)) return false;
    if (older.kind === KIND.COMPUTE && hasFlag(state, other, FLAG.IS_GUESSED)) {
      if (isWrite && dependsOnSelection(program, state, thread, index, i)) return false;
    } else if (isWrite && isUndecided(older, state, other)) return false;
    if (isAccess(older)) {
      if (!profile.storeBuffering && older.kind === KIND.STORE) return false;
      if (!profile.loadReordering && awaitsRead(older, state, other)) return false;
      const isSame =
        hasFlag(state, other, FLAG.IS_TRANSLATED) && state[other + SLOT.CELL] === state[slot + SLOT.CELL];
      // A read of the same location is forwarded to from a write, and otherwise in order.
      if (isSame && (isWrite || older.kind === KIND.LOAD)) return false;
    } else if (!profile.loadReordering && isUndecided(older, state, other)) return false;
    if (older.kind === KIND.DC && isSameLine(state, other, false, state[slot + SLOT.ADDRESS])) return false;
  }
  return true;
}

/** Whether a barrier is complete, invalidates apart. */
export function isFenceReady(program: Program, state: Int32Array, thread: number, index: number): boolean {
  const fence = operationAt(program, state, slotAt(program, thread, index));
  const isFull = fence.isSynchronization && fence.fence === FENCE.FULL;
  for (let i = 0; i < index; i++) {
    const slot = slotAt(program, thread, i);
    if (isFull && hasFlag(state, slot, FLAG.AWAITS_UPDATE)) return false;
    if (hasFlag(state, slot, FLAG.IS_DONE)) continue;
    const older = operationAt(program, state, slot);
    if (isFault(state, slot)) continue;
    if (older.kind === KIND.FENCE && older.isSynchronization) return false;
    if (fence.fence === FENCE.FULL) {
      if (isAccess(older) || older.kind === KIND.DC) return false;
      if (fence.isSynchronization && (older.kind === KIND.IC || older.kind === KIND.TLBI)) return false;
    } else if (fence.fence === FENCE.LOADS ? isOrderedRead(older, state, slot) : writes(older)) return false;
  }
  return true;
}

/**
 * Context synchronization: of ISB, exception entry and return. It waits for branches, addresses, translations
 * and DSBs before it, but not for the accesses themselves ("CSE-ordered-before").
 */
export function isContextReady(program: Program, state: Int32Array, thread: number, index: number): boolean {
  for (let i = 0; i < index; i++) {
    const slot = slotAt(program, thread, i);
    if (hasFlag(state, slot, FLAG.IS_DONE)) continue;
    const older = operationAt(program, state, slot);
    if (isUndecided(older, state, slot)) return false;
    if (older.kind === KIND.FENCE && older.isSynchronization) return false;
    if (older.kind === KIND.ISB) return false;
  }
  return true;
}

/** Whether a TLBI, DC or IC with its address known may act. */
export function mayMaintain(program: Program, state: Int32Array, thread: number, index: number): boolean {
  const slot = slotAt(program, thread, index);
  const { kind, isOfAll } = operationAt(program, state, slot);
  for (let i = 0; i < index; i++) {
    const other = slotAt(program, thread, i);
    if (hasFlag(state, other, FLAG.IS_DONE)) continue;
    const older = operationAt(program, state, other);
    if (isBranch(older) || hasFlag(state, other, FLAG.IS_GUESSED)) return false;
    if (
      older.kind === KIND.FENCE &&
      (older.isSynchronization || (kind === KIND.DC && older.fence === FENCE.FULL))
    ) {
      return false;
    }
    if (kind !== KIND.DC) continue;
    const mayBeSame = isAccess(older) || older.kind === KIND.DC;
    if (mayBeSame && isSameLine(state, other, isOfAll, state[slot + SLOT.ADDRESS])) return false;
  }
  return true;
}

/**
 * Whether the fault of an access counts as an effect now: barriers and acquires before it order it as an
 * access, but it is neither an acquire nor a release itself. The exception need not wait for that, nor the
 * fault for the exception, which waits for branches and translations before it.
 */
export function mayFault(program: Program, state: Int32Array, thread: number, index: number): boolean {
  const slot = slotAt(program, thread, index);
  const fault = faultOf(state, slot);
  const isUncacheable = fault === FAULT.TRANSLATION || fault === FAULT.ACCESS_FLAG;
  for (let i = 0; i < index; i++) {
    const other = slotAt(program, thread, i);
    if (hasFlag(state, other, FLAG.IS_DONE) || isFault(state, other)) continue;
    const older = operationAt(program, state, other);
    if (older.kind === KIND.FENCE) return false;
    if (!isAccess(older)) continue;
    if (older.kind === KIND.SWAP && (older.order & BOTH) === BOTH) return false;
    if ((older.order & ACQUIRES) !== 0 && isOrderedRead(older, state, other)) return false;
    if (isUncacheable && state[other + SLOT.ADDRESS] === state[slot + SLOT.ADDRESS]) return false;
  }
  return true;
}

/** Whether all accesses of a thread before an instruction are performed. */
export function areAccessesDone(program: Program, state: Int32Array, thread: number, index: number): boolean {
  for (let i = 0; i < index; i++) {
    const slot = slotAt(program, thread, i);
    if (!hasFlag(state, slot, FLAG.IS_DONE) && isAccess(operationAt(program, state, slot))) return false;
  }
  return true;
}

/** Whether all DSBs of a thread before an instruction are complete. */
export function areDsbsDone(program: Program, state: Int32Array, thread: number, index: number): boolean {
  for (let i = 0; i < index; i++) {
    const slot = slotAt(program, thread, i);
    const { kind, isSynchronization } = operationAt(program, state, slot);
    if (kind === KIND.FENCE && isSynchronization && !hasFlag(state, slot, FLAG.IS_DONE)) return false;
  }
  return true;
}

/** How many instructions of a thread are in flight. */
export function inFlight(program: Program, state: Int32Array, thread: number): number {
  return state[program.layout.thread(thread) + THREAD.COUNT];
}
