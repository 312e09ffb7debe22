/** What each step does to a state. */
import { COMPUTE, KIND, type Operation } from '../isa/operation.ts';
import { fetchVersion, versionedNext } from './fetch.ts';
import { addVersion, versionCount, versionValue } from './history.ts';
import { FLAG, MISUSE, SLOT, THREAD } from './layout.ts';
import { complete, maintain, mayComplete } from './maintenance.ts';
import { inFlight, isAccess, mayPerform } from './order.ts';
import type { Program } from './program.ts';
import { settle } from './settle.ts';
import { STEP } from './step-list.ts';
import { managedEntry, translateBy, versionedEntry } from './translate.ts';
import { compute, hasFlag, operationAt, slotAt } from './window.ts';
import { isCacheable, kindOfWord, payloadOf, WORD } from './words.ts';

/**
 * Takes a step and all that follows from it without a choice.
 * @returns false if the run ends here because a speculation was wrong: it is also found without
 */
export function takeStep(
  program: Program,
  state: Int32Array,
  thread: number,
  index: number,
  kind: number,
  choice: number,
): boolean {
  return act(program, state, thread, index, kind, choice) && settle(program, state, thread);
}

function act(
  program: Program,
  state: Int32Array,
  thread: number,
  index: number,
  kind: number,
  choice: number,
): boolean {
  // Fetches and spontaneous updates are of no instruction in flight and look at none.
  const slot = slotAt(program, thread, Math.max(0, index));
  const operation = operationAt(program, state, slot);
  switch (kind) {
    case STEP.GUESS:
      state[slot + SLOT.FLAGS] = (state[slot + SLOT.FLAGS] & ~FLAG.AWAITS_GUESS) | FLAG.IS_GUESSED;
      state[slot + SLOT.DATA] = choice;
      if (operation.kind !== KIND.COMPUTE) state[program.layout.thread(thread) + THREAD.FETCH] = choice;
      return true;
    case STEP.FETCH:
      if (isUnsafeFetch(program, state, thread, choice)) state[program.layout.misuse] |= MISUSE.MODIFICATION;
      fetchVersion(program, state, thread, choice);
      return true;
    case STEP.TRANSLATE:
      return translateBy(program, state, thread, index, choice);
    case STEP.LOAD:
      finishRead(program, state, thread, slot, state[state[slot + SLOT.CELL]]);
      return true;
    case STEP.FORWARD:
      finishRead(
        program,
        state,
        thread,
        slot,
        forwardedValue(program, state, slotAt(program, thread, choice)),
      );
      return true;
    case STEP.STORE:
      state[slot + SLOT.FLAGS] |= FLAG.IS_DONE;
      if (operation.isExclusive) endExclusive(program, state, thread, slot, 0);
      return write(program, state, thread, state[slot + SLOT.CELL], storedValue(state, slot, operation));
    case STEP.FAIL:
      state[slot + SLOT.FLAGS] |= FLAG.IS_DONE;
      endExclusive(program, state, thread, slot, 1);
      return true;
    case STEP.COMPLETE:
      complete(program, state, thread);
      state[slot + SLOT.FLAGS] |= FLAG.IS_DONE;
      return true;
    case STEP.UPDATE:
      return update(program, state, thread, index, choice);
    default:
      return maintainNow(program, state, thread, index);
  }
}

/** @returns false if an invalidate that is not delayed comes while others still use what it invalidates */
function maintainNow(program: Program, state: Int32Array, thread: number, index: number): boolean {
  maintain(program, state, thread, index);
  if (program.profile.delayedInvalidates) return true;
  if (!mayComplete(program, state, thread)) return false;
  complete(program, state, thread);
  return true;
}

/** Hardware sets the access flag or dirty state of an entry. */
function update(
  program: Program,
  state: Int32Array,
  thread: number,
  index: number,
  spontaneous: number,
): boolean {
  const slot = slotAt(program, thread, index);
  const versioned = spontaneous >= 0 ? spontaneous : versionedEntry(program, state[slot + SLOT.ADDRESS]);
  const cell = program.cellOf[versioned];
  const isWrite = spontaneous < 0 && operationAt(program, state, slot).kind !== KIND.LOAD;
  if (spontaneous < 0) {
    state[slot + SLOT.FLAGS] = (state[slot + SLOT.FLAGS] & ~FLAG.AWAITS_UPDATE) | FLAG.IS_UPDATED;
  }
  markStale(program, state, thread, cell, spontaneous < 0);
  return write(program, state, thread, cell, managedEntry(program, thread, state[cell], isWrite));
}

function finishRead(program: Program, state: Int32Array, thread: number, slot: number, value: number): void {
  const operation = operationAt(program, state, slot);
  if (operation.isExclusive) {
    state[program.layout.thread(thread) + THREAD.MONITOR] = state[slot + SLOT.CELL] + 1;
  }
  state[slot + SLOT.RESULT] = value;
  state[slot + SLOT.FLAGS] |= FLAG.HAS_RESULT | (operation.kind === KIND.LOAD ? FLAG.IS_DONE : 0);
}

