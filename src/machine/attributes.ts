/**
 * Page-table entries and memory attributes. One 32-bit encoding serves every platform: what differs
 * between architectures and matters here is who sets which bit and who reads the entry from where, not
 * where the bits sit.
 */

/** Entry bits. The frame number is in bits 31..12. */
export const PTE = {
  VALID: 1,
  /** Points to a table of the next level rather than to memory. */
  TABLE: 2,
  WRITE: 4,
  EXECUTE: 8,
  ACCESSED: 16,
  DIRTY: 32,
  GLOBAL: 64,
  /** Two bits: one of ATTRIBUTE_*. */
  ATTRIBUTE_SHIFT: 7,
  /** Free for the kernel. */
  SOFTWARE: 1 << 9,
} as const;

export const ATTRIBUTE_NORMAL = 0;
export const ATTRIBUTE_UNCACHED = 1;
export const ATTRIBUTE_DEVICE = 2;

/** Memory attribute of an entry. */
export function attributesOf(pte: number): number {
  return (pte >>> PTE.ATTRIBUTE_SHIFT) & 3;
}

/** Physical address of the frame (or table) an entry points to. */
export function frameAddress(pte: number): number {
  return (pte & 0xffff_f000) >>> 0;
}
