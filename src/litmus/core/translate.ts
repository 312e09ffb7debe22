/** Translation: an address and a version of its table entry give a memory cell or a fault. */
import { KIND, type Operation } from '../isa/operation.ts';
import { distinctVersions, versionCount, versionValue } from './history.ts';
import { FAULT, FETCH, FLAG, SLOT, THREAD } from './layout.ts';
import { inFlight, isAccess, isSpeculative } from './order.ts';
import type { Program } from './program.ts';
import { hasFlag, operationAt, slotAt, squash } from './window.ts';
import {
  ENTRY_BIT,
  isCacheable,
  kindOfWord,
  locationOfWord,
  offsetOfWord,
  outputOf,
  payloadOf,
  WORD,
} from './words.ts';

/** Number among the versioned cells of the entry that translates an address; -1 if no program changes it. */
export function versionedEntry(program: Program, address: number): number {
  if (kindOfWord(address) !== WORD.VIRTUAL) return -1;
  return program.versionedOf[program.firstEntry + locationOfWord(address)] ?? -1;
}

/**
 * Translates an access whose entry never changes, or that needs none: the address of an entry or an
 * instruction.
 * @returns false if the run ends here
 */
export function translateFixed(program: Program, state: Int32Array, thread: number, index: number): boolean {
  const slot = slotAt(program, thread, index);
  const address = state[slot + SLOT.ADDRESS];
  const location = locationOfWord(address);
  switch (kindOfWord(address)) {
    case WORD.VIRTUAL:
      return translate(program, state, thread, index, state[program.firstEntry + location], -1);
    case WORD.ENTRY_ADDRESS:
      // The entry of an entry keeps EL0 out.
      if (program.features.isUser[thread]) return raise(program, state, thread, index, FAULT.PERMISSION);
      return complete(program, state, thread, index, program.firstEntry + location, -1);
    case WORD.PHYSICAL:
      return complete(
        program,
        state,
        thread,
        index,
        program.locations.cellAt(location, offsetOfWord(address)),
        -1,
      );
    case WORD.LABEL:
      return complete(program, state, thread, index, program.codeCells[payloadOf(address) >> 2] ?? -1, -1);
    default:
      return refuse(program, state, thread, index);
  }
}

/** An access to no location: nothing is known of what it would do, unless it is speculation that goes wrong. */
function refuse(program: Program, state: Int32Array, thread: number, index: number): boolean {
  if (!isSpeculative(program, state, thread, index)) program.isIncomplete = true;
  return false;
}

/** Translates an access by one version of its entry. @returns false if the run ends here */
export function translateBy(
  program: Program,
  state: Int32Array,
  thread: number,
  index: number,
  version: number,
): boolean {
  const { layout } = program;
  const slot = slotAt(program, thread, index);
  const versioned = versionedEntry(program, state[slot + SLOT.ADDRESS]);
  const entry = versionValue(layout, state, versioned, version);
  if (program.profile.cachedTranslations && isCacheable(entry)) {
    state[layout.thread(thread) + layout.cached + versioned] |= 1 << version;
  }
  return translate(program, state, thread, index, entry, version);
}

/** Versions of its entry that an access may use, as bits: what a walk reads now, and what the TLB may hold. */
export function usableVersions(program: Program, state: Int32Array, thread: number, slot: number): number {
  const { layout } = program;
  const versioned = versionedEntry(program, state[slot + SLOT.ADDRESS]);
  const walked = 1 << (versionCount(layout, state, versioned) - 1);
  const cached = state[layout.thread(thread) + layout.cached + versioned];
  return distinctVersions(layout, state, versioned, walked | cached);
}

/** An entry as hardware leaves it after an access: with the access flag and the dirty state it manages. */
export function managedEntry(program: Program, thread: number, entry: number, isWrite: boolean): number {
  if (kindOfWord(entry) !== WORD.ENTRY || (entry & ENTRY_BIT.VALID) === 0) return entry;
  const accessed = program.features.managesAccess[thread] ? ENTRY_BIT.ACCESSED : 0;
  const isDirtied = isWrite && program.features.managesDirty[thread] && (entry & ENTRY_BIT.MANAGED) !== 0;
  return entry | accessed | (isDirtied ? ENTRY_BIT.WRITABLE : 0);
}

