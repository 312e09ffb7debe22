/** What can be wrong in an allocator of ASIDs when they run out: variants of the scenario `asid-rollover`. */
import type { RegisterOrder } from '../../kernel/asid/context-registers.ts';
import type { Platform } from '../../machine/platform.ts';
import type { Variant, VariantRun } from '../scenario.ts';
import { whyNot } from './reserved-asid-variants.ts';
import { tooFewNumbers, tooManyNumbers, withoutAsids } from './usable-numbers.ts';

export interface AsidVariant extends Variant {
  /** What the allocator does wrong. */
  readonly flaw?: string;
  readonly order?: RegisterOrder;
  /** Tasks of each CPU in turn, where it takes these to see it; their pages are not used. */
  readonly turns?: readonly (readonly number[])[];
}

const FOUND = ['invariant'] as const;
/** The rarest of them shows in three schedules of a hundred. */
const FEW = { runs: 3000, shrinkRuns: 20_000 } as const;

/** Up to v3.7 the ARM kernel breaks a rule there: see kernel/asid/arm-ipi.ts. */
function sharedOnThree(_: Platform, run?: VariantRun): string | undefined {
  if (run === undefined || run.cpus < 3) return undefined;
  const { allocator, order } = run.parameters;
  if (allocator !== 'arm-ipi' || order === 'own') return undefined;
  return `arm-ipi is not correct where 3 CPUs and more run the same tasks, nor was the kernel: see --variant third-cpu, or use --set order=own or --cpus 2`;
}

function tooFewOf(run?: VariantRun): string | undefined {
  if (run === undefined) return undefined;
  const { cpus, parameters } = run;
  const remedy = `use --set asids=${cpus + 1} or fewer --cpus`;
  return tooFewNumbers(String(parameters.allocator), Number(parameters.asids), cpus, remedy);
}

/** The variant that is about having too few numbers. */
const TOO_FEW = 'too-few-asids';

/** Of a variant that is about one allocator. */
const on = (allocator: string) => () => ({ allocator });

