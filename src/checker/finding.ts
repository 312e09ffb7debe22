/**
 * Findings: what a checker reports, as records in the machine's buffer, so that they survive whatever
 * happens to the thread that found them.
 */
import { FINDING } from '../machine/registers.ts';

/** Every kind of finding. The order is the numbering in the buffer. */
export const findingKinds = {
  'stale-data': 'a load returned a value that is not the newest of its location',
  'lost-write': 'the newest value of a location was thrown away or overwritten by an older one',
  'stale-translation': 'an access went through a translation that had been taken away',
  'freed-frame': 'an access reached a frame that had been freed',
  'walker-old-entry': 'the table walker read an entry that had been replaced',
  'freed-table': 'a walk read a page table that had been freed',
  'stale-instruction': 'an instruction was fetched that is not the newest of its location',
  'multiple-match': 'a lookup matched two TLB entries',
  deadlock: 'CPUs wait for each other',
  invariant: 'a condition that the scenario states does not hold',
  'device-old-data': 'a device read memory that was older than what had been stored',
  'flush-order': 'kernel code changed a mapping without keeping to the order of the flush interfaces',
} as const;

export type FindingKind = keyof typeof findingKinds;
export const kindNames = Object.keys(findingKinds) as FindingKind[];

/** Why a translation outlived its invalidation. */
export const diagnoses = [
  'no TLB invalidate for this page reached this CPU after the table was changed',
  'a TLB invalidate was issued but had not completed: the initiator did not wait for it',
  'a TLB invalidate acted before the table change was visible, and the entry was filled again',
  'a TLB invalidate acted and the entry survived it',
  'what this CPU remembers of stage 2 was invalidated (by intermediate address), but not what it had made from both stages: an invalidate of the VMID’s stage 1 and combined entries must follow',
  'what was made from both stages was invalidated, but not what this CPU remembers of stage 2 alone: without an invalidate by intermediate address before it, the old translation was used again',
  'what this CPU remembers of stage 2 was invalidated (by intermediate address) before the table change was visible, and was remembered again: after the invalidate of what had been made from both stages, the old translation was made from it once more',
] as const;

/** Words of a record. Numbers only; -1 where one does not apply. */
const FIELDS = [
  'kind',
  'cpu',
  'va',
  'pa',
  'got',
  'expected',
  'version',
  'newest',
  'place',
  'writer',
  'writerClock',
  'clock',
  'fillClock',
  'ptePa',
  'pte',
  'newestPte',
  'diagnosis',
  'other',
  'write',
  'detail',
  'stage',
  'ipa',
] as const;

type FindingField = (typeof FIELDS)[number];
type GuestField = 'stage' | 'ipa';
/** Of a guest's translation `detail` is the tag of its entry (machine/tlb-tag.ts), and there are two fields more. */
export type FindingRecord = { [F in Exclude<FindingField, 'kind' | GuestField>]: number } & {
  [F in GuestField]?: number;
} & { kind: FindingKind };

/** Writes a record into slot `index` of the buffer; fields left out become -1. */
export function writeFinding(words: Float64Array, index: number, record: Partial<FindingRecord>): void {
  const at = index * FINDING.WORDS;
  for (const [i, field] of FIELDS.entries()) {
    const value = record[field];
    words[at + i] = field === 'kind' ? kindNames.indexOf(value as FindingKind) : ((value as number) ?? -1);
  }
}

/** Reads the record in slot `index`. */
export function readFinding(words: Float64Array, index: number): FindingRecord {
  const at = index * FINDING.WORDS;
  const record: Record<string, number | string> = {};
  for (const [i, field] of FIELDS.entries()) record[field] = words[at + i];
  if (record.stage === -1) {
    delete record.stage;
    delete record.ipa;
  }
  record.kind = kindNames[words[at]];
  return record as unknown as FindingRecord;
}
