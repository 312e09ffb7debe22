/**
 * dma_alloc_coherent: a page that the kernel and a device use at the same time, with no calls in between (on SPARC
 * mmu_map_dma_area). Where the device does not look into the caches the kernel gets a mapping that goes past them;
 * its linear mapping of the same page stays and is cached, so nothing may be left of what was stored through that.
 * After Linux arch/arm/mm/dma-mapping.c, __dma_clear_buffer and __dma_alloc_remap, and sbus_iommu_alloc of
 * arch/sparc/mm/iommu.c, which flushes on snooped machines too: the second address may be of another colour.
 */
import { ATTRIBUTE_NORMAL, ATTRIBUTE_UNCACHED, PTE } from '../machine/attributes.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import { PAGE_BYTES } from '../machine/platform.ts';
import { dataAliases } from '../machine/traits.ts';
import { type DmaBuffer, DmaLines, LINE_SITES } from './dma-lines.ts';
import type { FlushArchitecture } from './flush/architecture.ts';
import { IO_SITES, type IoWindow, ioMap } from './io-map.ts';
import { READ_WRITE } from './kernel.ts';

/** Places that flush for such a page, and what for. */
export const COHERENT_SITES = {
  'coherent.alias': 'the kernel has used the page by another address: no line of that mapping is left',
  'dma.others': LINE_SITES['dma.others'],
  'dma.outer': LINE_SITES['dma.outer'],
  'io.table': IO_SITES['io.table'],
} as const;

/** An address of the kernel's at which nothing is mapped yet, with its tables. */
export interface FreeAddress {
  readonly va: number;
  /** Physical address of its last-level entry. */
  readonly ptePa: number;
}

interface CoherentOptions {
  /** Where the device's addresses are translated. */
  readonly window: IoWindow | null;
  /** Wrong where the device is not snooped: a mapping like any other. */
  readonly cached?: boolean;
}

/**
 * Maps a buffer for the kernel and for the device, for good.
 * @param free where the kernel will have its page
 * @returns the address by which the device reaches the buffer
 */
export function* dmaAllocCoherent(
  cpu: Cpu,
  flushes: FlushArchitecture,
  buffer: DmaBuffer,
  free: FreeAddress,
  { window, cached = false }: CoherentOptions,
): Steps<number> {
  const { platform, state } = cpu.machine;
  const isSeen = state.devicesSnooped;
  if (flushes.runs('coherent.alias') && (!isSeen || dataAliases(platform))) {
    yield* new DmaLines(flushes).towardsMemory(cpu, 'flush', buffer);
  }
  const attribute = isSeen || cached ? ATTRIBUTE_NORMAL : ATTRIBUTE_UNCACHED;
  const offset = buffer.pa % PAGE_BYTES;
  const frame = buffer.pa - offset;
  const entry = (frame | READ_WRITE | (attribute << PTE.ATTRIBUTE_SHIFT)) >>> 0;
  yield* flushes.kernel.tables.write(cpu, free.ptePa, entry);
  yield* cpu.dsb();
  return window ? (yield* ioMap(cpu, flushes, window, frame)) + offset : buffer.pa;
}
