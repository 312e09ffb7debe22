/**
 * Where everything stands in a state: one vector of 32-bit words that holds all there is, so that going back
 * is copying and comparing is comparing words. Shared words come first, then the threads.
 */

/** Instructions that a thread may have in flight. */
export const WINDOW = 32;
/** Values that a table entry or a code word may have had in one run. */
export const VERSIONS = 12;

/** Words of an instruction in flight. */
export const SLOT = {
  /** Position in the code. */
  PC: 0,
  OPERATION: 1,
  /** Bits of FLAG. */
  FLAGS: 2,
  /** What its destination gets; of branches, where fetching went on. */
  RESULT: 3,
  ADDRESS: 4,
  /** The memory cell that the address translates to. */
  CELL: 5,
  /** Which version of the table entry translated it; -1 if that no longer matters. */
  VERSION: 6,
  /** What is stored. */
  DATA: 7,
} as const;
export const SLOT_WORDS = 8;

export const FLAG = {
  HAS_ADDRESS: 1,
  IS_TRANSLATED: 2,
  /** Performed, or complete. */
  IS_DONE: 4,
  HAS_RESULT: 8,
  HAS_DATA: 16,
  /** Another CPU has overwritten what this load read. */
  IS_STALE: 32,
  /** Fetching went on at a guess. */
  IS_GUESSED: 64,
  /** Fetching waits for a guess. */
  AWAITS_GUESS: 128,
  /** The exception of its fault has been taken. */
  IS_TAKEN: 2048,
  /** The access or dirty state of its table entry is still to be set by hardware. */
  AWAITS_UPDATE: 4096,
  IS_UPDATED: 8192,
  /** A TLBI that has completed invalidated what translated it. */
  IS_OUTDATED: 16384,
  /** Three bits: one of FAULT. */
  FAULT_SHIFT: 8,
} as const;

export const FAULT = { NONE: 0, TRANSLATION: 1, ACCESS_FLAG: 2, PERMISSION: 3, UNDEFINED: 4 } as const;

/** Where a thread fetches next, if not at a position in the code. */
export const FETCH = { ENDED: -1, AWAITS_BRANCH: -2, AWAITS_EXCEPTION: -3 } as const;

/** Words of a thread before its registers. */
export const THREAD = {
  /** Instructions in flight. */
  COUNT: 0,
  /** Position in the code, or one of FETCH. */
  FETCH: 1,
  /** Cell + 1 that an exclusive load has marked; 0 if none is. */
  MONITOR: 2,
} as const;
const THREAD_WORDS = 3;

export const FAULT_WORDS = 2;
export const MISUSE = { BREAK_BEFORE_MAKE: 1, MODIFICATION: 2 } as const;

/** Offsets for one test. */
export class Layout {
  readonly threads: number;
  readonly registers: number;
  /** Memory cells: data, table entries, code words that may change. */
  readonly cells: number;
  /** Those of them whose old values may still be used. */
  readonly versioned: number;
  /** How many versions, then the versions. */
  readonly history: number;
  /** Of an entry its break-before-make state, of a code word the version at the point of unification. */
  readonly progress: number;
  /** Faults that were taken: bits, two words. */
  readonly faults: number;
  /** What the program did against the rules: bits of MISUSE. */
  readonly misuse: number;
  readonly firstThread: number;
  readonly threadWords: number;
  /** Within a thread: registers, versions that its TLB or instruction cache may hold (bits), ... */
  readonly registerFile: number;
  readonly cached: number;
  /** ... and before which version its TLBIs that no DSB has completed invalidate, on all CPUs and here. */
  readonly pending: number;
  readonly pendingLocal: number;
  readonly window: number;
  readonly words: number;

  constructor(threads: number, registers: number, cells: number, versioned: number) {
    this.threads = threads;
    this.registers = registers;
    this.cells = cells;
    this.versioned = versioned;
    this.history = cells;
    this.progress = this.history + versioned * (1 + VERSIONS);
    this.faults = this.progress + versioned;
    this.misuse = this.faults + FAULT_WORDS;
    this.firstThread = this.misuse + 1;
    this.registerFile = THREAD_WORDS;
    this.cached = this.registerFile + registers;
    this.pending = this.cached + versioned;
    this.pendingLocal = this.pending + versioned;
    this.window = this.pendingLocal + versioned;
    this.threadWords = this.window + WINDOW * SLOT_WORDS;
    this.words = this.firstThread + threads * this.threadWords;
    if (VERSIONS > 31) throw new Error('versions are bits of a word');
  }

  thread(index: number): number {
    return this.firstThread + index * this.threadWords;
  }
}
