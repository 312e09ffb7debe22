/**
 * What a thread does without a choice: decoding addresses, arithmetic, branches that are decided, barriers
 * that are complete, exceptions. Nobody else can see when it happens, and it only enables: doing it at once
 * loses no run.
 */
import { FENCE, KIND, type Operation } from '../isa/operation.ts';
import { advanceFault } from './exception.ts';
import { advanceAccess, advanceBranch, advanceCompute, findAddress, finish, OUTCOME } from './execute.ts';
import { fetchFixed, mayFetch, versionedNext } from './fetch.ts';
import { FAULT, FETCH, FLAG, SLOT, THREAD } from './layout.ts';
import { isCompletionSilent, maintain } from './maintenance.ts';
import { inFlight, isAccess, isContextReady, isFenceReady, isSpeculative, mayMaintain } from './order.ts';
import type { Program } from './program.ts';
import { faultOf, hasFlag, operationAt, readRegister, registerValue, retire, slotAt } from './window.ts';
import { kindOfWord, payloadOf, WORD } from './words.ts';

/**
 * Runs a thread up to its next choice.
 * @returns false if the run ends here because a speculation was wrong
 */
export function settle(program: Program, state: Int32Array, thread: number): boolean {
  for (let isChanged = true; isChanged; ) {
    isChanged = false;
    for (let index = 0; index < inFlight(program, state, thread); index++) {
      const slot = slotAt(program, thread, index);
      if (
        hasFlag(state, slot, FLAG.IS_DONE) &&
        (faultOf(state, slot) === FAULT.NONE || isFinished(state, slot))
      ) {
        continue;
      }
      const outcome = advance(program, state, thread, index);
      if (outcome === OUTCOME.DEAD) return false;
      if (outcome === OUTCOME.CHANGED) isChanged = true;
    }
    while (inFlight(program, state, thread) > 0 && isFinished(state, slotAt(program, thread, 0))) {
      retire(program, state, thread);
      isChanged = true;
    }
    while (mayFetch(program, state, thread) && versionedNext(program, state, thread) < 0) {
      fetchFixed(program, state, thread);
      isChanged = true;
    }
  }
  forgetVersions(program, state, thread);
  return true;
}

/** Whether an instruction has nothing left to do: it has acted and, if it faulted, raised its exception. */
function isFinished(state: Int32Array, slot: number): boolean {
  if (!hasFlag(state, slot, FLAG.IS_DONE)) return false;
  if (hasFlag(state, slot, FLAG.AWAITS_UPDATE)) return false;
  return faultOf(state, slot) === FAULT.NONE || hasFlag(state, slot, FLAG.IS_TAKEN);
}

/** Which entry translated a performed access matters only to accesses of the page before it. */
function forgetVersions(program: Program, state: Int32Array, thread: number): void {
  for (let index = 0; index < inFlight(program, state, thread); index++) {
    const slot = slotAt(program, thread, index);
    const operation = operationAt(program, state, slot);
    if (!isAccess(operation)) continue;
    if (!hasFlag(state, slot, FLAG.IS_TRANSLATED)) return;
    if (!isFinished(state, slot)) continue;
    state[slot + SLOT.VERSION] = -1;
    state[slot + SLOT.FLAGS] &= ~FLAG.IS_OUTDATED;
  }
}

function advance(program: Program, state: Int32Array, thread: number, index: number): number {
  const slot = slotAt(program, thread, index);
  const operation = operationAt(program, state, slot);
  if (faultOf(state, slot) !== FAULT.NONE) return advanceFault(program, state, thread, index);
  switch (operation.kind) {
    case KIND.COMPUTE:
      return advanceCompute(program, state, thread, index, operation);
    case KIND.LOAD:
    case KIND.STORE:
    case KIND.SWAP:
      return advanceAccess(program, state, thread, index, operation);
    case KIND.BRANCH:
    case KIND.INDIRECT:
      return advanceBranch(program, state, thread, index, operation);
    case KIND.FENCE: {
      if (!isFenceReady(program, state, thread, index)) return OUTCOME.SAME;
      const completes = operation.isSynchronization && operation.fence === FENCE.FULL;
      if (completes && !isCompletionSilent(program, state, thread)) return OUTCOME.SAME;
      return finish(state, slot);
    }
    case KIND.ISB:
      return isContextReady(program, state, thread, index) ? finish(state, slot) : OUTCOME.SAME;
    case KIND.ERET: {
      if (!isContextReady(program, state, thread, index)) return OUTCOME.SAME;
      if (!readRegister(program, state, thread, index, operation.a)) return OUTCOME.SAME;
      if (kindOfWord(registerValue) !== WORD.LABEL) return OUTCOME.DEAD;
      state[program.layout.thread(thread) + THREAD.FETCH] = payloadOf(registerValue) >> 2;
      return finish(state, slot);
    }
    default:
      return advanceMaintenance(program, state, thread, index, operation);
  }
}

/** Maintenance acts at once unless what comes before may still lead elsewhere: then it is a choice. */
function advanceMaintenance(
  program: Program,
  state: Int32Array,
  thread: number,
  index: number,
  operation: Operation,
): number {
  const isNew = !operation.isOfAll && findAddress(program, state, thread, index, operation);
  const outcome = isNew ? OUTCOME.CHANGED : OUTCOME.SAME;
  const slot = slotAt(program, thread, index);
  if (operation.kind === KIND.IC) {
    const isEnded = state[program.layout.thread(thread) + THREAD.FETCH] === FETCH.ENDED;
    // Nothing tells when an IC that no DSB follows takes effect, or that it does.
    return isEnded && !hasDsbAfter(program, state, thread, index) ? finish(state, slot) : outcome;
  }
  if (operation.kind === KIND.TLBI && !program.profile.delayedInvalidates) return outcome;
  if (!operation.isOfAll && !hasFlag(state, slot, FLAG.HAS_ADDRESS)) return OUTCOME.SAME;
  if (!mayMaintain(program, state, thread, index)) return outcome;
  if (isSpeculative(program, state, thread, index)) return outcome;
  maintain(program, state, thread, index);
  return OUTCOME.CHANGED;
}

function hasDsbAfter(program: Program, state: Int32Array, thread: number, index: number): boolean {
  for (let younger = index + 1; younger < inFlight(program, state, thread); younger++) {
    const { kind, isSynchronization } = operationAt(program, state, slotAt(program, thread, younger));
    if (kind === KIND.FENCE && isSynchronization) return true;
  }
  return false;
}
