/** Tiny machines that run guests, and tables of both stages laid out before anything runs. */
import { PTE } from '../../src/machine/attributes.ts';
import type { GuestEntry, GuestRegisters } from '../../src/machine/cpu.ts';
import type { Platform, PlatformInput } from '../../src/machine/platform.ts';
import { tiny } from './machine.ts';

/** What an entry of stage 2 for ordinary memory says. */
export const STAGE2_RIGHTS = PTE.WRITE | PTE.EXECUTE | PTE.ACCESSED;

/** `tiny` with stage 2 of two levels as its own tables have, an IPA cache of 8 entries, and local fences. */
export function tinyGuests(change: (platform: PlatformInput) => void = () => {}): Platform {
  return tiny((p) => {
    p.virtualization = {
      vmidBits: 8,
      stage2Levels: [
        { bits: 10, leaf: true },
        { bits: 10, leaf: true },
      ],
      forcedWriteBack: true,
      ipaCache: { entries: 8 },
      stage2Fences: 'local',
    };
    change(p);
  });
}

/** A guest with translation and caches on. */
export const guestOn: GuestRegisters = { rootIpa: 0, asid: 1, mmuOn: true, cachesOn: true };

export function entryOf(stage2Root: number, change: Partial<GuestEntry> = {}): GuestEntry {
  return { vmid: 1, stage2Root, traps: {}, registers: guestOn, ...change };
}
