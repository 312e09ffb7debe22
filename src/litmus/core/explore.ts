/** Runs a test in every way its architecture allows: the front end's engine. */
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
