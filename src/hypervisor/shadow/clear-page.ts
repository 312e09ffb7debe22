/**
 * The host clears a page of its guest's memory and gives it back: what a ballooned page, or one that the emulator
 * has discarded, comes back as. The kernel clears it through its linear mapping, and lines that other mappings of the
 * frame have dirty know nothing of that: where they have a place of their own in the cache, they are written back
 * later, over the zeros. Linux on an aliasing ARMv6 therefore drops lines and clears through a mapping of the user's
 * colour (v6_clear_user_highpage_aliasing in arch/arm/mm/copypage-v6.c).
 */
import { READ_WRITE } from '../../kernel/kernel.ts';
import { ATTRIBUTE_NORMAL } from '../../machine/attributes.ts';
import { FLUSH } from '../../machine/cache-maintenance.ts';
import { type Cpu, STEP, type Steps } from '../../machine/cpu.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../../machine/platform.ts';
import { colourOf } from '../../machine/traits.ts';
import type { LineStep } from './guest-lines.ts';
import type { ShadowVm } from './shadow-vm.ts';

export interface ClearPolicy {
  /** Lines of the guest's address and the emulator's are cleaned and invalidated before. */
  readonly flushesBefore: boolean;
  /** Lines of the kernel's linear mapping are cleaned and invalidated after. */
  readonly flushesAfter: boolean;
  /** It is cleared through a mapping of the guest's colour instead of the linear one. */
  readonly byColour?: boolean;
}

/** Where the kernel maps pages for a moment, a multiple of every cache's colours (`to_address` in copypage-v6.c). */
const WINDOW_BASE = 0xf000_0000;
const BY_GUEST: LineStep = { through: 'guest', operation: FLUSH };
const BY_READER: LineStep = { through: 'reader', operation: FLUSH };

/**
 * Takes a page from the guest, clears it and maps it again at the guest's address; in the emulator's context.
 * @param gpa guest-physical address of a page
 * @param meanwhile what the hardware does between the clearing and the new mapping
 */
export function* clearGuestPage(
  cpu: Cpu,
  vm: ShadowVm,
  gpa: number,
  { flushesBefore, flushesAfter, byColour = false }: ClearPolicy,
  meanwhile: () => Steps,
): Steps {
  const { ram, shadow, lines } = vm;
  const { lineBytes } = cpu.machine.platform;
  // While the guest still has its mapping: some caches find lines by translation only.
  for (let at = gpa; flushesBefore && at < gpa + PAGE_BYTES; at += lineBytes) {
    yield* lines.maintain(cpu, at, 'user', BY_GUEST);
    yield* lines.maintain(cpu, at, 'user', BY_READER);
  }
  yield* shadow.unmap(cpu, ram.guestVa + gpa);
  if (byColour) yield* clearByColour(cpu, ram.frame + gpa, ram.guestVa + gpa);
  else yield* cpu.fillPhysical(ram.frame + gpa, PAGE_BYTES, 0);
  for (let at = gpa; flushesAfter && at < gpa + PAGE_BYTES; at += lineBytes) {
    yield* lines.maintain(cpu, at, 'linear', BY_READER);
  }
  yield* cpu.dsb();
  yield* meanwhile();
  yield* shadow.map(cpu, ram.guestVa + gpa, (ram.frame + gpa + READ_WRITE) >>> 0);
}

/**
 * Clears a frame, a line a step as `Cpu.fillPhysical` does, through a mapping that the kernel makes for the time, in
 * the colour of `like`. The entry of that mapping is not modelled.
 */
function* clearByColour(cpu: Cpu, pa: number, like: number): Steps {
  const { machine, hw } = cpu;
  const { lineBytes } = machine.platform;
  const va = WINDOW_BASE + (colourOf(machine.platform, like) << PAGE_SHIFT);
  yield* cpu.drainAll();
  for (let line = 0; line < PAGE_BYTES; line += lineBytes) {
    yield STEP;
    machine.state.lockCpu(hw);
    for (let at = line; at < line + lineBytes; at += 4) {
      machine.port.store(hw, va + at, pa + at, 4, 0, 0, ATTRIBUTE_NORMAL);
    }
    machine.state.unlockCpu(hw);
  }
}
