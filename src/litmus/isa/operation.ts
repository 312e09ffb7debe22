/**
 * What an instruction does, free of its architecture's notation: the core knows nothing else of an ISA.
 * Registers are numbers of a table that all threads of a test share (`Registers`); -1 is none.
 */

export const KIND = {
  /** Has no effect but to be fetched. */
  NOP: 0,
  /** Computes a register from registers. */
  COMPUTE: 1,
  LOAD: 2,
  STORE: 3,
  /** Reads and writes one location as one. */
  SWAP: 4,
  FENCE: 5,
  /** Context synchronization. */
  ISB: 6,
  TLBI: 7,
  /** Cleans a code word to the point of unification. */
  DC: 8,
  /** Invalidates a code word in all instruction caches. */
  IC: 9,
  JUMP: 10,
  /** Goes on at `target` if its condition holds. */
  BRANCH: 11,
  /** Goes on where a register says. */
  INDIRECT: 12,
  /** Returns from an exception to where a register says: context synchronization. */
  ERET: 13,
  /** Raises an exception as an undefined instruction. */
  UNDEFINED: 14,
  /** The end of a thread's code or of its handler. */
  END: 15,
} as const;

/** What a barrier waits for, and what waits for it (Arm ARM B2.3, "Barrier-ordered-before"). */
export const FENCE = { FULL: 0, LOADS: 1, STORES: 2 } as const;

export const ORDER = { PLAIN: 0, ACQUIRE: 1, ACQUIRE_PC: 2, RELEASE: 4 } as const;

/** What a COMPUTE or the write of a SWAP computes. `b` is the second register or the immediate. */
export const COMPUTE = {
  SECOND: 0,
  ADD: 1,
  SUB: 2,
  AND: 3,
  OR: 4,
  XOR: 5,
  BIT_CLEAR: 6,
  SHIFT_LEFT: 7,
  SHIFT_RIGHT: 8,
  /** The flags of a - b. */
  COMPARE: 9,
  /** `a` if the condition holds of the flags, else `b` + `immediate`. */
  SELECT: 10,
  /** The flags of a & b. */
  TEST: 11,
} as const;

/** Conditions on flags or, ZERO and NOT_ZERO, on a register. */
export const CONDITION = { EQ: 0, NE: 1, GE: 2, LT: 3, GT: 4, LE: 5, ZERO: 6, NOT_ZERO: 7 } as const;

export interface Operation {
  readonly kind: number;
  /** As it is written. */
  readonly text: string;
  /** Destination. */
  readonly to: number;
  readonly a: number;
  readonly b: number;
  /** The flags register of SELECT and BRANCH. */
  readonly flags: number;
  readonly immediate: number;
  /** Of `b`, to the left. */
  readonly shift: number;
  /** One of COMPUTE. */
  readonly compute: number;
  readonly condition: number;
  /** Registers are 64 bits wide here. */
  readonly isWide: boolean;
  /** Memory operand: address = base + (index << shift) + offset. */
  readonly base: number;
  readonly index: number;
  readonly offset: number;
  /** Whether the base register changes, and if so whether the address is the one before. */
  readonly writeback: 'none' | 'pre' | 'post';
  /** Register that is stored or swapped in. */
  readonly data: number;
  /** The value that has to be found for a compare-and-swap to write; -1 if it always writes. */
  readonly expected: number;
  /** Bits of ORDER. */
  readonly order: number;
  /** A load that begins, or a store that ends, an exclusive pair. */
  readonly isExclusive: boolean;
  readonly fence: number;
  /** The barrier is a DSB. */
  readonly isSynchronization: boolean;
  /** Of all locations: TLBI VMALLE1, IC IALLU. */
  readonly isOfAll: boolean;
  /** Of this CPU only: TLBI VAAE1. */
  readonly isLocal: boolean;
  /** Where a jump goes: bytes from the instruction, or a label of its thread. */
  readonly target: number | string;
}

const NOTHING: Operation = {
  kind: KIND.NOP,
  text: 'NOP',
  to: -1,
  a: -1,
  b: -1,
  flags: -1,
  immediate: 0,
  shift: 0,
  compute: COMPUTE.SECOND,
  condition: 0,
  isWide: true,
  base: -1,
  index: -1,
  offset: 0,
  writeback: 'none',
  data: -1,
  expected: -1,
  order: ORDER.PLAIN,
  isExclusive: false,
  fence: FENCE.FULL,
  isSynchronization: false,
  isOfAll: false,
  isLocal: false,
  target: 0,
};

/** An operation of which only what matters is said. */
export function operation(kind: number, text: string, rest: Partial<Operation> = {}): Operation {
  return { ...NOTHING, ...rest, kind, text };
}
