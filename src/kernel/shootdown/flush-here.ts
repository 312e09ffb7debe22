/** A flush on one CPU, for either half of the address space where they have an ASID each. */
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { flushLocal } from '../tlb-flush.ts';

/**
 * What a CPU does itself, called or not.
 * @param passes how often each page is flushed: see `ShootdownParts`
 */
export function* flushHere(
  passes: number,
  cpu: Cpu,
  kind: number,
  va: number,
  pages: number,
  asid: number,
): Steps {
  for (let pass = 0; pass < passes; pass++) yield* flushLocal(cpu, kind, va, pages, asid);
}
