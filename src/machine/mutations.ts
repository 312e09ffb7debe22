/**
 * Deliberate bugs of the simulated hardware. Only tests switch them on, to prove that the checker and
 * the random tester notice what they are there to notice.
 */
export const mutations = {
  'lost-invalidate': 'a snoop that should invalidate leaves the first sharer’s copy',
  'upgrade-forgets-sharer': 'an upgrade skips the highest-numbered sharer',
  'missing-write-back': 'a dirty victim is dropped',
  'victim-wrong-place': 'a dirty victim is written to the next line’s address',
  'snoop-keeps-exclusive': 'a read snoop leaves the owner exclusive',
  'snoop-misses-dirty-l2': 'a snoop looks at the L1 only',
  'snoop-stale-data': 'a read snoop of a dirty line lets memory answer',
  'forward-misses-buffer': 'a load does not look at the write buffer',
  'barrier-skips-buffer': 'a barrier does not wait for the write buffer',
  'atomic-not-exclusive': 'an atomic is done on a shared copy',
  'byte-store-widens': 'a byte store replaces the whole word',
  'clean-forgets-l1': 'clean by address looks at the private L2 only, or at nothing without one',
  'alias-snoop-first-colour': 'a snoop looks at one colour only',
  'tlbi-ignores-global': 'a TLB invalidate by address spares global entries',
  'tlbi-skips-second-level': 'a TLB invalidate acts on the first level only',
  'tlbi-walk-survives': 'a walk in progress is not cancelled by a TLB invalidate',
  'dsb-ignores-broadcast': 'a completion barrier does not wait for broadcasts',
  'eviction-keeps-l1': 'an L2 victim leaves its L1 copy behind',
  'store-forgets-icache': 'a store leaves copies in snooped instruction caches',
  'monitor-survives-snoop': 'an exclusive monitor stays armed when its line is taken away',
  'tlb-ignores-asid': 'TLB entries match whatever the ASID',
} as const;

export type Mutation = keyof typeof mutations;

/** The same where only threads without a checker come by: see `Snoops.answer`. */
export const threadMutations = {
  'answer-keeps-copy': 'a CPU that answers a snoop itself keeps the copy that it should give up',
  'answer-forgets-data': 'a CPU that answers a snoop itself does not say that its copy is dirty',
} as const;

export type ThreadMutation = keyof typeof threadMutations;
