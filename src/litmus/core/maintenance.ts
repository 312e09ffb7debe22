/** TLB and cache maintenance, and the DSB that completes it. */
import { KIND } from '../isa/operation.ts';
import { versionCount } from './history.ts';
import { FAULT, FLAG, SLOT } from './layout.ts';
import { inFlight, isAccess } from './order.ts';
import type { Program } from './program.ts';
import { versionedEntry } from './translate.ts';
import { faultOf, hasFlag, operationAt, slotAt } from './window.ts';
import { kindOfWord, PAGE_SHIFT, payloadOf, WORD, wordOf } from './words.ts';

/** Before which version nothing may be used any more, as bits of what may. */
function since(version: number): number {
  return ~((1 << version) - 1);
}

/** Whether a maintenance operation is of a versioned cell. */
function concerns(program: Program, state: Int32Array, slot: number, versioned: number): boolean {
  const { kind, isOfAll } = operationAt(program, state, slot);
  if ((kind === KIND.TLBI) === program.isCode(versioned)) return false;
  if (isOfAll) return true;
  const address = state[slot + SLOT.ADDRESS];
  const cell = program.cellOf[versioned];
  if (kind !== KIND.TLBI) {
    return kindOfWord(address) === WORD.LABEL && program.codeCells[payloadOf(address) >> 2] === cell;
  }
  // The operand is the page's number; its upper bits may hold an ASID.
  const page = wordOf(WORD.VIRTUAL, (cell - program.firstEntry) << PAGE_SHIFT);
  return address === page >>> PAGE_SHIFT;
}

/**
 * A TLBI or DC acts, or an IC.
 *
 * A TLBI only notes up to which version it invalidates. Nothing waits for it but the DSB after it, and the
 * earlier it is the less it invalidates, so it acts as soon as it may. The same holds for a DC.
 */
export function maintain(program: Program, state: Int32Array, thread: number, index: number): void {
  const { layout } = program;
  const slot = slotAt(program, thread, index);
  const { kind, isLocal } = operationAt(program, state, slot);
  state[slot + SLOT.FLAGS] |= FLAG.IS_DONE;
  for (let versioned = 0; versioned < layout.versioned; versioned++) {
    if (!concerns(program, state, slot, versioned)) continue;
    const last = versionCount(layout, state, versioned) - 1;
    if (kind === KIND.DC) state[layout.progress + versioned] = last;
    else if (kind === KIND.TLBI) {
      const pending = isLocal ? layout.pendingLocal : layout.pending;
      state[layout.thread(thread) + pending + versioned] = last;
    } else {
      const target = program.features.isDataCoherent ? last : state[layout.progress + versioned];
      for (let other = 0; other < layout.threads; other++) {
        if (isLocal && other !== thread) continue;
        state[layout.thread(other) + layout.cached + versioned] &= since(target);
      }
    }
  }
}

/** Whether completing the TLBIs of a thread would change nothing that another could see. */
export function isCompletionSilent(program: Program, state: Int32Array, thread: number): boolean {
  const { layout } = program;
  const base = layout.thread(thread);
  for (let versioned = 0; versioned < layout.versioned; versioned++) {
    if (state[base + layout.pending + versioned] !== 0) return false;
    if (state[base + layout.pendingLocal + versioned] !== 0) return false;
  }
  return true;
}

/** Whether no other CPU still needs what the TLBIs of a thread invalidate. */
export function mayComplete(program: Program, state: Int32Array, thread: number): boolean {
  const { layout } = program;
  if (program.profile.dsbIgnoresInvalidates) return true;
  for (let other = 0; other < layout.threads; other++) {
    if (other !== thread && usesInvalidated(program, state, other, layout.thread(thread) + layout.pending))
      return false;
  }
  return true;
}

/** Whether an access was translated by what is being invalidated. */
function isInvalidated(program: Program, state: Int32Array, slot: number, pending: number): boolean {
  if (!isAccess(operationAt(program, state, slot)) || state[slot + SLOT.VERSION] < 0) return false;
  const versioned = versionedEntry(program, state[slot + SLOT.ADDRESS]);
  return versioned >= 0 && state[slot + SLOT.VERSION] < state[pending + versioned];
}

/** Whether a thread has accesses in flight that still need what is being invalidated. */
function usesInvalidated(program: Program, state: Int32Array, thread: number, pending: number): boolean {
  for (let index = 0; index < inFlight(program, state, thread); index++) {
    const slot = slotAt(program, thread, index);
    if (!hasFlag(state, slot, FLAG.IS_DONE) && isInvalidated(program, state, slot, pending)) return true;
  }
  return false;
}

/** Accesses that used what is invalidated: none of their page before them may use anything newer now. */
function markOutdated(program: Program, state: Int32Array, thread: number, pending: number): void {
  for (let index = 0; index < inFlight(program, state, thread); index++) {
    const slot = slotAt(program, thread, index);
    if (faultOf(state, slot) !== FAULT.NONE || !isInvalidated(program, state, slot, pending)) continue;
    state[slot + SLOT.FLAGS] |= FLAG.IS_OUTDATED;
  }
}

/** A DSB completes, and with it the TLBIs before it. */
export function complete(program: Program, state: Int32Array, thread: number): void {
  const { layout } = program;
  const base = layout.thread(thread);
  for (let other = 0; other < layout.threads; other++) {
    if (other !== thread) markOutdated(program, state, other, base + layout.pending);
  }
  for (let versioned = 0; versioned < layout.versioned; versioned++) {
    const pending = state[base + layout.pending + versioned];
    const local = state[base + layout.pendingLocal + versioned];
    for (let other = 0; other < layout.threads; other++) {
      state[layout.thread(other) + layout.cached + versioned] &= since(pending);
    }
    state[base + layout.cached + versioned] &= since(local);
    if (!program.isCode(versioned)) program.misuse.invalidated(state, versioned, Math.max(pending, local));
    state[base + layout.pending + versioned] = 0;
    state[base + layout.pendingLocal + versioned] = 0;
  }
}
