/**
 * Moving pages within an address space, after move_ptes in Linux mm/mremap.c: the entries move, the pages
 * stay. From the moment an entry has its new place, whoever unmaps the page flushes that place only.
 */
import { PTE } from '../machine/attributes.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import { lockTables, type Mm, type PageEntry, unlockTables } from './mm.ts';

export interface MremapPolicy {
  /** Wrong: the old addresses are flushed after the page-table lock has been dropped. */
  readonly flushAfterUnlock?: boolean;
}

/** Moves pages from one range to another of the same length. When it returns the old range is gone. */
export function* movePages(
  cpu: Cpu,
  mm: Mm,
  from: readonly PageEntry[],
  to: readonly PageEntry[],
  policy: MremapPolicy,
): Steps {
  const { kernel, space, checker } = mm;
  const { tables } = kernel;
  let moved = false;
  yield* lockTables(cpu, mm);
  for (const [i, { ptePa }] of from.entries()) {
    if (((yield* tables.read(cpu, ptePa)) & PTE.VALID) === 0) continue;
    const entry = yield* tables.exchange(cpu, ptePa, () => 0);
    yield* tables.write(cpu, to[i].ptePa, entry);
    moved = true;
  }
  if (moved && !policy.flushAfterUnlock) yield* kernel.flush.range(cpu, space, from[0].va, from.length);
  yield* unlockTables(cpu, mm);
  if (moved && policy.flushAfterUnlock) yield* kernel.flush.range(cpu, space, from[0].va, from.length);
  for (const { ptePa } of from) checker?.contract(cpu, ptePa);
}
