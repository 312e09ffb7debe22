/** The choices of a machine: which steps a state allows, and what each does. */
import { COMPUTE, KIND, type Operation, ORDER } from '../isa/operation.ts';
import { fetchableVersions, mayFetch, versionedNext } from './fetch.ts';
import { versionCount, versionValue } from './history.ts';
import { FAULT, FLAG, SLOT, THREAD } from './layout.ts';
import { mayComplete } from './maintenance.ts';
import {
  areAccessesDone,
  areDsbsDone,
  inFlight,
  isAccess,
  isFenceReady,
  isSpeculative,
  mayMaintain,
  mayPerform,
} from './order.ts';
import type { Program } from './program.ts';
import { faultOfEntry, managedEntry, usableVersions, versionedEntry } from './translate.ts';
import { faultOf, hasFlag, operationAt, readRegister, slotAt } from './window.ts';
import { isCacheable } from './words.ts';

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
  COMPLETE: 7,
  /** Hardware updates a table entry: that of an access or, spontaneously, one by number. */
  UPDATE: 9,
  /** TLBI, DC or IC. */
  MAINTAIN: 8,
  /** An exclusive store does nothing and says so. */
  FAIL: 10,
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

/** Finds all steps that a state allows. */
export function findSteps(program: Program, state: Int32Array, steps: StepList): void {
  steps.words.length = 0;
  // A guess is private to its thread and stays possible: it need not be tried in every order with the rest.
  for (let thread = 0; thread < program.layout.threads; thread++) {
    if (addGuesses(program, state, thread, steps)) return;
  }
  for (let thread = 0; thread < program.layout.threads; thread++) {
    const count = inFlight(program, state, thread);
    for (let index = 0; index < count; index++) {
      const slot = slotAt(program, thread, index);
      if (!hasFlag(state, slot, FLAG.IS_DONE)) addSteps(program, state, thread, index, steps);
      if (mayFinishUpdate(program, state, thread, index)) steps.add(thread, index, STEP.UPDATE, -1);
    }
    addSpontaneousUpdates(program, state, thread, steps);
    if (mayFetch(program, state, thread)) {
      const versioned = versionedNext(program, state, thread);
      if (versioned >= 0) {
        steps.addVersions(thread, -1, STEP.FETCH, fetchableVersions(program, state, thread, versioned));
      }
    }
  }
}

/**
 * Whether the entry that translated an access may be updated now: it still is as it was read, and the access
 * is certain to happen as far as branches and translations go. Barriers do not order updates.
 */
function mayFinishUpdate(program: Program, state: Int32Array, thread: number, index: number): boolean {
  const slot = slotAt(program, thread, index);
  if (!hasFlag(state, slot, FLAG.AWAITS_UPDATE)) return false;
  const versioned = versionedEntry(program, state[slot + SLOT.ADDRESS]);
  if (state[slot + SLOT.VERSION] !== versionCount(program.layout, state, versioned) - 1) return false;
  return !isSpeculative(program, state, thread, index);
}

/** Hardware that manages the access flag may set it at any time, for accesses that never come. */
function addSpontaneousUpdates(program: Program, state: Int32Array, thread: number, steps: StepList): void {
  if (!program.features.managesAccess[thread] || !program.profile.speculativeWalks) return;
  for (let versioned = 0; versioned < program.layout.versioned; versioned++) {
    if (program.isCode(versioned)) continue;
    const entry = state[program.cellOf[versioned]];
    if (managedEntry(program, thread, entry, false) !== entry) steps.add(thread, -1, STEP.UPDATE, versioned);
  }
}

/** @returns whether there are only these steps to be tried */
function addGuesses(program: Program, state: Int32Array, thread: number, steps: StepList): boolean {
  if (!program.profile.loadReordering) return false;
  let index = 0;
  const count = inFlight(program, state, thread);
  while (index < count && !hasFlag(state, slotAt(program, thread, index), FLAG.AWAITS_GUESS)) index++;
  if (index === count) return false;
  const slot = slotAt(program, thread, index);
  const { kind, target } = operationAt(program, state, slot);
  const pc = state[slot + SLOT.PC];
  if (kind === KIND.COMPUTE) {
    steps.add(thread, index, STEP.GUESS, 0);
    steps.add(thread, index, STEP.GUESS, 1);
    return true;
  }
  if (kind === KIND.BRANCH) {
    steps.add(thread, index, STEP.GUESS, pc + 1);
    if (target !== 4) steps.add(thread, index, STEP.GUESS, pc + (target as number) / 4);
    return true;
  }
  for (const guess of program.guesses) steps.add(thread, index, STEP.GUESS, guess);
  return false;
}

function addSteps(program: Program, state: Int32Array, thread: number, index: number, steps: StepList): void {
  const slot = slotAt(program, thread, index);
  const operation = operationAt(program, state, slot);
  if (isAccess(operation)) {
    if (faultOf(state, slot) !== FAULT.NONE || !hasFlag(state, slot, FLAG.HAS_ADDRESS)) return;
    if (!hasFlag(state, slot, FLAG.IS_TRANSLATED))
      addTranslations(program, state, thread, index, operation, steps);
    else addAccess(program, state, thread, index, operation, steps);
    return;
  }
  switch (operation.kind) {
    case KIND.FENCE:
      if (isFenceReady(program, state, thread, index) && mayComplete(program, state, thread)) {
        steps.add(thread, index, STEP.COMPLETE, 0);
      }
      return;
    case KIND.TLBI:
    case KIND.DC:
    case KIND.IC: {
      if (!operation.isOfAll && !hasFlag(state, slot, FLAG.HAS_ADDRESS)) return;
      if (mayMaintain(program, state, thread, index)) steps.add(thread, index, STEP.MAINTAIN, 0);
      return;
    }
    default:
      return;
  }
}