const kinds: readonly AsidVariant[] = [
  { name: 'correct', title: 'as the kernel does it', expect: 'clean', unsupported: sharedOnThree },
  {
    name: 'no-ipi',
    title: 'a rollover tells no other CPU',
    why: 'the other CPUs go on under numbers of the last generation, which are handed out again while their TLBs still have entries under them: every CPU must have heard of the rollover before the first new number is used',
    expect: FOUND,
    flaw: 'no-ipi',
    parameters: on('arm-ipi'),
  },
  {
    name: 'ipi-no-flush',
    title: 'at a rollover every CPU takes a new number and none flushes its TLB',
    why: 'the numbers begin at 1 again, and their last users have left entries in every TLB: a new generation is nothing that the TLB knows of, it only sees the eight bits below',
    expect: FOUND,
    flaw: 'ipi-no-flush',
    parameters: on('arm-ipi'),
  },
  {
    name: 'flush-before-reserved',
    title: 'flushes the TLB before the reserved ASID is set: a speculative walk refills it',
    why: 'between the flush and the reserved ASID the CPU still has the old number and the old tables in its registers, and walks whenever it likes: what it walks then stays in the TLB under a number that is handed out again. First the reserved ASID, ISB, and then the flush',
    expect: FOUND,
    flaw: 'flush-before-reserved',
    parameters: on('arm-ipi'),
  },
  {
    name: 'no-reserved-asid',
    title: 'writes the ASID, then the table base, with no reserved ASID in between',
    why: 'for a moment the ASID of the next task stands beside the tables of the last one, and a speculative walk puts a page of the last under the number of the next. It takes one CPU: this is no question of SMP',
    expect: FOUND,
    order: 'asid-first',
    parameters: on('arm-ipi'),
  },
  {
    name: 'switch-between',
    title: 'a rollover comes between reading the ASID and writing the register',
    why: 'interrupts are enabled between reading the number and writing the register (up to v3.4): the IPI of a rollover comes in between, gives the space a new number and flushes, and then the old number is written',
    expect: FOUND,
    flaw: 'switch-between',
    parameters: on('arm-ipi'),
  },
  {
    name: 'third-cpu',
    title:
      'v3.5 to v3.7 as published: a third CPU switches to a thread of a process that has had its new number from another CPU, before its own IPI has come',
    why: 'the counter has the new generation before any IPI is sent. The process has had its number from a CPU that took its IPI; this one finds the generation of the counter, so nothing to do, and writes the number with a TLB that is not flushed. Up to v3.4 a comment (check_context) says that interrupts are enabled, so that one’s own IPI comes first; from v3.5 on the same test is made with interrupts masked. The program sees nothing of it, since the IPI is taken and the TLB flushed when the switch is over; until then the hardware may',
    expect: FOUND,
    minCpus: 3,
    // CPU 0 rolls over, CPU 1 has task 1 renumbered, and CPU 2, where the number was task 2's, switches to task 1.
    turns: [[4], [], [1]],
    parameters: () => ({ allocator: 'arm-ipi', tasks: 5, asids: 4, switches: 2 }),
  },
  {
    name: TOO_FEW,
    title: 'as many usable ASIDs as CPUs',
    why: 'number 0 is reserved, and through a rollover each CPU keeps a number: with no more numbers than CPUs nothing is left for the next address space',
    expect: FOUND,
    parameters: (cpus) => ({ asids: cpus }),
  },
  {
    name: 'irqs-masked',
    title: 'waits for the lock with interrupts masked, for which the rollover of its holder waits',
    why: 'the CPU that rolls over holds the lock until all others have taken its IPI, and one of them waits for that lock with interrupts masked',
    expect: ['deadlock'],
    flaw: 'irqs-masked',
    parameters: on('arm-ipi'),
  },
  {
    name: 'no-reserved-asids',
    title: 'at a rollover the numbers that CPUs are using are not carried over',
    why: 'the bitmap of the new generation begins empty, but each CPU goes on with the number that it has, and its task keeps it: the number is free for another address space while it is in a register',
    expect: FOUND,
    flaw: 'no-reserved-asids',
    search: { runs: 3000, shrinkRuns: 4000 },
    parameters: on('arm64-bitmap'),
  },
  {
    name: 'no-flush-pending',
    title: 'after a rollover no CPU flushes its TLB',
    why: 'nobody is interrupted at a rollover; in exchange each CPU is to flush its TLB before the first number that it takes from the new generation. Without the mark it does not',
    expect: FOUND,
    flaw: 'no-flush-pending',
    parameters: on('arm64-bitmap'),
  },
  {
    name: 'xchg-fast-path',
    title: 'the fast path says which number it uses even if a rollover has come',
    why: 'the exchange has written the number already when it finds that a rollover had cleared active_asids: a number of the old generation stands there as if this CPU were running with it, the next rollover carries it over, and its owner renews it though another space has it. Replace it only if it is not 0 (a8ffaaa060b8)',
    expect: FOUND,
    flaw: 'xchg-fast-path',
    minCpus: 2,
    search: { runs: 3000, shrinkRuns: 4000 },
    // CPU 0 is between generation and exchange when CPU 1 rolls over, gives the number to task 3, and rolls over
    // again. Going to and fro between two tasks, CPU 0 is there more often.
    turns: [
      [2, 0, 2, 0, 2, 0],
      [3, 4, 3],
    ],
    parameters: () => ({ allocator: 'arm64-bitmap', tasks: 5, switches: 9 }),
  },
];

/** How the registers are written may be asked for, and is not possible on every platform. */
export const variants: readonly AsidVariant[] = kinds.map((variant) => ({
  ...(variant.expect !== 'clean' && { search: FEW }),
  ...variant,
  unsupported(platform: Platform, run?: VariantRun): string | undefined {
    const order = variant.order ?? orderOf(run?.parameters.registers);
    return (
      withoutAsids(platform) ??
      variant.unsupported?.(platform, run) ??
      (order && whyNot(platform, order)) ??
      (run && tooManyNumbers(platform, Number(run.parameters.asids))) ??
      (variant.name === TOO_FEW ? undefined : tooFewOf(run))
    );
  },
}));

/** Orders of writing ASID and table base that may be asked for; the first is that of the platform's kernel. */
export const registerOrders = ['usual', 'one', 'reserved-asid', 'reserved-base'] as const;

/** @returns undefined for the usual one */
export function orderOf(asked: unknown): RegisterOrder | undefined {
  return asked === undefined || asked === 'usual' ? undefined : (asked as RegisterOrder);
}
