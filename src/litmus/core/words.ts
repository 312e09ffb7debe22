/**
 * Values as 32-bit words, so that states compare and hash as integers. Addresses, entries and instructions
 * have ranges of their own above all numbers that tests compute with; arithmetic on them is plain integer
 * arithmetic (`LSR #12` of an address is its page, `EOR` of an entry with itself is 0).
 */
import type { Entry } from '../defaults.ts';
import { LitmusError } from '../litmus-error.ts';

/** What a word stands for; each has the range [kind << 28, (kind + 1) << 28). */
export const WORD = {
  NUMBER: 0,
  /** Virtual address: the location's number << 12, plus an offset. */
  VIRTUAL: 1,
  PHYSICAL: 2,
  /** Address of the table entry of a location. */
  ENTRY_ADDRESS: 3,
  /** Address of an instruction: its position among all threads' code << 2. */
  LABEL: 4,
  INSTRUCTION: 5,
  /** Table entry: see `entryWord`. */
  ENTRY: 6,
} as const;

export const PAGE_SHIFT = 12;
const KIND_SHIFT = 28;
const PAYLOAD = 0x0fff_ffff;
/** Numbers are smaller, so that no arithmetic on them runs into addresses. */
export const LARGEST_NUMBER = 1n << 28n;

/** NUMBER for anything negative or beyond the last range. */
export function kindOfWord(word: number): number {
  const kind = word >> KIND_SHIFT;
  return kind >= WORD.VIRTUAL && kind <= WORD.ENTRY ? kind : WORD.NUMBER;
}

export function wordOf(kind: number, payload: number): number {
  return (kind << KIND_SHIFT) | payload;
}

export function payloadOf(word: number): number {
  return word & PAYLOAD;
}

/** Number of the location whose page an address, virtual or physical or of an entry, lies in. */
export function locationOfWord(word: number): number {
  return payloadOf(word) >> PAGE_SHIFT;
}

export function offsetOfWord(word: number): number {
  return word & 0xfff;
}

export const ENTRY_BIT = { VALID: 1, ACCESSED: 2, WRITABLE: 4, MANAGED: 8, USER: 16 } as const;
const OTHERS_SHIFT = 5;
const OUTPUT_SHIFT = 12;

/**
 * @param output number of the location it maps to
 * @param others number of a list of attributes that have no bit
 */
export function entryWord(entry: Entry, output: number, others: number): number {
  const bits =
    (entry.valid ? ENTRY_BIT.VALID : 0) |
    (entry.af ? ENTRY_BIT.ACCESSED : 0) |
    (entry.db ? ENTRY_BIT.WRITABLE : 0) |
    (entry.dbm ? ENTRY_BIT.MANAGED : 0) |
    (entry.el0 ? ENTRY_BIT.USER : 0);
  return wordOf(WORD.ENTRY, (output << OUTPUT_SHIFT) | (others << OTHERS_SHIFT) | bits);
}

export function outputOf(entry: number): number {
  return payloadOf(entry) >> OUTPUT_SHIFT;
}

export function othersOf(entry: number): number {
  return (entry >> OTHERS_SHIFT) & 0x7f;
}

/** The DBM bit of an entry, which is beyond 32 bits, as a number. */
const MANAGED_NUMBER = 0x0800_0000;
const MANAGED_SHIFT = 51;

/** `a << shift` of a number; the one bit beyond 28 that tests use is that of DBM. */
export function shiftedLeft(a: number, shift: number): number {
  if (a === 1 && shift === MANAGED_SHIFT) return MANAGED_NUMBER;
  if (shift >= KIND_SHIFT) {
    throw new LitmusError(
      { line: 1, column: 1 },
      `a shift by ${shift} makes a number too large: stay below 2^28`,
    );
  }
  return a << shift;
}

/** Sets or clears bits of an entry by where the architecture has them (Arm ARM D8.3: AP[2] means read-only). */
export function changedEntry(entry: number, mask: number, isSet: boolean): number {
  const change = (word: number, bit: number, isOn: boolean) => (isOn ? word | bit : word & ~bit);
  let changed = entry;
  if (mask & 1) changed = change(changed, ENTRY_BIT.VALID, isSet);
  if (mask & (1 << 7)) changed = change(changed, ENTRY_BIT.WRITABLE, !isSet);
  if (mask & (1 << 10)) changed = change(changed, ENTRY_BIT.ACCESSED, isSet);
  if (mask & MANAGED_NUMBER) changed = change(changed, ENTRY_BIT.MANAGED, isSet);
  return changed;
}

/** Whether a TLB may hold it: neither translation nor access flag faults are cached (Arm ARM, D8.14). */
export function isCacheable(entry: number): boolean {
  const both = ENTRY_BIT.VALID | ENTRY_BIT.ACCESSED;
  return kindOfWord(entry) === WORD.ENTRY && (entry & both) === both;
}
