/** Steps: the choices of a machine. */

export const STEP = {
  /** Fetching goes on at a position as if a branch led there, or a selection is made. */
  GUESS: 0,
  /** Fetches a version of a code word. */
  FETCH: 1,
  /** Translates by a version of the table entry. */
  TRANSLATE: 2,
  LOAD: 3,
  /** A load reads from a store of its own thread. */
  FORWARD: 4,
  /** A store, or the write of an atomic. */
  STORE: 5,
  /** A DSB completes the TLBIs before it. */
  COMPLETE: 6,
  /** Hardware updates a table entry: that of an access or, spontaneously, one by number. */
  UPDATE: 7,
  /** TLBI, DC or IC. */
  MAINTAIN: 8,
  /** An exclusive store does nothing and says so. */
  FAIL: 9,
} as const;

/** One choice. */
export interface Step {
  readonly thread: number;
  /** Position in the window. */
  readonly index: number;
  readonly kind: number;
  /** A position in the code or a version. */
  readonly choice: number;
}

/** Steps of a state: a buffer that is reused. */
export class StepList {
  /** Words of a step. */
  static readonly WORDS = 4;
  readonly words: number[] = [];

  add(thread: number, index: number, kind: number, choice: number): void {
    this.words.push(thread, index, kind, choice);
  }

  /** @param at where its words begin */
  at(at: number): Step {
    const [thread, index, kind, choice] = this.words.slice(at, at + StepList.WORDS);
    return { thread, index, kind, choice };
  }

  addVersions(thread: number, index: number, kind: number, versions: number): void {
    for (let version = 0; version < 32; version++) {
      if ((versions & (1 << version)) !== 0) this.add(thread, index, kind, version);
    }
  }
}
