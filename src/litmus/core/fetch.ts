/**
 * Fetching: instructions enter the window in program order, past branches that are not decided by a guess.
 * That fetches are in order loses nothing: what a later fetch could read early it can read late as well, from
 * an instruction cache, unless an IC intervenes, and that waits for the fetches before it too (Simner et al.,
 * "ARMv8-A system semantics: instruction fetch in relaxed architectures", ESOP 2020; `IC-ob` of aarch64.cat).
 */
import { KIND } from '../isa/operation.ts';
import { labelWord } from './code.ts';
import { distinctVersions, versionCount, versionValue } from './history.ts';
import { FAULT, FETCH, FLAG, SLOT, THREAD } from './layout.ts';
import { inFlight, isContextReady } from './order.ts';
import type { Program } from './program.ts';
import { hasFlag, isFull, operationAt, slotAt } from './window.ts';
import { kindOfWord, payloadOf, WORD } from './words.ts';

/** Times that one instruction may be in flight: bounds speculation around loops. */
const UNROLLED = 2;

/** Whether a thread may fetch now. */
export function mayFetch(program: Program, state: Int32Array, thread: number): boolean {
  const pc = state[program.layout.thread(thread) + THREAD.FETCH];
  if (pc < 0 || isFull(program, state, thread)) return false;
  const count = inFlight(program, state, thread);
  if (!program.profile.prefetch && count > 0) return false;
  let again = 0;
  for (let index = 0; index < count; index++) {
    const slot = slotAt(program, thread, index);
    if (state[slot + SLOT.PC] === pc) again++;
    const { kind } = operationAt(program, state, slot);
    const isWaitedFor = kind === KIND.ISB || (kind === KIND.TLBI && !program.profile.delayedInvalidates);
    if (isWaitedFor && !hasFlag(state, slot, FLAG.IS_DONE)) return false;
  }
  return again < UNROLLED && (program.profile.lazyContext || isContextReady(program, state, thread, count));
}

/** Number among the versioned cells of the code word that is next; -1 if that never changes. */
export function versionedNext(program: Program, state: Int32Array, thread: number): number {
  const cell = program.codeCells[state[program.layout.thread(thread) + THREAD.FETCH]];
  return cell < 0 ? -1 : program.versionedOf[cell];
}

/** Versions of a code word that a thread may fetch, as bits. */
export function fetchableVersions(
  program: Program,
  state: Int32Array,
  thread: number,
  versioned: number,
): number {
  const { layout } = program;
  const last = 1 << (versionCount(layout, state, versioned) - 1);
  const isCurrent = program.features.isFetchCoherent || !program.profile.instructionCaches;
  const cached = isCurrent ? 0 : state[layout.thread(thread) + layout.cached + versioned];
  return distinctVersions(layout, state, versioned, last | cached);
}

/** Fetches a word that never changes. */
export function fetchFixed(program: Program, state: Int32Array, thread: number): void {
  enter(program, state, thread, program.code.initial[state[program.layout.thread(thread) + THREAD.FETCH]]);
}

/** Fetches a version of a code word; what is no instruction is undefined. */
export function fetchVersion(program: Program, state: Int32Array, thread: number, version: number): void {
  const versioned = versionedNext(program, state, thread);
  const word = versionValue(program.layout, state, versioned, version);
  enter(
    program,
    state,
    thread,
    kindOfWord(word) === WORD.INSTRUCTION ? payloadOf(word) : program.code.undefinedNumber,
  );
}

function enter(program: Program, state: Int32Array, thread: number, number: number): void {
  const base = program.layout.thread(thread);
  const pc = state[base + THREAD.FETCH];
  const operation = program.code.operation(number);
  const { kind, to } = operation;
  const next = kind === KIND.JUMP ? pc + (operation.target as number) / 4 : pc + 1;
  if (kind === KIND.END) {
    state[base + THREAD.FETCH] = FETCH.ENDED;
    return;
  }
  state[base + THREAD.FETCH] = next;
  if (kind === KIND.NOP || (kind === KIND.JUMP && to < 0)) return;
  const slot = slotAt(program, thread, state[base + THREAD.COUNT]++);
  state[slot + SLOT.PC] = pc;
  state[slot + SLOT.OPERATION] = number;
  state[slot + SLOT.VERSION] = -1;
  if (kind === KIND.JUMP) {
    state[slot + SLOT.RESULT] = labelWord(pc + 1);
    state[slot + SLOT.FLAGS] = FLAG.HAS_RESULT | FLAG.IS_DONE;
  } else if (kind === KIND.BRANCH || kind === KIND.INDIRECT) {
    state[slot + SLOT.FLAGS] = FLAG.AWAITS_GUESS;
    state[base + THREAD.FETCH] = FETCH.AWAITS_BRANCH;
    if (to >= 0) {
      state[slot + SLOT.RESULT] = labelWord(pc + 1);
      state[slot + SLOT.FLAGS] |= FLAG.HAS_RESULT;
    }
  } else if (kind === KIND.ERET || kind === KIND.UNDEFINED) {
    if (kind === KIND.UNDEFINED) state[slot + SLOT.FLAGS] = FAULT.UNDEFINED << FLAG.FAULT_SHIFT;
    state[base + THREAD.FETCH] = FETCH.AWAITS_EXCEPTION;
  }
}
