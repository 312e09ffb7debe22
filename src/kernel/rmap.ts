/**
 * Reverse mappings: where a page is mapped in users' address spaces, so that whoever changes the page, or
 * maps it once more, finds the others. What i_mmap and the interval tree behind it are in Linux (mm/rmap.c,
 * rmap_walk_file) is a line of slots per page here, under a lock of the page.
 */

import type { Cpu, Steps } from '../machine/cpu.ts';
import type { Machine } from '../machine/machine.ts';
import { PAGE_BYTES } from '../machine/platform.ts';
import type { AddressSpace } from './address-space.ts';
import type { BootMemory } from './boot-memory.ts';
import type { Kernel } from './kernel.ts';
import { type SpinLock, spinLock, spinUnlock } from './spin-lock.ts';

/** A page whose mappings are kept. */
export interface SharedPage {
  /** Physical address of its frame. */
  readonly frame: number;
  readonly lock: SpinLock;
  /** A line of words: address of the page, number of the space above bit 0, which is set if it is in use. */
  readonly slotsPa: number;
}

/** One mapping of a page. */
export interface Mapping {
  readonly space: AddressSpace;
  readonly va: number;
}

export function laySharedPage(boot: BootMemory, frame: number, lock: SpinLock): SharedPage {
  return { frame, lock, slotsPa: boot.line() };
}

/** Enters a mapping that exists before anything runs. @param space number of its space */
export function bootMapping(machine: Machine, page: SharedPage, space: number, va: number): void {
  let slot = page.slotsPa;
  while (machine.peek(slot) !== 0) slot += 4;
  machine.poke(slot, slotOf(space, va));
}

/** Runs `body` with the mappings of a page, which stay what they are meanwhile. */
export function* withMappings<T>(
  cpu: Cpu,
  kernel: Kernel,
  page: SharedPage,
  body: (mappings: readonly Mapping[]) => Steps<T>,
): Steps<T> {
  yield* spinLock(cpu, page.lock, kernel.uncached);
  const mappings: Mapping[] = [];
  for (const slotPa of slots(kernel, page)) {
    const slot = yield* cpu.loadPhysical(slotPa, 4, kernel.uncached);
    if (slot === 0) continue;
    const space = kernel.spaces[(slot & (PAGE_BYTES - 1)) >> 1];
    mappings.push({ space, va: (slot & ~(PAGE_BYTES - 1)) >>> 0 });
  }
  const result = yield* body(mappings);
  yield* spinUnlock(cpu, page.lock, kernel.uncached);
  return result;
}

/** @throws Error if the page is mapped as often as its line has words */
export function addMapping(cpu: Cpu, kernel: Kernel, page: SharedPage, mapping: Mapping): Steps {
  return replaceSlot(cpu, kernel, page, 0, slotOf(kernel.spaces.indexOf(mapping.space), mapping.va));
}

/** @throws Error if the page is not mapped there */
export function removeMapping(cpu: Cpu, kernel: Kernel, page: SharedPage, mapping: Mapping): Steps {
  return replaceSlot(cpu, kernel, page, slotOf(kernel.spaces.indexOf(mapping.space), mapping.va), 0);
}

function* replaceSlot(cpu: Cpu, kernel: Kernel, page: SharedPage, from: number, to: number): Steps {
  yield* spinLock(cpu, page.lock, kernel.uncached);
  let found = false;
  for (const slotPa of slots(kernel, page)) {
    if ((yield* cpu.loadPhysical(slotPa, 4, kernel.uncached)) !== from) continue;
    yield* cpu.storePhysical(slotPa, to, 4, kernel.uncached);
    found = true;
    break;
  }
  yield* spinUnlock(cpu, page.lock, kernel.uncached);
  if (!found)
    throw new Error(`the ${page.lock.name} page has no slot ${from === 0 ? 'free' : 'for this address'}`);
}

function slots(kernel: Kernel, { slotsPa }: SharedPage): number[] {
  return Array.from({ length: kernel.machine.platform.lineBytes / 4 }, (_, i) => slotsPa + i * 4);
}

function slotOf(space: number, va: number): number {
  return ((va & ~(PAGE_BYTES - 1)) | (space << 1) | 1) >>> 0;
}
