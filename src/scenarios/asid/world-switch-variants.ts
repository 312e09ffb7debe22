/** Variants of world-switch: the designs, and what goes wrong with some of them. */
import { type WorldDesign, type WorldFlaw, worldDesigns } from '../../kernel/asid/world-switch.ts';
import type { Platform } from '../../machine/platform.ts';
import { chosenVariant } from '../chosen-variant.ts';
import type { Variant } from '../scenario.ts';

interface WorldVariant extends Variant {
  readonly design: WorldDesign;
  readonly flaw?: WorldFlaw;
  /** The guest has pages of its own at the host kernel's addresses. */
  readonly overlaps: boolean;
}

const titles: Readonly<Record<WorldDesign, string>> = {
  flush: 'global kernel mappings, and a flush of the TLB on every switch',
  'kernel-asid': 'the kernel under its own ASID; user memory through the linear mapping',
  'kernel-asid-user-window': 'the kernel under its own ASID, the user’s set around accesses to user memory',
  'user-asid': 'the kernel under the ASID of the process',
  global: 'global kernel mappings, no flush, and a guest that keeps out of their addresses',
};

export const variants: readonly WorldVariant[] = [
  ...worldDesigns.map((design) => ({
    ...{ name: design, title: titles[design], expect: 'clean' as const, design },
    overlaps: design !== 'global',
    unsupported,
  })),
  {
    name: 'global-whole-space',
    title: 'global kernel mappings, no flush, and a guest that uses their addresses',
    why: 'a global entry matches whatever ASID is in the register: where host and guest both have something at the address, whoever comes second finds the other’s',
    expect: ['invariant'],
    design: 'global',
    overlaps: true,
    unsupported,
  },
  {
    name: 'kernel-asid-user-access',
    title: 'the kernel under its own ASID reads user memory under it',
    why: 'what the kernel reads of user memory under its own ASID stays in the TLB under it, and the next process has something else at the address',
    expect: ['invariant'],
    design: 'kernel-asid',
    flaw: 'user-under-kernel-asid',
    overlaps: true,
    unsupported,
  },
  {
    name: 'user-window-lost-on-fault',
    title: 'a page fault within the window returns under the kernel’s ASID',
    why: 'the page fault within the window sets the kernel’s ASID and returns with it: the rest of the access to user memory is made under the kernel’s ASID',
    expect: ['invariant'],
    design: 'kernel-asid-user-window',
    flaw: 'window-lost-on-fault',
    overlaps: true,
    unsupported,
  },
];

function unsupported({ name, mmu }: Platform): string | undefined {
  if (mmu.tlb.asidBits === 0) return `${name}: its TLB has no ASIDs`;
  if (mmu.refill === 'software') return `${name}: its kernel needs no translations for itself`;
  if (mmu.walkCache?.asidTagged === false) return `${name}: its walk cache has no ASIDs`;
  return mmu.kernelMappings === 'global' ? undefined : `${name}: its TLB has no global entries`;
}

export function choiceOf(name: unknown): WorldVariant {
  return chosenVariant(variants, name);
}
