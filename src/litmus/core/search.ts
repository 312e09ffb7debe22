/**
 * Exhaustive stateful search: depth first, every step of every state, no state twice. The whole machine is in
 * the state vector, so going back is copying it; nothing is run again.
 *
 * Speculation that proves wrong ends its run instead of being undone: whatever a CPU does after discarding
 * it, it also does in the run in which the guess, the early load or the early walk was another or came
 * later, and that run is searched as well.
 */
import { FETCH, SLOT_WORDS, THREAD } from './layout.ts';
import { takeStep } from './perform.ts';
import type { Program } from './program.ts';
import { settle } from './settle.ts';
import { type Step, StepList } from './step-list.ts';
import { findSteps } from './steps.ts';
import { VisitedStates } from './visited.ts';

export interface SearchLimits {
  readonly maxStates: number;
  readonly maxSeconds: number;
}

export interface SearchResult {
  /** States visited. */
  readonly explored: number;
  readonly isComplete: boolean;
}

/**
 * Gets every state in which all threads are done, and the steps that lead to it. The state is reused
 * afterwards.
 * @returns whether to stop
 */
export type OnFinal = (state: Int32Array, path: () => Step[]) => boolean;

/** How often the clock is looked at. */
const STEPS_PER_LOOK = 1024;

/** The state in which the first choices are. */
export function startOf(program: Program): Int32Array {
  const state = new Int32Array(new SharedArrayBuffer(program.layout.words * Int32Array.BYTES_PER_ELEMENT));
  state.set(program.initial);
  for (let thread = 0; thread < program.layout.threads; thread++) settle(program, state, thread);
  return state;
}

/** Visits every state that a program can reach. */
export function search(program: Program, limits: SearchLimits, onFinal: OnFinal): SearchResult {
  return new Search(program, onFinal).run(limits);
}

/** A state on the way to the present one, and which of its steps are still to be tried. */
interface Frame {
  readonly state: Int32Array;
  readonly steps: StepList;
  next: number;
}

class Search {
  readonly #program: Program;
  readonly #onFinal: OnFinal;
  readonly #visited = new VisitedStates();
  readonly #state: Int32Array;
  readonly #key: Int32Array;
  readonly #stack: Frame[] = [];
  #depth = 0;
  #isStopped = false;

  constructor(program: Program, onFinal: OnFinal) {
    this.#program = program;
    this.#onFinal = onFinal;
    this.#state = startOf(program);
    this.#key = new Int32Array(program.layout.words);
  }

  run({ maxStates, maxSeconds }: SearchLimits): SearchResult {
    const deadline = performance.now() + maxSeconds * 1000;
    this.#enter();
    for (let tries = 1; this.#depth > 0; tries++) {
      this.#next();
      const isLate = tries % STEPS_PER_LOOK === 0 && performance.now() > deadline;
      if (this.#isStopped || isLate || this.#visited.count >= maxStates) {
        return { explored: this.#visited.count, isComplete: false };
      }
    }
    return { explored: this.#visited.count, isComplete: !this.#program.isIncomplete };
  }

  /** Takes the next step of the last frame, or leaves it. */
  #next(): void {
    const frame = this.#stack[this.#depth - 1];
    const { words } = frame.steps;
    const at = frame.next;
    if (at >= words.length) {
      this.#depth--;
      return;
    }
    frame.next += StepList.WORDS;
    this.#state.set(frame.state);
    const isAlive = takeStep(
      this.#program,
      this.#state,
      words[at],
      words[at + 1],
      words[at + 2],
      words[at + 3],
    );
    if (isAlive) this.#enter();
  }

  /** Goes on from the present state unless it has been seen. */
  #enter(): void {
    const length = keyOf(this.#program, this.#state, this.#key);
    if (!this.#visited.add(this.#key, length)) return;
    // Hardware may still update table entries after the last instruction: a final state can have steps.
    if (isFinal(this.#program, this.#state)) {
      this.#isStopped = this.#onFinal(this.#state, () => this.#path());
    }
    this.#stack[this.#depth] ??= {
      state: new Int32Array(this.#state.length),
      steps: new StepList(),
      next: 0,
    };
    const frame = this.#stack[this.#depth++];
    frame.state.set(this.#state);
    frame.next = 0;
    findSteps(this.#program, this.#state, frame.steps);
  }

  #path(): Step[] {
    return this.#stack.slice(0, this.#depth).map(({ steps, next }) => steps.at(next - StepList.WORDS));
  }
}

function isFinal(program: Program, state: Int32Array): boolean {
  const { layout } = program;
  for (let thread = 0; thread < layout.threads; thread++) {
    const base = layout.thread(thread);
    if (state[base + THREAD.COUNT] !== 0 || state[base + THREAD.FETCH] !== FETCH.ENDED) return false;
  }
  return true;
}

/** Copies what of a state is in use. @returns its length */
function keyOf(program: Program, state: Int32Array, key: Int32Array): number {
  const { layout } = program;
  let length = 0;
  for (; length < layout.firstThread; length++) key[length] = state[length];
  for (let thread = 0; thread < layout.threads; thread++) {
    const base = layout.thread(thread);
    const end = base + layout.window + state[base + THREAD.COUNT] * SLOT_WORDS;
    for (let word = base; word < end; word++) key[length++] = state[word];
  }
  return length;
}
