/**
 * The work-around that was proposed for guests that map memory uncached which the host has cached: writes to MAIR_EL1
 * trap, and what goes into it says that everything is cacheable, so that stage 2 alone decides ("[RFC/RFT PATCH 0/3]
 * arm64: KVM: work around incoherency with uncached guest mappings", Ard Biesheuvel, linux-arm-kernel, 19 February
 * 2015, as quoted in 2015-February/324603.html). It was not merged.
 *
 * It is for long descriptors: with short ones attributes come from TEX remap, that is PRRR and NMRR, whose fields mean
 * something else; they are left as they are. It takes effect when the guest's MMU is on: before that all of its data is
 * Device memory whatever MAIR says.
 */
import { ATTRIBUTE_NORMAL } from '../../machine/attributes.ts';
import type { GuestRegisters, MemoryTypes, Trap } from '../../machine/cpu.ts';
import type { Platform } from '../../machine/platform.ts';

const ALL_CACHED: MemoryTypes = [ATTRIBUTE_NORMAL, ATTRIBUTE_NORMAL, ATTRIBUTE_NORMAL];

/** What a guest's registers are to be after it has written one of them; undefined: what it wrote. */
export function withoutUncachedTypes({ virtualization }: Platform, trap: Trap): GuestRegisters | undefined {
  if (trap.kind !== 'control' || virtualization?.guestCaching !== 'mair') return undefined;
  return { ...trap.after, memoryTypes: ALL_CACHED };
}
