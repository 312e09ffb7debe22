/**
 * What a litmus test says, as herd7's format has it (Alglave, Maranget, Tautschnig, "Herding Cats", TOPLAS
 * 2014, and the herd7 manual): an initial state, a program for each thread, and a condition on final states.
 */

export type Architecture = 'AArch64' | 'x86-64';

/** Where in the text something stands, from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** A value as it is written. */
export type Value =
  | { readonly kind: 'number'; readonly value: bigint }
  /** The virtual address of a location, or `offset` bytes after it. */
  | {
      readonly kind: 'address';
      readonly location: string;
      readonly offset?: bigint;
      /** Memory tagging: `x:red`. */
      readonly tag?: string;
    }
  /** The physical address of a location: `PA(x)`, `phy_x`. */
  | { readonly kind: 'physical'; readonly location: string }
  /** The address of the table entry that maps a location: `PTE(x)`, `pte_x`. */
  | { readonly kind: 'entry-address'; readonly location: string }
  /** A table entry. Fields that are not given have herd7's defaults: that depends on where it stands. */
  | { readonly kind: 'entry'; readonly fields: EntryFields }
  /** A label of a thread's code: `P1:L0`. */
  | { readonly kind: 'label'; readonly thread: number; readonly label: string }
  /** An instruction as a word: `instr:"B .+4"`, `NOP`. */
  | { readonly kind: 'instruction'; readonly text: string };

/** `oa` is the output address, a location's physical address; the rest are bits. */
export interface EntryFields {
  readonly oa?: string;
  readonly valid?: 0 | 1;
  readonly af?: 0 | 1;
  readonly db?: 0 | 1;
  readonly dbm?: 0 | 1;
  readonly el0?: 0 | 1;
  /** What flushlab does not know, as it is written. */
  readonly others: readonly string[];
}

/** What holds a value: a register of a thread, a location in memory, or the table entry of a location. */
export type Cell =
  | { readonly kind: 'register'; readonly thread: number; readonly name: string }
  | {
      readonly kind: 'memory';
      readonly location: string;
      /** Elements before it in an array; 0 for anything else. */
      readonly index: number;
      /** It is written `t[0]`. Without this a condition's `t` is the array as a whole. */
      readonly isElement?: true;
    }
  | { readonly kind: 'entry'; readonly location: string }
  /** The physical memory under a location: `[PA(x)]`, `phy_x`. */
  | { readonly kind: 'physical'; readonly location: string };

export interface Initial {
  readonly cell: Cell;
  readonly value: Value;
  /** Bytes of the type that was declared: `int` 4, `int64_t` and `pteval_t` 8; undefined if none was. */
  readonly bytes?: number;
  /** The type as it is written: `int`, `uint64_t`, `int *`; undefined if none was. */
  readonly type?: string;
  /** Elements of an array; undefined for anything else. */
  readonly elements?: readonly Value[];
  readonly place: Place;
}

export type Operand =
  | { readonly kind: 'register'; readonly name: string }
  | { readonly kind: 'immediate'; readonly value: bigint }
  | {
      readonly kind: 'memory';
      readonly base: string;
      readonly index?: string;
      readonly offset: bigint;
      /** `SXTW`, `UXTW #2`, ... of the index, as it is written. */
      readonly extend?: string;
      readonly writeback?: 'pre' | 'post';
    }
  | { readonly kind: 'label'; readonly name: string }
  /** Bytes after the instruction itself: `.+8`. */
  | { readonly kind: 'relative'; readonly bytes: number }
  /** x86: memory named by its location: `(x)`, `[x]`, `x(%rip)`. */
  | { readonly kind: 'location'; readonly name: string }
  /** Anything else: a barrier's domain, a condition, a system register, a TLBI operation. */
  | { readonly kind: 'word'; readonly text: string };

export interface Instruction {
  /** Upper case: `STR`, `B.EQ`, `DSB`. */
  readonly mnemonic: string;
  readonly operands: readonly Operand[];
  readonly labels: readonly string[];
  /** The whole of it with one space between words and without labels. */
  readonly text: string;
  readonly place: Place;
}

export interface Thread {
  readonly index: number;
  /** Labels that stand after the last instruction belong to an empty last one: `END`. */
  readonly code: readonly Instruction[];
  /** `P1.F`: taken on a fault; undefined if there is none, then a fault ends the thread or skips. */
  readonly handler?: readonly Instruction[];
}

/**
 * A fault that a condition asks for: `fault(P1:L0,x)`, `fault(P0,x,MMU:Translation)`. What it leaves out
 * may be anything. The location of a table entry is `PTE(x)`.
 */
export interface FaultAtom {
  readonly thread: number;
  readonly label?: string;
  readonly location?: string;
  readonly type?: string;
}

export type Proposition =
  | { readonly kind: 'equals'; readonly cell: Cell; readonly value: Value }
  | { readonly kind: 'cells'; readonly cell: Cell; readonly other: Cell }
  | { readonly kind: 'fault'; readonly fault: FaultAtom }
  | { readonly kind: 'not'; readonly of: Proposition }
  | { readonly kind: 'and' | 'or'; readonly of: readonly Proposition[] }
  | { readonly kind: 'implies'; readonly of: readonly [Proposition, Proposition] }
  | { readonly kind: 'constant'; readonly value: boolean };

export interface Condition {
  readonly quantifier: 'exists' | 'not exists' | 'forall';
  readonly proposition: Proposition;
}

export interface LitmusTest {
  readonly architecture: Architecture;
  readonly name: string;
  /** `Variant`, `CacheType`, `TTHM`, `Hash` and the like, as they are written; comments are left out. */
  readonly headers: Readonly<Record<string, string>>;
  readonly initial: readonly Initial[];
  readonly threads: readonly Thread[];
  /** What final states show beside what the condition names. */
  readonly locations: readonly (Cell | FaultAtom)[];
  /** Executions whose final state does not satisfy it do not count: `filter`. */
  readonly filter?: Proposition;
  /** `forall (true)` if the test has none. */
  readonly condition: Condition;
}
