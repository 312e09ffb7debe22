/** What a TLB tag and a register say of VMIDs: the invariants of numbers (kernel/asid/asid-invariants.ts) seen so. */
import { VMID_RULE } from '../checker/vmid-rules.ts';
import type { NumberTags } from '../kernel/asid/asid-invariants.ts';
import { CTL } from '../machine/registers.ts';
import { ENTRY } from '../machine/tlb.ts';

/** An entry's tag is `asid | vmid << 16`, that of a global one `~vmid` (machine/tlb-tag.ts). */
export const vmidTags: NumberTags = {
  register: CTL.VMID,
  tableWord: ENTRY.STAGE2_PTE_PA,
  numberOf: (tag) => (tag < 0 ? ~tag : tag >>> 16),
  rules: VMID_RULE,
};
