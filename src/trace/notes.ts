/** Figures that the programs of a trace run leave in a CPU's notes. */
import { STREAM } from '../machine/bulk-fetch.ts';

const FIRST_STREAM = 16;

export const TRACE_NOTE = {
  /** Times that the kernel took pages away, the cycles that took, and the pages. */
  SHOOTDOWNS: 0,
  SHOOTDOWN_CYCLES: 1,
  SHOOTDOWN_PAGES: 2,
  PAGES_MAPPED: 3,
  PAGES_COPIED: 4,
  SWITCHES: 5,
  /** Milliseconds of wall time from the first access to the last. */
  MILLISECONDS: 6,
  /** Dirty lines in the L1D at the end. */
  DIRTY_AT_END: 7,
  /** Turns taken, see turns.ts. */
  TURNS: 8,
  /** The word of the next access, plus 1; 0 before the first. */
  NEXT_WORD: 9,
  /** Misses by the rule of simultaneous accesses, and those of them that had the line. */
  SYNC_MISSES: 10,
  SYNC_UPGRADES: 11,
  /** Copies taken away, and copies that lost the right to be written, by the same rule. */
  SYNC_INVALIDATIONS: 13,
  SYNC_DOWNGRADES: 14,
  /** Cycles at the first access: what came before is not the program's. */
  BEGAN_CYCLES: 12,
  /** STREAM.WORDS words. */
  STREAM: FIRST_STREAM,
} as const;

export const STREAM_NOTES = { from: FIRST_STREAM, to: FIRST_STREAM + STREAM.WORDS } as const;
