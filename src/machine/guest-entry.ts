/** A guest as the host enters it, in and out of the control words of a CPU, and what is wrong with one. */
import type { GuestEntry, GuestRegisters } from './faults.ts';
import { packMemoryTypes, unpackMemoryTypes } from './memory-types.ts';
import { PAGE_BYTES, type Platform } from './platform.ts';
import { CTL, GUEST_CACHES, GUEST_MMU, GUEST_NO_SAY, HCR_FWB, HCR_TSW, HCR_TVM } from './registers.ts';

const MOST_IPA = 0xffff_ffff;

/** @throws Error if the platform cannot run such a guest */
export function checkGuestEntry(
  { name, virtualization, memoryBytes, mmu }: Platform,
  entry: GuestEntry,
): void {
  if (!virtualization)
    throw new Error(`${name}: no stage 2, so no guests: use a platform with 'virtualization'`);
  const { vmid, stage2Root, forcedWriteBack, registers } = entry;
  const last = 2 ** virtualization.vmidBits - 1;
  if (!Number.isInteger(vmid) || vmid < 1 || vmid > last) {
    throw new Error(`${name}: VMID ${vmid} of a guest; use 1 to ${last}, 0 is the host's`);
  }
  if (stage2Root % PAGE_BYTES !== 0 || stage2Root < 0 || stage2Root >= memoryBytes) {
    throw new Error(`${name}: stage 2 at 0x${stage2Root.toString(16)}; use a page of memory`);
  }
  if (forcedWriteBack === true && !virtualization.forcedWriteBack) {
    throw new Error(`${name}: no forced write-back; leave it out, or set 'virtualization.forcedWriteBack'`);
  }
  const { rootIpa } = registers;
  if (rootIpa % PAGE_BYTES !== 0 || rootIpa < 0 || rootIpa > MOST_IPA) {
    throw new Error(`${name}: root table of a guest at 0x${rootIpa.toString(16)}; use a page below 4 GB`);
  }
  const asids = 2 ** mmu.tlb.asidBits;
  if (!Number.isInteger(registers.asid) || registers.asid < 0 || registers.asid >= asids) {
    throw new Error(`${name}: ASID ${registers.asid} of a guest; use 0 to ${asids - 1}`);
  }
  if (registers.memoryTypes !== undefined && virtualization.guestCaching === 'none') {
    throw new Error(
      `${name}: a guest has no register of memory types; leave memoryTypes out, or set 'virtualization.guestCaching'`,
    );
  }
  packMemoryTypes(registers.memoryTypes);
}

/** Writes all of an entry that was checked; of a guest that runs the caller sees to what is in force. */
export function putGuestEntry({ virtualization }: Platform, ctl: Int32Array, entry: GuestEntry): void {
  const { vmid, stage2Root, traps, forcedWriteBack, registers } = entry;
  ctl[CTL.VMID] = vmid;
  ctl[CTL.STAGE2_ROOT] = stage2Root;
  ctl[CTL.HCR] =
    (forcedWriteBack === true ? HCR_FWB : 0) |
    (traps.control === true ? HCR_TVM : 0) |
    (traps.setWay === true ? HCR_TSW : 0);
  ctl[CTL.GUEST_ROOT] = registers.rootIpa;
  ctl[CTL.GUEST_ASID] = registers.asid;
  ctl[CTL.GUEST_CONTROL] =
    (registers.mmuOn ? GUEST_MMU : 0) |
    (registers.cachesOn ? GUEST_CACHES : 0) |
    (virtualization?.guestCaching === 'none' ? GUEST_NO_SAY : 0);
  ctl[CTL.GUEST_TYPES] = packMemoryTypes(registers.memoryTypes);
}

/** The entry that `putGuestEntry` wrote, with the guest's registers as they are now. */
export function readGuestEntry(ctl: Int32Array): GuestEntry {
  const hcr = ctl[CTL.HCR];
  return {
    vmid: ctl[CTL.VMID],
    stage2Root: ctl[CTL.STAGE2_ROOT] >>> 0,
    traps: { setWay: (hcr & HCR_TSW) !== 0, control: (hcr & HCR_TVM) !== 0 },
    forcedWriteBack: (hcr & HCR_FWB) !== 0,
    registers: guestRegisters(ctl),
  };
}

/** The guest's own registers as they are now. */
export function guestRegisters(ctl: Int32Array): GuestRegisters {
  const control = ctl[CTL.GUEST_CONTROL];
  const memoryTypes = unpackMemoryTypes(ctl[CTL.GUEST_TYPES]);
  return {
    rootIpa: ctl[CTL.GUEST_ROOT] >>> 0,
    asid: ctl[CTL.GUEST_ASID],
    mmuOn: (control & GUEST_MMU) !== 0,
    cachesOn: (control & GUEST_CACHES) !== 0,
    ...(memoryTypes && { memoryTypes }),
  };
}