function endExclusive(
  program: Program,
  state: Int32Array,
  thread: number,
  slot: number,
  status: number,
): void {
  state[program.layout.thread(thread) + THREAD.MONITOR] = 0;
  state[slot + SLOT.RESULT] = status;
  state[slot + SLOT.FLAGS] |= FLAG.HAS_RESULT;
}

/** What a write that is not performed will write. */
export function forwardedValue(program: Program, state: Int32Array, source: number): number {
  return storedValue(state, source, operationAt(program, state, source));
}

/** What a store or the write of an atomic stores; the register that is compared with has a value. */
function storedValue(state: Int32Array, slot: number, operation: Operation): number {
  const data = state[slot + SLOT.DATA];
  if (operation.kind === KIND.STORE || operation.compute === COMPUTE.SECOND) return data;
  return compute({ ...operation, b: 0, shift: 0 }, state[slot + SLOT.RESULT], data, 0);
}

/** A store becomes visible to all. @returns false if there are too many versions of a cell */
function write(program: Program, state: Int32Array, writer: number, cell: number, value: number): boolean {
  const { layout, profile } = program;
  state[cell] = value;
  for (let thread = 0; thread < layout.threads; thread++) {
    if (thread !== writer) markStale(program, state, thread, cell, false);
  }
  const versioned = program.versionedOf[cell];
  if (versioned < 0) return true;
  if (!addVersion(layout, state, versioned, value)) {
    program.isIncomplete = true;
    return false;
  }
  const version = versionCount(layout, state, versioned) - 1;
  const isCode = program.isCode(versioned);
  if (!isCode) program.misuse.written(state, versioned, version);
  // Whatever may be cached counts as cached: using it is a choice, so nothing is lost by it.
  const isCached = isCode
    ? profile.instructionCaches
    : profile.cachedTranslations && profile.speculativeWalks && isCacheable(value);
  if (!isCached) return true;
  for (let thread = 0; thread < layout.threads; thread++) {
    state[layout.thread(thread) + layout.cached + versioned] |= 1 << version;
  }
  return true;
}

/**
 * Loads of a thread that have read a cell before this moment, while one before them may still read it, and
 * atomics that have read and not written: their write can no longer be next.
 * @param isOwn the thread's own table walk wrote: that breaks atomics only
 */
function markStale(program: Program, state: Int32Array, thread: number, cell: number, isOwn: boolean): void {
  const monitor = program.layout.thread(thread) + THREAD.MONITOR;
  if (state[monitor] === cell + 1) state[monitor] = 0;
  let isOpen = false;
  let isForwarded = false;
  for (let index = 0; index < inFlight(program, state, thread); index++) {
    const slot = slotAt(program, thread, index);
    const operation = operationAt(program, state, slot);
    if (!isAccess(operation)) continue;
    const isDone = hasFlag(state, slot, FLAG.IS_DONE);
    const isHere = hasFlag(state, slot, FLAG.IS_TRANSLATED) && state[slot + SLOT.CELL] === cell;
    const hasRead = hasFlag(state, slot, FLAG.HAS_RESULT);
    const isAtomic = operation.kind === KIND.SWAP && !isDone;
    if (operation.kind !== KIND.STORE) {
      if (!hasRead) isOpen = true;
      if (hasRead && isHere && !isForwarded && ((isOpen && !isOwn) || isAtomic)) {
        state[slot + SLOT.FLAGS] |= FLAG.IS_STALE;
      }
    }
    // What comes later reads from this write, which comes after the one that is performed now.
    if (operation.kind !== KIND.LOAD && !isDone && isHere) isForwarded = true;
  }
}

/**
 * Whether a fetch is of a word that a store may change at the same moment, and one of the two instructions
 * is not among those that may be exchanged while they are executed (Arm ARM B2.2.5).
 */
function isUnsafeFetch(program: Program, state: Int32Array, thread: number, version: number): boolean {
  const versioned = versionedNext(program, state, thread);
  const isFetchedSafe = isExchangeable(program, versionValue(program.layout, state, versioned, version));
  for (let writer = 0; writer < program.layout.threads; writer++) {
    for (let index = 0; index < inFlight(program, state, writer); index++) {
      const slot = slotAt(program, writer, index);
      const isStore =
        operationAt(program, state, slot).kind === KIND.STORE && !hasFlag(state, slot, FLAG.IS_DONE);
      const isReady = hasFlag(state, slot, FLAG.IS_TRANSLATED) && hasFlag(state, slot, FLAG.HAS_DATA);
      if (!isStore || !isReady || state[slot + SLOT.CELL] !== program.cellOf[versioned]) continue;
      if (isFetchedSafe && isExchangeable(program, state[slot + SLOT.DATA])) continue;
      if (mayPerform(program, state, writer, index, true)) return true;
    }
  }
  return false;
}

const EXCHANGEABLE = /^(NOP|ISB|BL?|B\.\w+|CBN?Z|TBN?Z|BRK|SVC|HVC|SMC|UDF)\b/;

function isExchangeable(program: Program, word: number): boolean {
  if (kindOfWord(word) !== WORD.INSTRUCTION) return true;
  return EXCHANGEABLE.test(program.code.operation(payloadOf(word)).text);
}
