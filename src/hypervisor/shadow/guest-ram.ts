/**
 * A guest's physical memory as a host without virtualization extensions has it: an area of the emulator process
 * (a KVM memory slot), which the guest sees from physical address 0 on. Each page of it has up to three
 * addresses in use: the emulator's (`hva` in KVM's terms), the guest's own (`gva`: its kernel maps its memory
 * linearly, by shadow entries), and that of the host kernel's linear mapping, which is the physical address.
 * Whether a virtually indexed cache takes them for one depends on their colours, so these can be chosen.
 */
import type { AddressSpace } from '../../kernel/address-space.ts';
import type { BootMemory } from '../../kernel/boot-memory.ts';
import { bootMap } from '../../kernel/boot-process.ts';
import { layTables } from '../../kernel/page-table.ts';
import { colours, PAGE_BYTES, type Platform } from '../../machine/platform.ts';
import { colourOf } from '../../machine/traits.ts';

export interface GuestRam {
  readonly pages: number;
  /** Physical address on the host of guest-physical address 0; the frames are contiguous. */
  readonly frame: number;
  /** Virtual address of guest-physical address 0 in the emulator process. */
  readonly userVa: number;
  /** Virtual address of guest-physical address 0 in the guest's kernel. */
  readonly guestVa: number;
}

/** By how many colours the addresses of a page differ from that of the host kernel's linear mapping. */
export interface AliasColours {
  readonly user: number;
  readonly guest: number;
}

/** Their entries lie where those of the guest's first pages do not, so that a direct-mapped cache has room for both. */
const USER_BASE = 0x6008_0000;
const GUEST_BASE = 0x4006_0000;

/** The first address from `base` on whose colour is `colour`. */
function addressOfColour({ l1d }: Platform, base: number, colour: number): number {
  const span = colours(l1d) * PAGE_BYTES;
  return Math.ceil(base / span) * span + (colour & (colours(l1d) - 1)) * PAGE_BYTES;
}

/**
 * Gives a guest `pages` pages of memory and maps them into the emulator process.
 * @param permissions PTE bits of the emulator's mapping
 */
export function layGuestRam(
  boot: BootMemory,
  emulator: AddressSpace,
  pages: number,
  { user, guest }: AliasColours,
  permissions: number,
): GuestRam {
  const { platform } = boot.machine;
  const span = colours(platform.l1d) * PAGE_BYTES;
  // Tables first: they would come between the frames.
  layTables(boot, emulator.root, addressOfColour(platform, USER_BASE, 0), pages + span / PAGE_BYTES);
  const colour = colourOf(platform, boot.firstFreePage);
  const userVa = addressOfColour(platform, USER_BASE, colour + user);
  const [{ frame }] = bootMap(boot, emulator, userVa, pages, permissions);
  return { pages, frame, userVa, guestVa: addressOfColour(platform, GUEST_BASE, colour + guest) };
}

/**
 * Is an address guest-physical memory? What a guest's tables point to may be anything.
 * @param gpa guest-physical address
 */
export function isVisible({ pages }: GuestRam, gpa: number): boolean {
  return gpa < pages * PAGE_BYTES;
}
