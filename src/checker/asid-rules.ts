/**
 * Rules that an allocator of address-space identifiers keeps, as the `detail` of a finding of kind 'invariant', and
 * what each means. Numbers from 100 on, so that none is taken for a rule of a scenario's own.
 */
import type { FindingRecord } from './finding.ts';
import { vmidRules } from './vmid-rules.ts';

/** In a finding: `got`, `expected` and `other` as said here. */
export const ASID_RULE = {
  /** A number is in use by one address space per generation. Number, index of the space, other CPU or -1. */
  SHARED: 101,
  /** The register holds the running space's own current number. Register, current number. */
  NOT_OWN: 102,
  /** No TLB holds what another space left under a number. Number, index of the space, index of the other space. */
  LEFT_OVER: 103,
  /** The same of a walk cache. */
  LEFT_OVER_TABLE: 104,
  /** An access of a task reaches the frame of that task. What was there, index of the space + 1. */
  WRONG_FRAME: 105,
  /** There are more usable numbers than CPUs. Usable numbers, CPUs. */
  TOO_FEW: 106,
  /** As WRONG_FRAME, where CPUs use each other's TLB entries. */
  COMMON: 107,
  /** As WRONG_FRAME, where the kernel, its processes and a guest have mappings at each other's addresses. */
  WORLD: 108,
} as const;

interface AsidRule {
  readonly title: string;
  found(finding: FindingRecord): string;
  readonly missing: string;
  readonly remedy: string;
}

/** By number; those of VMIDs as well. */
export const asidRules: Readonly<Record<number, AsidRule>> = {
  ...vmidRules,
  [ASID_RULE.SHARED]: {
    title: 'an ASID is in use by two address spaces',
    found: ({ cpu, got, expected, other }) =>
      `address space ${expected} starts using ASID ${got} on CPU ${cpu}, and another one uses it${other < 0 ? ' in the same generation' : ` on CPU ${other}`}`,
    missing: 'the allocator did not know that the number was in use when it handed it out',
    remedy:
      'at a rollover carry the numbers over that CPUs are using, or make every CPU take a new one before any is handed out',
  },
  [ASID_RULE.NOT_OWN]: {
    title: 'the ASID in the register is not the running address space’s own',
    found: ({ cpu, got, expected }) =>
      `CPU ${cpu} runs with ASID ${got} in its register; the address space has ${expected === 0 ? 'lost its number' : `ASID ${expected}`}`,
    missing: 'the number changed between being read and being written to the register',
    remedy:
      'read the number and write the register with interrupts masked, so that the reset at a rollover comes before or after both',
  },
  [ASID_RULE.LEFT_OVER]: {
    title: 'an ASID is handed out again while a TLB holds an entry of its last user',
    found: ({ cpu, got, expected, other }) =>
      `address space ${expected} starts using ASID ${got} on CPU ${cpu}, whose TLB has an entry with that ASID from the tables of address space ${other}`,
    missing: 'a TLB invalidate on this CPU after the last fill under the old number and before its next user',
    remedy:
      'at a rollover each CPU sets the reserved ASID (or a table base without user mappings), ISB, and only then invalidates its TLB',
  },
  [ASID_RULE.LEFT_OVER_TABLE]: {
    title: 'an ASID is handed out again while a walk cache holds a table of its last user',
    found: ({ cpu, got, expected, other }) =>
      `address space ${expected} starts using ASID ${got} on CPU ${cpu}, whose walk cache has a table of address space ${other} under it`,
    missing: 'a TLB invalidate on this CPU after the last walk under the old number and before its next user',
    remedy:
      'at a rollover each CPU sets the reserved ASID (or a table base without user mappings), ISB, and only then invalidates its TLB',
  },
  [ASID_RULE.WRONG_FRAME]: {
    title: 'a task reached the memory of another address space',
    found: ({ cpu, got, expected }) =>
      `CPU ${cpu} ran address space ${expected - 1} and loaded ${got - 1 === -1 ? 'from no space’s frame' : `from the frame of address space ${got - 1}`}`,
    missing: 'the TLB gave it an entry that was made from the tables of the other one under the same ASID',
    remedy:
      'give a number to one address space at a time, and never let table base and ASID of two of them be in the registers together',
  },
  [ASID_RULE.COMMON]: {
    title: 'a CPU used the entry of another one for its own task',
    found: ({ cpu, got, expected }) =>
      `CPU ${cpu} ran address space ${expected - 1} and loaded from the frame of address space ${got - 1}`,
    missing: 'with TTBR.CnP set, an ASID must mean the same tables on all CPUs that set it; here it does not',
    remedy: 'hand out ASIDs that are unique among all CPUs, or leave CnP clear',
  },
  [ASID_RULE.WORLD]: {
    title: 'a translation of another world was used',
    found: ({ cpu, got, expected }) =>
      `CPU ${cpu} ran world ${expected - 1} and loaded from a frame of world ${got - 1} (processes, then guest, then the host’s kernel)`,
    missing:
      'the TLB gave it an entry that is found whatever runs: a global one, or one of user memory under the kernel’s ASID',
    remedy:
      'give the host’s kernel an ASID of its own, and set the user’s around accesses to user memory, faults in them included; or flush the TLB on every switch',
  },
  [ASID_RULE.TOO_FEW]: {
    title: 'no ASID is left after a rollover',
    found: ({ got, expected }) =>
      `${got} usable ASID${got === 1 ? '' : 's'} for ${expected} CPU${expected === 1 ? '' : 's'}: after a rollover each CPU may hold one, and none is left for the next address space`,
    missing: 'at least one usable ASID more than there are CPUs, number 0 being reserved',
    remedy: 'use more usable ASIDs than CPUs, as Linux warns at boot (arch/arm64/mm/context.c, asids_init)',
  },
};
