/**
 * Which of the table entries that a TLB entry was made from has been taken away: one of the host's has one, one of a
 * guest's has one for each stage. A contract point says so for a table word (see Checker.contract).
 */
import { frameAddress, PTE } from '../machine/attributes.ts';
import type { Shadow } from '../machine/shadow.ts';
import { ENTRY } from '../machine/tlb.ts';

/** A table entry that a translation was made from. */
interface Leaf {
  readonly pte: number;
  readonly ptePa: number;
  readonly version: number;
}

/** The stage whose translation in the entry had been taken away before an access began that uses it; 0: none. */
export function staleStage(
  shadow: Shadow,
  e: Int32Array,
  at: number,
  epoch: number,
  write: boolean,
  fetch: boolean,
): number {
  // A guest whose own stage is off has no entry there.
  if (isTakenAway(shadow, e[at + ENTRY.PTE_PA], e[at + ENTRY.PTE_VERSION], epoch)) {
    if (isStaleLeaf(shadow, leafOf(e, at, 1), epoch, write, fetch)) return 1;
  }
  if (!isTakenAway(shadow, e[at + ENTRY.STAGE2_PTE_PA], e[at + ENTRY.STAGE2_VERSION], epoch)) return 0;
  return isStaleLeaf(shadow, leafOf(e, at, 2), epoch, write, fetch) ? 2 : 0;
}

/** Has what an access does by a leaf been taken away before it began? */
export function isStaleLeaf(
  shadow: Shadow,
  leaf: Leaf,
  epoch: number,
  write: boolean,
  fetch: boolean,
): boolean {
  const { pte, ptePa, version } = leaf;
  if (!isTakenAway(shadow, ptePa, version, epoch)) return false;
  return !grants(shadow.contractPte[ptePa >>> 2], pte, write, fetch);
}

/** Is there a promise, older than an access, that nobody uses that version of a table word (-1: of none) any more? */
function isTakenAway(
  { contract, contractEpoch }: Shadow,
  ptePa: number,
  version: number,
  epoch: number,
): boolean {
  return ptePa >= 0 && contract[ptePa >>> 2] > version && contractEpoch[ptePa >>> 2] <= epoch;
}

/** The table entry of a stage that a TLB entry was made from. */
export function leafOf(e: Int32Array, at: number, stage: number): Leaf {
  if (stage === 2) {
    const ptePa = e[at + ENTRY.STAGE2_PTE_PA];
    return { pte: e[at + ENTRY.STAGE2_PTE] >>> 0, ptePa, version: e[at + ENTRY.STAGE2_VERSION] };
  }
  const isGuest = e[at + ENTRY.STAGE2_PTE_PA] >= 0;
  const pte = e[at + (isGuest ? ENTRY.STAGE1_PTE : ENTRY.PTE)] >>> 0;
  return { pte, ptePa: e[at + ENTRY.PTE_PA], version: e[at + ENTRY.PTE_VERSION] };
}

/** Does a table entry permit an access to the same memory in the same way? */
function grants(newest: number, used: number, write: boolean, fetch: boolean): boolean {
  const attributes = 3 << PTE.ATTRIBUTE_SHIFT;
  if ((newest & PTE.VALID) === 0 || frameAddress(newest) !== frameAddress(used)) return false;
  if ((newest & attributes) !== (used & attributes)) return false;
  return (!write || (newest & PTE.WRITE) !== 0) && (!fetch || (newest & PTE.EXECUTE) !== 0);
}
