/**
 * What a test means where it says nothing. Registers and memory start at 0. A table entry maps its location
 * to the physical memory of that location, valid, accessed and writable; the entry of a table entry keeps
 * EL0 out (herdtools7, `lib/AArch64PteVal.ml`: `prot_default`, `default` and `of_pte`).
 */
import type { EntryFields } from './ast.ts';

/** An entry with nothing left to default. */
export interface Entry extends EntryFields {
  /** Empty if the entry was written without one in a place that suggests none. */
  readonly oa: string;
  readonly valid: 0 | 1;
  readonly af: 0 | 1;
  readonly db: 0 | 1;
  readonly dbm: 0 | 1;
  readonly el0: 0 | 1;
}

export const DEFAULT_ENTRY: Entry = { oa: '', valid: 1, af: 1, db: 1, dbm: 0, el0: 1, others: [] };

/**
 * Fills in what an entry leaves out.
 * @param mapped the location whose entry it is, if it stands in one (`[PTE(x)]=(valid:0)`)
 */
export function entryWithDefaults(fields: EntryFields, mapped?: string): Entry {
  return { ...DEFAULT_ENTRY, ...(mapped === undefined ? {} : { oa: mapped }), ...fields };
}
