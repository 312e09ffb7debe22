/** The instructions of a thread that are in flight, in program order: a window that slides over its run. */
import { COMPUTE, CONDITION, type Operation } from '../isa/operation.ts';
import { ZERO_REGISTER } from '../isa/registers.ts';
import { labelWord } from './code.ts';
import { FAULT, FLAG, SLOT, SLOT_WORDS, THREAD, WINDOW } from './layout.ts';
import type { Program } from './program.ts';
import { changedEntry, kindOfWord, shiftedLeft, WORD } from './words.ts';

export function slotAt(program: Program, thread: number, index: number): number {
  return program.layout.thread(thread) + program.layout.window + index * SLOT_WORDS;
}

export function operationAt(program: Program, state: Int32Array, slot: number): Operation {
  return program.code.operation(state[slot + SLOT.OPERATION]);
}

export function hasFlag(state: Int32Array, slot: number, flag: number): boolean {
  return (state[slot + SLOT.FLAGS] & flag) !== 0;
}

export function faultOf(state: Int32Array, slot: number): number {
  return (state[slot + SLOT.FLAGS] >> FLAG.FAULT_SHIFT) & 7;
}

/** The last value that `readRegister` found: a pair of results without allocating one. */
export let registerValue = 0;

/**
 * The value of a register as an instruction sees it: from the last instruction before it that writes it.
 * @returns false if that has no result yet, else the value is in `registerValue`
 */
export function readRegister(
  program: Program,
  state: Int32Array,
  thread: number,
  reader: number,
  register: number,
): boolean {
  if (register === ZERO_REGISTER) {
    registerValue = 0;
    return true;
  }
  for (let index = reader - 1; index >= 0; index--) {
    const slot = slotAt(program, thread, index);
    const written = writes(program, state, slot, register);
    if (written !== 'no') return written === 'known';
  }
  registerValue = state[program.layout.thread(thread) + program.layout.registerFile + register];
  return true;
}

/** Whether an instruction writes a register; if so and the value is known it is in `registerValue`. */
function writes(
  program: Program,
  state: Int32Array,
  slot: number,
  register: number,
): 'no' | 'known' | 'unknown' {
  const operation = operationAt(program, state, slot);
  if (faultOf(state, slot) !== FAULT.NONE) {
    if (register !== program.returnRegister) return 'no';
    registerValue = labelWord(state[slot + SLOT.PC]);
    return 'known';
  }
  if (operation.to === register) {
    registerValue = state[slot + SLOT.RESULT];
    return hasFlag(state, slot, FLAG.HAS_RESULT) ? 'known' : 'unknown';
  }
  if (operation.writeback !== 'none' && operation.base === register) {
    registerValue = writtenBack(operation, state[slot + SLOT.ADDRESS]);
    return hasFlag(state, slot, FLAG.HAS_ADDRESS) ? 'known' : 'unknown';
  }
  return 'no';
}

function writtenBack(operation: Operation, address: number): number {
  return operation.writeback === 'post' ? address + operation.offset : address;
}

/** Takes the oldest instruction out of the window: its results become the thread's registers. */
export function retire(program: Program, state: Int32Array, thread: number): void {
  const { layout } = program;
  const base = layout.thread(thread);
  const registers = base + layout.registerFile;
  const slot = base + layout.window;
  const operation = operationAt(program, state, slot);
  if (faultOf(state, slot) !== FAULT.NONE) {
    if (program.returnRegister >= 0)
      state[registers + program.returnRegister] = labelWord(state[slot + SLOT.PC]);
  } else {
    if (operation.writeback !== 'none') {
      state[registers + operation.base] = writtenBack(operation, state[slot + SLOT.ADDRESS]);
    }
    if (operation.to > ZERO_REGISTER) state[registers + operation.to] = state[slot + SLOT.RESULT];
  }
  const count = --state[base + THREAD.COUNT];
  state.copyWithin(slot, slot + SLOT_WORDS, slot + (count + 1) * SLOT_WORDS);
  state.fill(0, slot + count * SLOT_WORDS, slot + (count + 1) * SLOT_WORDS);
}

/** Discards all that is younger than an instruction. */
export function squash(program: Program, state: Int32Array, thread: number, index: number): void {
  const base = program.layout.thread(thread);
  const count = state[base + THREAD.COUNT];
  state.fill(0, slotAt(program, thread, index + 1), slotAt(program, thread, count));
  state[base + THREAD.COUNT] = index + 1;
}

export function isFull(program: Program, state: Int32Array, thread: number): boolean {
  return state[program.layout.thread(thread) + THREAD.COUNT] >= WINDOW;
}

/** What an operation computes from its operands. */
export function compute(operation: Operation, a: number, b: number, flags: number): number {
  const second =
    operation.b < 0 && operation.compute !== COMPUTE.SELECT ? operation.immediate : b << operation.shift;
  switch (operation.compute) {
    case COMPUTE.ADD:
      return (a + second) | 0;
    case COMPUTE.SUB:
      return (a - second) | 0;
    case COMPUTE.AND:
      return a & second;
    case COMPUTE.OR:
      return isEntryMask(a, second) ? changedEntry(a, second, true) : a | second;
    case COMPUTE.XOR:
      return a ^ second;
    case COMPUTE.BIT_CLEAR:
      return isEntryMask(a, second) ? changedEntry(a, second, false) : a & ~second;
    case COMPUTE.SHIFT_LEFT:
      return shiftedLeft(a, second);
    case COMPUTE.SHIFT_RIGHT:
      return a >>> second;
    case COMPUTE.COMPARE:
      return comparison(a, second);
    case COMPUTE.TEST:
      return comparison(a & second, 0);
    case COMPUTE.SELECT:
      return holds(operation.condition, flags) ? a : (b + operation.immediate) | 0;
    default:
      return second;
  }
}

function isEntryMask(entry: number, mask: number): boolean {
  return kindOfWord(entry) === WORD.ENTRY && kindOfWord(mask) === WORD.NUMBER;
}

const FLAG_ZERO = 4;
const FLAG_NEGATIVE = 8;

function comparison(a: number, b: number): number {
  return a === b ? FLAG_ZERO : a < b ? FLAG_NEGATIVE : 0;
}

/** @param value the flags, or of ZERO and NOT_ZERO the register */
export function holds(condition: number, value: number): boolean {
  switch (condition) {
    case CONDITION.ZERO:
      return value === 0;
    case CONDITION.NOT_ZERO:
      return value !== 0;
    case CONDITION.EQ:
      return (value & FLAG_ZERO) !== 0;
    case CONDITION.NE:
      return (value & FLAG_ZERO) === 0;
    case CONDITION.LT:
      return (value & FLAG_NEGATIVE) !== 0;
    case CONDITION.GE:
      return (value & FLAG_NEGATIVE) === 0;
    case CONDITION.GT:
      return (value & (FLAG_NEGATIVE | FLAG_ZERO)) === 0;
    default:
      return (value & (FLAG_NEGATIVE | FLAG_ZERO)) !== 0;
  }
}
