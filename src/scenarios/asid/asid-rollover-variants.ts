/** What can be wrong in an allocator of ASIDs when they run out: variants of the scenario `asid-rollover`. */
import type { RegisterOrder } from '../../kernel/asid/context-registers.ts';
import type { Variant } from '../scenario.ts';

export interface AsidVariant extends Variant {
  /** What the allocator does wrong. */
  readonly flaw?: string;
  readonly order?: RegisterOrder;
  /** Tasks of each CPU in turn, where it takes these to see it; their pages are not used. */
  readonly turns?: readonly (readonly number[])[];
}

const FOUND = ['invariant'] as const;

/** Of a variant that is about one allocator. */
const on = (allocator: string) => () => ({ allocator });

export const variants: readonly AsidVariant[] = [
  { name: 'correct', title: 'as the kernel does it', expect: 'clean' },
  {
    name: 'no-ipi',
    title: 'a rollover tells no other CPU',
    expect: FOUND,
    flaw: 'no-ipi',
    parameters: on('arm-ipi'),
  },
  {
    name: 'ipi-no-flush',
    title: 'at a rollover every CPU takes a new number and none flushes its TLB',
    expect: FOUND,
    flaw: 'ipi-no-flush',
    parameters: on('arm-ipi'),
  },
  {
    name: 'flush-before-reserved',
    title: 'flushes the TLB before the reserved ASID is set: a speculative walk refills it',
    expect: FOUND,
    flaw: 'flush-before-reserved',
    parameters: on('arm-ipi'),
  },
  {
    name: 'no-reserved-asid',
    title: 'writes the ASID, then the table base, with no reserved ASID in between',
    expect: FOUND,
    order: 'asid-first',
    parameters: on('arm-ipi'),
  },
  {
    name: 'switch-between',
    title: 'a rollover comes between reading the ASID and writing the register',
    expect: FOUND,
    flaw: 'switch-between',
    parameters: on('arm-ipi'),
  },
  {
    name: 'too-few-asids',
    title: 'as many usable ASIDs as CPUs',
    expect: FOUND,
    parameters: (cpus) => ({ asids: cpus }),
  },
  {
    name: 'irqs-masked',
    title: 'waits for the lock with interrupts masked, for which the rollover of its holder waits',
    expect: ['deadlock'],
    flaw: 'irqs-masked',
    parameters: on('arm-ipi'),
  },
  {
    name: 'no-reserved-asids',
    title: 'at a rollover the numbers that CPUs are using are not carried over',
    expect: FOUND,
    flaw: 'no-reserved-asids',
    parameters: on('arm64-bitmap'),
  },
  {
    name: 'no-flush-pending',
    title: 'after a rollover no CPU flushes its TLB',
    expect: FOUND,
    flaw: 'no-flush-pending',
    parameters: on('arm64-bitmap'),
  },
  {
    name: 'xchg-fast-path',
    title: 'the fast path says which number it uses even if a rollover has come',
    expect: FOUND,
    flaw: 'xchg-fast-path',
    // CPU 0 is between generation and exchange when CPU 1 rolls over, gives the number to task 3, and rolls over
    // again. Going to and fro between two tasks, CPU 0 is there more often.
    turns: [
      [2, 0, 2, 0, 2, 0],
      [3, 4, 3],
    ],
    parameters: () => ({ allocator: 'arm64-bitmap', tasks: 5, switches: 9 }),
  },
];
