/** What instructions do of themselves: decode addresses, compute, decide branches. */
import { KIND, type Operation } from '../isa/operation.ts';
import { FLAG, SLOT, THREAD } from './layout.ts';
import type { Program } from './program.ts';
import { translateFixed, versionedEntry } from './translate.ts';
import { compute, hasFlag, holds, readRegister, registerValue, slotAt } from './window.ts';
import { kindOfWord, payloadOf, WORD } from './words.ts';

/** What became of an instruction. */
export const OUTCOME = { SAME: 0, CHANGED: 1, DEAD: 2 } as const;

export function finish(state: Int32Array, slot: number): number {
  state[slot + SLOT.FLAGS] |= FLAG.IS_DONE;
  return OUTCOME.CHANGED;
}

export function advanceCompute(
  program: Program,
  state: Int32Array,
  thread: number,
  index: number,
  operation: Operation,
): number {
  if (operation.flags >= 0) return advanceSelection(program, state, thread, index, operation);
  let [a, b] = [0, 0];
  if (operation.a >= 0) {
    if (!readRegister(program, state, thread, index, operation.a)) return OUTCOME.SAME;
    a = registerValue;
  }
  if (operation.b >= 0) {
    if (!readRegister(program, state, thread, index, operation.b)) return OUTCOME.SAME;
    b = registerValue;
  }
  const slot = slotAt(program, thread, index);
  state[slot + SLOT.RESULT] = compute(operation, a, b, 0);
  state[slot + SLOT.FLAGS] |= FLAG.HAS_RESULT;
  return finish(state, slot);
}

/**
 * A selection depends on the register that it takes only, and may be predicted as a branch is ("pick
 * dependencies", Arm ARM B2.3.3).
 */
function advanceSelection(
  program: Program,
  state: Int32Array,
  thread: number,
  index: number,
  operation: Operation,
): number {
  const slot = slotAt(program, thread, index);
  const isKnown = readRegister(program, state, thread, index, operation.flags);
  const isFirst = isKnown ? Number(holds(operation.condition, registerValue)) : state[slot + SLOT.DATA];
  if (!isKnown && !hasFlag(state, slot, FLAG.IS_GUESSED)) {
    if (hasFlag(state, slot, FLAG.AWAITS_GUESS)) return OUTCOME.SAME;
    state[slot + SLOT.FLAGS] |= FLAG.AWAITS_GUESS;
    return OUTCOME.CHANGED;
  }
  if (hasFlag(state, slot, FLAG.IS_GUESSED) && isFirst !== state[slot + SLOT.DATA]) return OUTCOME.DEAD;
  state[slot + SLOT.FLAGS] &= ~FLAG.AWAITS_GUESS;
  let outcome: number = OUTCOME.SAME;
  if (!hasFlag(state, slot, FLAG.HAS_RESULT)) {
    if (!readRegister(program, state, thread, index, isFirst ? operation.a : operation.b))
      return OUTCOME.SAME;
    state[slot + SLOT.RESULT] = isFirst ? registerValue : (registerValue + operation.immediate) | 0;
    state[slot + SLOT.FLAGS] |= FLAG.HAS_RESULT;
    outcome = OUTCOME.CHANGED;
  }
  return isKnown ? finish(state, slot) : outcome;
}

/** Computes the address of an instruction. @returns whether it became known now */
export function findAddress(
  program: Program,
  state: Int32Array,
  thread: number,
  index: number,
  operation: Operation,
): boolean {
  const slot = slotAt(program, thread, index);
  if (hasFlag(state, slot, FLAG.HAS_ADDRESS)) return false;
  if (!readRegister(program, state, thread, index, operation.base)) return false;
  let address = registerValue;
  if (operation.index >= 0) {
    if (!readRegister(program, state, thread, index, operation.index)) return false;
    address += registerValue << operation.shift;
  }
  if (operation.writeback !== 'post') address += operation.offset;
  state[slot + SLOT.ADDRESS] = address;
  state[slot + SLOT.FLAGS] |= FLAG.HAS_ADDRESS;
  return true;
}

export function advanceAccess(
  program: Program,
  state: Int32Array,
  thread: number,
  index: number,
  operation: Operation,
): number {
  const slot = slotAt(program, thread, index);
  let outcome: number = OUTCOME.SAME;
  if (findAddress(program, state, thread, index, operation)) {
    outcome = OUTCOME.CHANGED;
    const isFixed = versionedEntry(program, state[slot + SLOT.ADDRESS]) < 0;
    if (isFixed && !translateFixed(program, state, thread, index)) return OUTCOME.DEAD;
  }
  if (operation.data >= 0 && !hasFlag(state, slot, FLAG.HAS_DATA)) {
    if (!readRegister(program, state, thread, index, operation.data)) return outcome;
    state[slot + SLOT.DATA] = registerValue;
    state[slot + SLOT.FLAGS] |= FLAG.HAS_DATA;
    outcome = OUTCOME.CHANGED;
  }
  if (operation.expected >= 0 && hasFlag(state, slot, FLAG.HAS_RESULT)) {
    // A compare-and-swap that finds another value is a load.
    if (!readRegister(program, state, thread, index, operation.expected)) return outcome;
    if (registerValue !== state[slot + SLOT.RESULT]) return finish(state, slot);
  }
  return outcome;
}

export function advanceBranch(
  program: Program,
  state: Int32Array,
  thread: number,
  index: number,
  operation: Operation,
): number {
  const slot = slotAt(program, thread, index);
  const source = operation.flags >= 0 ? operation.flags : operation.a;
  if (!readRegister(program, state, thread, index, source)) return OUTCOME.SAME;
  let target = state[slot + SLOT.PC] + 1;
  if (operation.kind === KIND.INDIRECT) {
    if (kindOfWord(registerValue) !== WORD.LABEL) return OUTCOME.DEAD;
    target = payloadOf(registerValue) >> 2;
  } else if (holds(operation.condition, registerValue)) {
    target = state[slot + SLOT.PC] + (operation.target as number) / 4;
  }
  if (hasFlag(state, slot, FLAG.AWAITS_GUESS)) {
    state[slot + SLOT.FLAGS] &= ~FLAG.AWAITS_GUESS;
    state[program.layout.thread(thread) + THREAD.FETCH] = target;
  } else if (state[slot + SLOT.DATA] !== target) return OUTCOME.DEAD;
  return finish(state, slot);
}
