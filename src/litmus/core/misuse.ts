/**
 * Break before make: replacing a valid entry by one that differs in its output address or attributes needs
 * an invalid entry in between and, after that, a completed TLBI (Arm ARM D8.16.1; `Warning-BBM-expected` of
 * herdtools7's aarch64.cat).
 *
 * An entry's progress is a word: the version that was valid last, the version that broke it + 1, and whether
 * a TLBI has followed.
 */
import { versionValue } from './history.ts';
import { type Layout, MISUSE } from './layout.ts';
import type { Locations } from './locations.ts';
import { ENTRY_BIT, isCacheable, othersOf, outputOf } from './words.ts';

/** From here on MISUSE has the numbers of the locations between which a read-only page moved. */
const PAIR_SHIFT = 8;
const BITS = 8;
const MASK = (1 << BITS) - 1;
const INVALIDATED = 1 << (2 * BITS);

export class BreakBeforeMake {
  readonly #layout: Layout;
  readonly #locations: Locations;
  readonly #initial: Int32Array;

  /** @param initial the first state */
  constructor(layout: Layout, locations: Locations, initial: Int32Array) {
    this.#layout = layout;
    this.#locations = locations;
    this.#initial = initial;
  }

  /** An entry gets a new version. */
  written(state: Int32Array, versioned: number, version: number): void {
    const at = this.#layout.progress + versioned;
    const progress = state[at];
    const value = versionValue(this.#layout, state, versioned, version);
    if (!isCacheable(value)) {
      if ((progress & (MASK << BITS)) === 0) state[at] = progress | ((version + 1) << BITS);
      return;
    }
    const last = versionValue(this.#layout, state, versioned, progress & MASK);
    const isMade = (progress & INVALIDATED) !== 0;
    if (isCacheable(last) && !isMade) {
      const [old, made] = [outputOf(last), outputOf(value)];
      const isWritable = ((last | value) & ENTRY_BIT.WRITABLE) !== 0;
      if (othersOf(last) !== othersOf(value) || (old !== made && isWritable)) {
        state[this.#layout.misuse] |= MISUSE.BREAK_BEFORE_MAKE;
      } else if (old !== made) this.#moved(state, old, made);
    }
    state[at] = version;
  }

  /** Whether a run that ended in a state broke the rule. */
  isViolated(state: Int32Array): boolean {
    const misuse = state[this.#layout.misuse];
    if ((misuse & MISUSE.BREAK_BEFORE_MAKE) !== 0) return true;
    if (misuse >> PAIR_SHIFT === 0) return false;
    const one = this.#locations.all[(misuse >> PAIR_SHIFT) & MASK];
    const other = this.#locations.all[(misuse >> (PAIR_SHIFT + BITS)) & MASK];
    for (let index = 0; index < Math.min(one.count, other.count); index++) {
      const [first, second] = [one.cell + index, other.cell + index];
      if (state[first] !== state[second] || state[first] !== this.#initial[first]) return true;
    }
    return false;
  }

  /** A read-only page moves: that is allowed between copies that nobody writes, which the end of a run tells. */
  #moved(state: Int32Array, old: number, made: number): void {
    const pair = (old << PAIR_SHIFT) | (made << (PAIR_SHIFT + BITS));
    state[this.#layout.misuse] = (state[this.#layout.misuse] & ((1 << PAIR_SHIFT) - 1)) | pair;
  }

  /** A DSB completes a TLBI that came after a version. */
  invalidated(state: Int32Array, versioned: number, version: number): void {
    const at = this.#layout.progress + versioned;
    const broken = (state[at] >> BITS) & MASK;
    if (broken !== 0 && broken - 1 <= version) state[at] |= INVALIDATED;
  }
}
