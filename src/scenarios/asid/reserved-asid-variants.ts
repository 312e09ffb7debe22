/** Variants of reserved-asid, and on which platforms each means something. */
import type { RegisterOrder } from '../../kernel/asid/context-registers.ts';
import type { Platform } from '../../machine/platform.ts';
import { chosenVariant } from '../chosen-variant.ts';
import { fact } from '../flush/facts.ts';
import type { Expectation, Variant } from '../scenario.ts';

/** What tasks do besides switching. */
export type Deed = 'switch' | 'free-table' | 'free-table-and-flush' | 'blocks';

interface RegisterVariant extends Variant {
  readonly order: RegisterOrder;
  /** What the tasks do besides switching. */
  readonly deed: Deed;
}

export const variants: readonly RegisterVariant[] = [
  variantOf('one-register', 'base and ASID are written at once', 'one'),
  variantOf('reserved-asid', 'ASID 0, ISB, base, ISB, ASID', 'reserved-asid'),
  variantOf('reserved-base', 'a base that maps nothing, ISB, ASID, ISB, base', 'reserved-base'),
  {
    ...variantOf('asid-first', 'writes the ASID, then the base', 'asid-first'),
    why: 'a speculative walk between the two goes through the tables of the last task under the ASID of the next; it takes one CPU',
    expect: ['invariant'],
  },
  {
    ...variantOf('base-first', 'writes the base, then the ASID', 'base-first'),
    why: 'a speculative walk between the two goes through the tables of the next task under the ASID of the last, which finds it when it comes back; it takes one CPU',
    expect: ['invariant'],
  },
  {
    ...variantOf(
      'reserved-asid-sizes-differ',
      'reserved ASID, and one task maps a block where the other maps pages',
      'reserved-asid',
      'blocks',
    ),
    why: 'under the reserved ASID the walk goes through the tables of both tasks, one before the base is written and one after it: what it keeps of them need not agree, so a page and a block may match the same address. With a reserved ASID all tables must map at the same sizes (Cortex-A15, 5.6)',
    expect: ['multiple-match'],
  },
  variantOf('reserved-base-sizes-differ', 'reserved base, the same tasks', 'reserved-base', 'blocks'),
  {
    ...variantOf(
      'reserved-asid-free-table',
      'reserved ASID, and tables are freed after a flush of their own ASID',
      'reserved-asid',
      'free-table',
    ),
    why: 'the walk cache has kept the table under the reserved ASID, from a walk between the two writes; the flush by the ASID of the task does not reach that. With a reserved ASID it has to be flushed as well before the memory of a table is free (Cortex-A15, 5.6)',
    expect: ['freed-table'],
    expectOn: keptTable,
  },
  variantOf(
    'reserved-asid-free-table-flushed',
    'reserved ASID, and tables are freed after a flush of the reserved one too',
    'reserved-asid',
    'free-table-and-flush',
  ),
  variantOf(
    'reserved-base-free-table',
    'reserved base, and tables are freed after a flush of their own ASID',
    'reserved-base',
    'free-table',
  ),
];

function variantOf(
  name: string,
  title: string,
  order: RegisterOrder,
  deed: Deed = 'switch',
): RegisterVariant {
  return { name, title, order, deed, expect: 'clean', unsupported: (platform) => whyNot(platform, order) };
}

/** Why the registers of a platform are not written in an order. */
export function whyNot({ name, mmu, broadcast }: Platform, order: RegisterOrder): string | undefined {
  if (order === 'one') {
    return mmu.splitContextSwitch ? `${name}: table base and ASID are two registers` : undefined;
  }
  if (mmu.tlb.asidBits === 0) return `${name}: its TLB has no ASIDs`;
  if (mmu.splitContextSwitch) return undefined;
  // With TCR_EL1.A1 set Linux/arm64 keeps the ASID in TTBR1: see kernel/asid/context-registers.ts.
  const isArm64 = mmu.entryBytes === 8 && broadcast?.scope === 'all';
  if (!isArm64) return `${name}: table base and ASID are one register`;
  return order === 'reserved-asid'
    ? `${name}: with the ASID in TTBR1 the kernel puts a reserved base in between: use reserved-base`
    : undefined;
}

function keptTable(platform: Platform): Expectation {
  const { name, mmu } = platform;
  if (!mmu.walkCache) return { expect: 'clean', reason: `${name} caches no upper levels of a walk` };
  return mmu.walkCache.asidTagged
    ? { expect: ['freed-table'], reason: fact(platform, 'mmu.walkCache.asidTagged') }
    : { expect: 'clean', reason: fact(platform, 'mmu.walkCache.asidTagged') };
}

export function choiceOf(name: unknown): RegisterVariant {
  return chosenVariant(variants, name);
}
