/** Buffers of drivers: pages of the kernel's linear mapping, and the words of them that are in use. */

import type { AddressSpace } from '../../kernel/address-space.ts';
import type { BootMemory } from '../../kernel/boot-memory.ts';
import { bootEntryOf } from '../../kernel/boot-process.ts';
import type { DmaBuffer } from '../../kernel/dma-lines.ts';
import { READ_WRITE } from '../../kernel/kernel.ts';
import { layTables } from '../../kernel/page-table.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { bringIn, evict } from './own-time.ts';

/**
 * A fresh page that a space maps where the kernel's linear mapping has it: loads and stores by that address go
 * through the TLB, and so the hardware knows where to prefetch from.
 * @returns its physical and its virtual address
 */
export function mapLinear(boot: BootMemory, space: AddressSpace): number {
  const { machine } = boot;
  const frame = boot.pages(1);
  layTables(boot, space.root, frame, 1);
  machine.poke(bootEntryOf(machine, space, frame), (frame | READ_WRITE) >>> 0);
  return frame;
}

/** Addresses of the words in use of a buffer: the first of each line. */
export function wordsOf({ machine }: Cpu, { pa, sizeBytes }: DmaBuffer): number[] {
  const { lineBytes } = machine.platform;
  const words = [pa];
  for (let at = pa - (pa % lineBytes) + lineBytes; at < pa + sizeBytes; at += lineBytes) words.push(at);
  return words;
}

/** Stores to all words in use. Each has been loaded before: some caches allocate a line for a load only. */
export function* fill(cpu: Cpu, buffer: DmaBuffer, value: number): Steps {
  for (const at of wordsOf(cpu, buffer)) {
    yield* cpu.load(at);
    yield* cpu.store(at, value);
  }
}

/** Reads all words in use. */
export function* look(cpu: Cpu, buffer: DmaBuffer): Steps {
  for (const at of wordsOf(cpu, buffer)) yield* cpu.load(at);
}

/** The hardware loads a buffer's lines on its own account. */
export function* bringAllIn(cpu: Cpu, buffer: DmaBuffer): Steps {
  for (const at of wordsOf(cpu, buffer)) yield* bringIn(cpu, at);
}

/** The hardware evicts every second line of a buffer: what is wrong with those that stay must show as well. */
export function* evictSome(cpu: Cpu, buffer: DmaBuffer): Steps {
  for (const [i, at] of wordsOf(cpu, buffer).entries()) if (i % 2 === 0) yield* evict(cpu, at);
}