function addTranslations(
  program: Program,
  state: Int32Array,
  thread: number,
  index: number,
  operation: Operation,
  steps: StepList,
): void {
  const slot = slotAt(program, thread, index);
  let usable = usableVersions(program, state, thread, slot);
  if (!program.profile.speculativeWalks) {
    const isWrite = operation.kind === KIND.STORE;
    if (isSpeculative(program, state, thread, index) || !mayPerform(program, state, thread, index, isWrite))
      return;
  }
  if (program.features.translationSynchronization > 0) {
    if (!areDsbsDone(program, state, thread, index)) return;
    if (!areAccessesDone(program, state, thread, index)) {
      usable = withoutFaults(program, state, thread, slot, operation, usable);
    }
  }
  steps.addVersions(thread, index, STEP.TRANSLATE, usable);
}

/** With ETS2 a walk that ends in a translation fault comes after all accesses before it; with ETS3, in any. */
function withoutFaults(
  program: Program,
  state: Int32Array,
  thread: number,
  slot: number,
  operation: Operation,
  usable: number,
): number {
  const versioned = versionedEntry(program, state[slot + SLOT.ADDRESS]);
  let rest = usable;
  for (let version = 0; version < versionCount(program.layout, state, versioned); version++) {
    const entry = versionValue(program.layout, state, versioned, version);
    const fault = faultOfEntry(entry, operation.kind !== KIND.LOAD, program.features.isUser[thread]);
    const isOrdered =
      program.features.translationSynchronization > 2 ? fault !== FAULT.NONE : !isCacheable(entry);
    if (isOrdered) rest &= ~(1 << version);
  }
  return rest;
}

function addAccess(
  program: Program,
  state: Int32Array,
  thread: number,
  index: number,
  operation: Operation,
  steps: StepList,
): void {
  const slot = slotAt(program, thread, index);
  if (operation.kind === KIND.STORE || hasFlag(state, slot, FLAG.HAS_RESULT)) {
    if (!hasFlag(state, slot, FLAG.HAS_DATA) || hasFlag(state, slot, FLAG.IS_STALE)) return;
    if (operation.expected >= 0 && !readRegister(program, state, thread, index, operation.expected)) return;
    if (operation.isExclusive) {
      steps.add(thread, index, STEP.FAIL, 0);
      const { MONITOR } = THREAD;
      if (state[program.layout.thread(thread) + MONITOR] !== state[slot + SLOT.CELL] + 1) return;
    }
    if (mayPerform(program, state, thread, index, true)) steps.add(thread, index, STEP.STORE, 0);
    return;
  }
  if (!mayPerform(program, state, thread, index, false)) return;
  const source = forwardingStore(program, state, thread, index);
  if (source >= 0) {
    const isReady = mayForward(program, state, slotAt(program, thread, source), operation);
    if (isReady && program.profile.writeForwarding) steps.add(thread, index, STEP.FORWARD, source);
  } else if (!hasStaleLoadAfter(program, state, thread, index)) steps.add(thread, index, STEP.LOAD, 0);
}

/**
 * Whether a read may take its value from a write that is not performed: that is known to happen and with what
 * value. An acquire comes after what an atomic that it reads from has read ("Atomic-ordered-before").
 */
function mayForward(program: Program, state: Int32Array, source: number, reader: Operation): boolean {
  const writer = operationAt(program, state, source);
  if (writer.isExclusive || !hasFlag(state, source, FLAG.HAS_DATA)) return false;
  if (writer.kind === KIND.STORE || hasFlag(state, source, FLAG.HAS_RESULT)) return true;
  const isAcquire = (reader.order & (ORDER.ACQUIRE | ORDER.ACQUIRE_PC)) !== 0;
  return !isAcquire && writer.compute === COMPUTE.SECOND && writer.expected < 0;
}

/** The last write to the same location before a read that is not performed; -1 if there is none. */
function forwardingStore(program: Program, state: Int32Array, thread: number, index: number): number {
  const cell = state[slotAt(program, thread, index) + SLOT.CELL];
  for (let older = index - 1; older >= 0; older--) {
    const slot = slotAt(program, thread, older);
    const { kind } = operationAt(program, state, slot);
    if ((kind !== KIND.STORE && kind !== KIND.SWAP) || hasFlag(state, slot, FLAG.IS_DONE)) continue;
    if (hasFlag(state, slot, FLAG.IS_TRANSLATED) && state[slot + SLOT.CELL] === cell) return older;
  }
  return -1;
}

/** Whether a later load has read what another CPU has overwritten since: loads of a location are coherent. */
function hasStaleLoadAfter(program: Program, state: Int32Array, thread: number, index: number): boolean {
  const cell = state[slotAt(program, thread, index) + SLOT.CELL];
  for (let younger = index + 1; younger < inFlight(program, state, thread); younger++) {
    const slot = slotAt(program, thread, younger);
    if (hasFlag(state, slot, FLAG.IS_STALE) && state[slot + SLOT.CELL] === cell) return true;
  }
  return false;
}