/** The fault that an entry raises. Which of several is reported: Arm ARM D8.15, "MMU fault priorities". */
export function faultOfEntry(entry: number, isWrite: boolean, isUser: boolean): number {
  if (kindOfWord(entry) !== WORD.ENTRY || (entry & ENTRY_BIT.VALID) === 0) return FAULT.TRANSLATION;
  if ((entry & ENTRY_BIT.ACCESSED) === 0) return FAULT.ACCESS_FLAG;
  if (isUser && (entry & ENTRY_BIT.USER) === 0) return FAULT.PERMISSION;
  if (isWrite && (entry & ENTRY_BIT.WRITABLE) === 0) return FAULT.PERMISSION;
  return FAULT.NONE;
}

function translate(
  program: Program,
  state: Int32Array,
  thread: number,
  index: number,
  entry: number,
  version: number,
): boolean {
  const slot = slotAt(program, thread, index);
  const isWrite = operationAt(program, state, slot).kind !== KIND.LOAD;
  const managed = managedEntry(program, thread, entry, isWrite);
  const fault = faultOfEntry(managed, isWrite, program.features.isUser[thread]);
  if (fault !== FAULT.NONE) {
    state[slot + SLOT.VERSION] = version;
    return raise(program, state, thread, index, fault);
  }
  if (managed !== entry) state[slot + SLOT.FLAGS] |= FLAG.AWAITS_UPDATE;
  const offset = offsetOfWord(state[slot + SLOT.ADDRESS]);
  return complete(program, state, thread, index, program.locations.cellAt(outputOf(entry), offset), version);
}

function complete(
  program: Program,
  state: Int32Array,
  thread: number,
  index: number,
  cell: number,
  version: number,
): boolean {
  const slot = slotAt(program, thread, index);
  if (cell < 0 || spansElements(program, cell, operationAt(program, state, slot))) {
    return refuse(program, state, thread, index);
  }
  state[slot + SLOT.CELL] = cell;
  state[slot + SLOT.VERSION] = version;
  state[slot + SLOT.FLAGS] |= FLAG.IS_TRANSLATED;
  if (version >= 0 && isOvertaken(program, state, thread, index)) return false;
  if (operationAt(program, state, slot).kind === KIND.LOAD) return true;
  // A later load of the same location that was performed already should have read from this store. That run
  // ends: it also exists with the load performed later.
  for (let younger = index + 1; younger < inFlight(program, state, thread); younger++) {
    const other = slotAt(program, thread, younger);
    const operation = operationAt(program, state, other);
    if (!isAccess(operation) || !hasFlag(state, other, FLAG.IS_TRANSLATED)) continue;
    if (state[other + SLOT.CELL] !== cell) continue;
    return operation.kind === KIND.STORE || !hasFlag(state, other, FLAG.HAS_RESULT);
  }
  return true;
}

/** Whether an access is to more than one element of an array. */
function spansElements(program: Program, cell: number, { isWide }: Operation): boolean {
  const location = program.locations.all.find((known) => cell < known.cell + known.count);
  return location !== undefined && location.count > 1 && location.bytes < (isWide ? 8 : 4);
}

/**
 * Whether a later access of the page was translated by an entry that a completed TLBI has invalidated since:
 * translations of a page do not go back in time ("TLBI-ordered-before").
 */
function isOvertaken(program: Program, state: Int32Array, thread: number, index: number): boolean {
  const page = locationOfWord(state[slotAt(program, thread, index) + SLOT.ADDRESS]);
  for (let younger = index + 1; younger < inFlight(program, state, thread); younger++) {
    const slot = slotAt(program, thread, younger);
    if (!hasFlag(state, slot, FLAG.IS_OUTDATED)) continue;
    if (locationOfWord(state[slot + SLOT.ADDRESS]) === page) return true;
  }
  return false;
}

/**
 * Notes the fault of an access and discards what is younger, which was speculation.
 * @returns false if some of that reached other CPUs; the run also exists without
 */
function raise(program: Program, state: Int32Array, thread: number, index: number, fault: number): boolean {
  const slot = slotAt(program, thread, index);
  for (let younger = index + 1; younger < inFlight(program, state, thread); younger++) {
    const other = slotAt(program, thread, younger);
    const { kind } = operationAt(program, state, other);
    const isMaintenance = kind === KIND.TLBI || kind === KIND.DC || kind === KIND.IC;
    if (isMaintenance && hasFlag(state, other, FLAG.IS_DONE)) return false;
    if (hasFlag(state, other, FLAG.IS_UPDATED)) return false;
  }
  squash(program, state, thread, index);
  state[program.layout.thread(thread) + THREAD.FETCH] = FETCH.AWAITS_EXCEPTION;
  state[slot + SLOT.FLAGS] |= fault << FLAG.FAULT_SHIFT;
  return true;
}
