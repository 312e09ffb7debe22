/**
 * What a TLB entry is tagged with: the ASID in bits 15..0 and above it the VMID, 0 for the host. With bit 30 the
 * guest's own stage 1 is off, which is a translation regime of its own: what was made then is not found later under
 * the same ASID. An entry that is global within its VMID has the complement of what is above the ASID: -1 is the
 * host's.
 */
export const VMID_SHIFT = 16;
const VMID_MASK = 0x3fff;
const STAGE1_OFF = 1 << 30;

/** The part of the tags above the ASID while a guest runs. */
export function guestTagHigh(vmid: number, mmuOn: boolean): number {
  return (vmid << VMID_SHIFT) | (mmuOn ? 0 : STAGE1_OFF);
}

/** Tag of the global entries that a lookup with `tag` finds as well. */
export function globalTag(tag: number): number {
  return ~(tag >>> VMID_SHIFT);
}

/** VMID of an entry's tag. */
export function vmidOfTag(tag: number): number {
  return (tag < 0 ? ~tag : tag >>> VMID_SHIFT) & VMID_MASK;
}

/** ASID of an entry's tag, -1 for a global entry. */
export function asidOfTag(tag: number): number {
  return tag < 0 ? -1 : tag & 0xffff;
}
