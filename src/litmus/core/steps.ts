/** Which steps a state allows. */
import { KIND, type Operation } from '../isa/operation.ts';
import { addAccess } from './access-steps.ts';
import { fetchableVersions, mayFetch, versionedNext } from './fetch.ts';
import { versionCount, versionValue } from './history.ts';
import { FAULT, FLAG, SLOT } from './layout.ts';
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
import { STEP, type StepList } from './step-list.ts';
import { faultOfEntry, managedEntry, usableVersions, versionedEntry } from './translate.ts';
import { faultOf, hasFlag, operationAt, slotAt } from './window.ts';
import { isCacheable } from './words.ts';

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
