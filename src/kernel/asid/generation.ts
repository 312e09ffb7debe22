/** Numbers of eight bits with the generation that they were handed out in above them: ARM, arm64 and MIPS alike. */
export const ASID_BITS = 8;
export const ASID_MASK = (1 << ASID_BITS) - 1;
/** 0 is that of a space that has no number yet. */
export const FIRST_GENERATION = 1 << ASID_BITS;

export function isSameGeneration(a: number, b: number): boolean {
  return (a ^ b) >>> ASID_BITS === 0;
}
