/**
 * How two stages of translation make one: permissions, memory attributes, sizes.
 *
 * A table entry of stage 2 is encoded as any other (attributes.ts). VALID, TABLE, WRITE, EXECUTE and the attribute
 * mean what they mean in stage 1. ACCESSED is the access flag, which software manages on every platform: an entry
 * without it faults (VTCR_EL2.HA = 0). DIRTY and GLOBAL mean nothing: WRITE alone permits stores (VTCR_EL2.HD = 0).
 *
 * Without forced write-back the stricter attribute of the two stages counts: device over uncached over cacheable. With
 * it (FEAT_S2FWB, HCR_EL2.FWB) an entry of stage 2 for ordinary memory makes it cacheable whatever stage 1 says, and
 * those for uncached memory and devices mean what they mean without it (Arm DDI 0487, pseudocode CombineS1S2Desc, as in
 * QEMU target/arm/ptw.c, combined_attrs_nofwb and combined_attrs_fwb; that encoding of stage 2 which leaves the word to
 * stage 1, 0b0111, is not modelled). What a guest's attribute means its own register says (MAIR).
 */
import { ATTRIBUTE_DEVICE, ATTRIBUTE_NORMAL, ATTRIBUTE_UNCACHED, attributesOf, PTE } from './attributes.ts';
import { withMemoryType } from './memory-types.ts';
import { PAGE_SHIFT } from './platform.ts';
import { GUEST_CACHES, GUEST_MMU, GUEST_NO_SAY } from './registers.ts';

const RIGHTS = PTE.WRITE | PTE.EXECUTE;
/** In a TLB entry only: stage 2 has overruled what stage 1 and the guest's control register say about caching. */
const FORCED = 1 << 11;

/** What stage 1 says while it is off: everything is permitted. What it says about caching depends on the access. */
export const FLAT_PTE =
  PTE.VALID |
  PTE.WRITE |
  PTE.EXECUTE |
  PTE.ACCESSED |
  PTE.DIRTY |
  PTE.GLOBAL |
  (ATTRIBUTE_NORMAL << PTE.ATTRIBUTE_SHIFT);

/**
 * The entry of a TLB that stands for both stages.
 * @param pa physical address of its first page
 */
export function combine(stage1: number, stage2: number, forcedWriteBack: boolean, pa: number): number {
  const isForced = forcedWriteBack && attributesOf(stage2) === ATTRIBUTE_NORMAL;
  const attribute = isForced ? ATTRIBUTE_NORMAL : Math.max(attributesOf(stage1), attributesOf(stage2));
  const own = stage1 & (PTE.ACCESSED | PTE.DIRTY | PTE.GLOBAL);
  const rights = stage1 & stage2 & RIGHTS;
  const caching = (attribute << PTE.ATTRIBUTE_SHIFT) | (isForced ? FORCED : 0);
  return (pa & ~((1 << PAGE_SHIFT) - 1)) | PTE.VALID | own | rights | caching;
}

/**
 * What stage 1 says of caching, from an entry of the guest's own tables.
 * @param control the guest's GUEST_*
 * @param types what its attributes mean (memory-types.ts)
 */
export function stage1Types(pte: number, control: number, types: number): number {
  if ((control & GUEST_NO_SAY) !== 0) return pte & ~(3 << PTE.ATTRIBUTE_SHIFT);
  return withMemoryType(pte, types);
}

/**
 * Attribute of a guest's access through such an entry: with its translation off (SCTLR_EL1.M) its data is that of a
 * device to stage 1 (Device-nGnRnE), with its caches off (SCTLR_EL1.C) not cached; fetches are cached all the same, as
 * with SCTLR_EL1.I set (Arm DDI 0487, "The effects of disabling an address translation stage", and DDI 0601, SCTLR_EL1).
 * @param control the guest's GUEST_*
 */
export function guestAttributes(pte: number, control: number, fetch: boolean): number {
  const attribute = attributesOf(pte);
  if (fetch || (pte & FORCED) !== 0 || (control & GUEST_NO_SAY) !== 0) return attribute;
  if ((control & GUEST_MMU) === 0) return ATTRIBUTE_DEVICE;
  return (control & GUEST_CACHES) === 0 ? Math.max(attribute, ATTRIBUTE_UNCACHED) : attribute;
}

/**
 * True if the walker reads a guest's table past the caches, which `stage2` maps: stage 2 says so, or the guest has its
 * caches off (SCTLR_EL1.C counts for tables as well). A table where stage 2 says device is read as uncached memory,
 * as with HCR_EL2.PTW = 0 (DDI 0601, HCR_EL2); KVM sets that bit, and such a walk would be a permission fault.
 */
export function walksUncached(stage2: number, forcedWriteBack: boolean, control: number): boolean {
  const attribute = attributesOf(stage2);
  if (forcedWriteBack && attribute === ATTRIBUTE_NORMAL) return false;
  return attribute !== ATTRIBUTE_NORMAL || (control & (GUEST_CACHES | GUEST_NO_SAY)) === 0;
}

/** Why stage 2 does not permit an access, or undefined. */
export function refusal(
  stage2: number,
  write: boolean,
  fetch: boolean,
): 'translation' | 'access-flag' | 'permission' | undefined {
  if ((stage2 & PTE.VALID) === 0) return 'translation';
  if ((stage2 & PTE.ACCESSED) === 0) return 'access-flag';
  const wanted = (write ? PTE.WRITE : 0) | (fetch ? PTE.EXECUTE : 0);
  return (stage2 & wanted) === wanted ? undefined : 'permission';
}
