/**
 * A fresh page that the kernel fills through its own mapping before a user gets it: zeroed, or read from a file.
 * After do_no_page in Linux 2.4 (mm/memory.c).
 */
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { FlushArchitecture } from './flush/architecture.ts';
import type { PageEntry } from './mm.ts';
import { mapFrame } from './reclaim-page.ts';
import type { Mapping } from './rmap.ts';

/** Places of this file that flush. */
export const MAP_FILLED_SITES = {
  'map.to-ram':
    'flushPageToRam of a page that the kernel has filled: the user finds it in memory, and no line of the kernel’s mapping is left',
} as const;

export interface Filling {
  /** Byte offsets of the words of the page that are in use: the others are left as they are. */
  readonly offsets: readonly number[];
  readonly value: number;
  /** PTE bits. */
  readonly permissions: number;
}

/** Maps a fresh frame where nothing is mapped. */
export function* mapFilled(
  cpu: Cpu,
  flushes: FlushArchitecture,
  page: PageEntry & Mapping,
  { offsets, value, permissions }: Filling,
): Steps {
  const frame = yield* flushes.kernel.frames.allocate(cpu);
  yield* fillFrame(cpu, frame, offsets, value);
  yield* flushes.at('map.to-ram').flushPageToRam(cpu, frame);
  yield* mapFrame(cpu, flushes, page, frame, permissions);
}

/** Stores to words of a frame through the kernel's linear mapping; some caches allocate a line for a load only. */
export function* fillFrame(cpu: Cpu, frame: number, offsets: readonly number[], value: number): Steps {
  for (const offset of offsets) {
    yield* cpu.loadPhysical(frame + offset);
    yield* cpu.storePhysical(frame + offset, value);
  }
}
