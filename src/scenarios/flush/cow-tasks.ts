/** What tasks of the scenarios on copy on write do with their pages. */

import { unlessFaulting, withoutPaging } from '../../kernel/boot-user.ts';
import { coherencyHandler } from '../../kernel/coherency-exception.ts';
import { breakCow, type CowMapping, type CowOptions } from '../../kernel/cow.ts';
import type { FlushArchitecture } from '../../kernel/flush/architecture.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { CountedFrame } from '../../kernel/page-count.ts';
import type { Cpu, Steps, Vectors } from '../../machine/cpu.ts';

/**
 * Byte offsets of the words of a page that are in use, each in a line of its own: random evictions that write one
 * dirty line back early do not hide it all.
 */
export const OFFSETS: readonly number[] = Array.from({ length: 12 }, (_, i) => 0x60 + i * 0x140);

/** Rule of the scenarios, as the `detail` of a finding of kind 'invariant'. */
const STORE_REFUSED_AGAIN = 1;

/** The kernel's entry points; what a store to a shared page needs is called by whoever stores, see below. */
export function taskVectors(kernel: Kernel): Vectors {
  return {
    ...withoutPaging(kernel),
    coherencyException: (cpu, fault) => coherencyHandler(cpu as Cpu, fault),
  };
}

/** Reads all words of a page that are in use. */
export function* loadAll(cpu: Cpu, va: number): Steps {
  for (const offset of OFFSETS) yield* cpu.load(va + offset);
}

/** Stores to all of them; each has been read before, so that the store hits wherever it may. */
export function* storeAll(cpu: Cpu, va: number, value: number): Steps {
  for (const offset of OFFSETS) {
    yield* cpu.load(va + offset);
    yield* cpu.store(va + offset, value);
  }
}

/**
 * A buffer of the kernel's own comes and goes: the frame that is handed out next has lines in the cache that were
 * filled through the kernel's mapping.
 */
export function* kernelBuffer(cpu: Cpu, { frames }: Kernel): Steps {
  const frame = yield* frames.allocate(cpu);
  for (const offset of OFFSETS) yield* cpu.loadPhysical(frame + offset);
  yield* frames.free(cpu, frame);
}

/**
 * Stores to all words of a page that may be shared. If that faults the page is copied; and before the store is
 * tried again another thread of the same task has the CPU and reads.
 * @returns the frame that the page is mapped to now
 */
export function* storeShared(
  cpu: Cpu,
  flushes: FlushArchitecture,
  mapping: CowMapping,
  page: CountedFrame,
  value: number,
  options: Omit<CowOptions, 'offsets'> = {},
): Steps<number> {
  const { va } = mapping;
  let { frame } = page;
  if (!(yield* unlessFaulting(cpu.store(va + OFFSETS[0], value)))) {
    frame = yield* breakCow(cpu, flushes, mapping, page, { ...options, offsets: OFFSETS });
    yield* loadAll(cpu, va);
    if (!(yield* unlessFaulting(cpu.store(va + OFFSETS[0], value)))) {
      flushes.checker?.violated(cpu.hw, STORE_REFUSED_AGAIN, 0, 1);
      return frame;
    }
  }
  for (const offset of OFFSETS.slice(1)) yield* cpu.store(va + offset, value);
  return frame;
}
