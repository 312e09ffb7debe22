/** Where the numbers that a scenario gives an allocator are too few, too many, or none: then nothing can be shown. */
import { allocatorKind } from '../../kernel/asid/kinds.ts';
import type { Platform } from '../../machine/platform.ts';

/** Why numbers do not run out on a platform, or undefined if they do. */
export function withoutAsids({ name, mmu }: Platform): string | undefined {
  return mmu.tlb.asidBits === 0 ? `${name}: its TLB has no ASIDs` : undefined;
}

/** Why a TLB's tags cannot tell so many numbers apart, or undefined if they can; 0 is not among the numbers. */
export function tooManyNumbers({ name, mmu }: Platform, asids: number): string | undefined {
  const most = 2 ** mmu.tlb.asidBits - 1;
  return asids > most
    ? `${asids} usable ASIDs are more than ${name} has (${mmu.tlb.asidBits} bits): use --set asids=${most} at most`
    : undefined;
}

/**
 * Why an allocator cannot do with so many numbers, or undefined if it can: where a number is for all CPUs, each may
 * hold one through a rollover, and the next address space needs one more (Linux arch/arm64/mm/context.c, asids_init,
 * warns of it).
 * @param asids usable numbers, 0 not among them
 * @param remedy what to use instead, as options of the command line
 */
export function tooFewNumbers(
  allocator: string,
  asids: number,
  cpus: number,
  remedy: string,
): string | undefined {
  if (allocatorKind(allocator).scope === 'per-cpu' || asids > cpus) return undefined;
  return `${asids} usable ASIDs are too few for ${cpus} CPUs, each of which may hold one through a rollover: ${remedy}`;
}
