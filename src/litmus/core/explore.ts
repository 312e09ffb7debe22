/**
 * Runs a test in every way its architecture allows: the front end's engine.
 *
 * The machine is operational: each CPU has a window of instructions in flight over one memory that all see
 * alike, as in Pulte et al., "Simplifying ARM concurrency" (POPL 2018). Code words and table entries keep
 * their old versions for whatever cache may still use them (Simner et al., ESOP 2020 and ESOP 2022). Which
 * instruction may act when is Arm's axiomatic model read as conditions on moments: order.ts.
 *
 * Bounds: 32 instructions in flight in a thread, each of them at most twice (a limit on speculation around
 * loops only); 12 values of a table entry or code word and `maxStates` states, beyond which a result says
 * that it is not complete; numbers below 2^28 and 64 different faults, beyond which the test is refused.
 */
import type { Cell, LitmusTest, Value } from '../ast.ts';
import type { ExploreTest, Fault, FinalState, LitmusOptions, LitmusResult } from '../engine.ts';
import { MISUSE } from './layout.ts';
import { type LitmusProfile, neoverseLitmus } from './profile.ts';
import { Program } from './program.ts';
import { search } from './search.ts';

/** @throws LitmusError for what flushlab cannot run */
export const exploreTest: ExploreTest = (test, options) => exploreWith(test, options, neoverseLitmus);

/** The same on a machine that may do less. */
export function exploreWith(test: LitmusTest, options: LitmusOptions, profile: LitmusProfile): LitmusResult {
  const program = new Program(test, profile);
  const finals = new Map<string, { state: FinalState; count: number }>();
  const observed = program.observedWords();
  let misuse = 0;
  const { explored, isComplete } = search(program, options, (words) => {
    misuse |= words[program.layout.misuse];
    if (program.misuse.isViolated(words)) misuse |= MISUSE.BREAK_BEFORE_MAKE;
    const key = observed.map((word) => words[word]).join();
    const known = finals.get(key);
    if (known === undefined) finals.set(key, { state: new Snapshot(program, words), count: 1 });
    else known.count++;
    return false;
  });
  const flags = misuse & MISUSE.BREAK_BEFORE_MAKE ? ['Warning-BBM-expected'] : [];
  if (misuse & MISUSE.MODIFICATION) flags.push('violates-CMODX-requirements');
  return { states: [...finals.values()], flags, explored, complete: isComplete };
}

/** A final state, copied. */
export class Snapshot implements FinalState {
  readonly #program: Program;
  readonly #words: Int32Array;

  constructor(program: Program, words: Int32Array) {
    this.#program = program;
    this.#words = words.slice();
  }

  read(cell: Cell): Value {
    return this.#program.valueOf(this.#words[this.#program.wordIndex(cell)] ?? 0);
  }

  get faults(): readonly Fault[] {
    return this.#program.faults.in(this.#words);
  }
}
