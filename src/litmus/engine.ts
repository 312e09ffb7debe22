/**
 * What the front end asks of whatever runs a test, and what it gets back. An engine knows nothing of how a
 * final state is printed, the front end nothing of how it was reached.
 */
import type { Cell, LitmusTest, Value } from './ast.ts';

/** A fault that was taken and, if it is an MMU's, not just repeated by the same instruction. */
export interface Fault {
  readonly thread: number;
  /** All labels that stand before the instruction, in any order; none is allowed. */
  readonly labels: readonly string[];
  /**
   * What was accessed, as final states name it: `x`, `PTE(x)`; a fetch: `label:"P0:L0"`. Undefined for a
   * fault without an address (an undefined instruction).
   */
  readonly location?: string;
  /** `D-MMU:Translation`, `D-MMU:AccessFlag`, `D-MMU:Permission`, `I-MMU:...`, `UndefinedInstruction`. */
  readonly type: string;
  /** `EL0` if the access was made there. */
  readonly level?: 'EL0';
}

/** How one execution ended, in terms of the test. */
export interface FinalState {
  /**
   * The value a cell ended with. It is asked for the cells of `observationOf(test)` only, for an array once
   * for each element. A number is the whole register or location modulo 2^64 (or 2^32 if it is so wide),
   * signed or not: the printer narrows it to the type that was declared. An entry's fields may leave out
   * what has its default (`src/litmus/defaults.ts`), but never `oa`.
   */
  read(cell: Cell): Value;
  /** Every fault that was taken, not only those that the test names; repeats do no harm. */
  readonly faults: readonly Fault[];
}

export interface LitmusResult {
  /** States that print alike may come more than once; they are merged and their counts added. */
  readonly states: readonly { readonly state: FinalState; readonly count: number }[];
  /**
   * As herd7 names them, in any order: `Warning-BBM-expected`, `violates-CMODX-requirements`, ... Those that
   * follow from the text alone (`src/litmus/text-flags.ts`) are added later.
   */
  readonly flags: readonly string[];
  /** Machine states that were visited, or runs that were made. */
  readonly explored: number;
  /** False if a bound was reached first: then more final states may exist. */
  readonly complete: boolean;
}

export interface LitmusOptions {
  /** Machine states after which the search gives up and reports what it has. */
  readonly maxStates: number;
  /** Seconds after which the search gives up. */
  readonly maxSeconds: number;
}

/**
 * Finds the final states of a test.
 * @throws LitmusError for what the engine cannot run (an instruction, a variant), with its place
 */
export type ExploreTest = (test: LitmusTest, options: LitmusOptions) => LitmusResult;
