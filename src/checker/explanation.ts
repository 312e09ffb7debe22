/** What explanations are made of, and the words that several of them use. */
import { PTE } from '../machine/attributes.ts';
import type { FindingKind, FindingRecord } from './finding.ts';

/** One labelled sentence of an explanation. */
export interface ExplanationLine {
  readonly label: 'access' | 'copy' | 'culprit' | 'missing' | 'remedy' | 'waits';
  readonly text: string;
}

export interface Explanation {
  readonly kind: FindingKind;
  /** What happened, in one line. */
  readonly title: string;
  /** Three to six; a deadlock has one for each CPU. */
  readonly lines: readonly ExplanationLine[];
}

export type Description = Omit<Explanation, 'kind'>;

export function wrote(f: FindingRecord): string {
  if (f.newest <= 0) return 'nobody has written it since it was loaded';
  return `CPU ${f.writer} wrote version ${f.newest} at its cycle ${f.writerClock}`;
}

/** What a table entry says. @param page what its address is one of */
export function entryWords(pte: number, page = 'frame'): string {
  if (pte === -1 || (pte & PTE.VALID) === 0) return 'no translation';
  if ((pte & PTE.TABLE) !== 0) return `a table at ${hex(frame(pte))}`;
  const rights = (pte & PTE.WRITE) !== 0 ? 'writable' : 'read-only';
  return `${page} ${hex(frame(pte))}, ${rights}`;
}

export function frame(pte: number): number {
  return (pte & 0xffff_f000) >>> 0;
}

export function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}

export function line(label: ExplanationLine['label'], text: string): ExplanationLine {
  return { label, text };
}
