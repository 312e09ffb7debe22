/**
 * Addresses of a device behind an IOMMU: a window of pages, first fit, so that an address given back is the next
 * one to be given out. The table is memory that the kernel writes through its caches and the IOMMU reads past
 * them. After Linux arch/sparc/mm/iommu.c: iommu_get_one and iommu_release_one, whose page count is always one here,
 * and iommu_flush_iotlb, which despite its name writes the entries back; and as in Linux's dma-iommu.c the TLB is
 * flushed when an entry is taken away, since it keeps none that was not valid.
 */
import { PTE } from '../machine/attributes.ts';
import { CLEAN } from '../machine/cache-maintenance.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import { bootTable } from '../machine/device.ts';
import { PAGE_BYTES } from '../machine/platform.ts';
import type { BootMemory } from './boot-memory.ts';
import { bootEntryOf } from './boot-process.ts';
import type { FlushArchitecture } from './flush/architecture.ts';
import { layTables } from './page-table.ts';

/** Places that flush something of the IOMMU, and what for. */
export const IO_SITES = {
  'io.table': 'an entry of the I/O table has been written: it is in memory, where the IOMMU reads it',
  'io.tlb': 'an entry of the I/O table has been taken away: the TLB of the IOMMU does not hold it',
} as const;

/** First address of the window: where SPARC had it. */
const IO_BASE = 0xf000_0000;

/** The window of one device. */
export interface IoWindow {
  /** Number of the device, from 0. */
  readonly device: number;
  /** Physical addresses of the entries of its pages. */
  readonly entries: readonly number[];
}

/** Lays the table of a device out and gives it to it; null where devices use physical addresses. */
export function layIoWindow(boot: BootMemory, device: number, pages: number): IoWindow | null {
  const { machine } = boot;
  const { dma, mmu } = machine.platform;
  if (!dma.iommu) return null;
  const root = boot.pages(Math.max(1, ((1 << mmu.levels[0].bits) * mmu.entryBytes) / PAGE_BYTES));
  layTables(boot, root, IO_BASE, pages);
  bootTable(machine, device, root);
  const entries = Array.from({ length: pages }, (_, i) =>
    bootEntryOf(machine, { root }, IO_BASE + i * PAGE_BYTES),
  );
  return { device, entries };
}

/**
 * Gives the device an address for a page, to read and to write whatever it is for (IOPERM of iommu.c).
 * @param frame physical address of the page
 * @returns the address, on a page
 * @throws Error if the window is full
 */
export function* ioMap(
  cpu: Cpu,
  flushes: FlushArchitecture,
  { entries }: IoWindow,
  frame: number,
): Steps<number> {
  for (const [i, ptePa] of entries.entries()) {
    if (((yield* cpu.loadPhysical(ptePa)) & PTE.VALID) !== 0) continue;
    yield* write(cpu, flushes, ptePa, (frame | PTE.WRITE | PTE.VALID) >>> 0);
    return IO_BASE + i * PAGE_BYTES;
  }
  throw new Error('no I/O address is left: give the device a larger window');
}

/** Takes an address back: when this returns the device reaches nothing by it. */
export function* ioUnmap(
  cpu: Cpu,
  flushes: FlushArchitecture,
  { device, entries }: IoWindow,
  ioAddress: number,
): Steps {
  const page = Math.floor((ioAddress - IO_BASE) / PAGE_BYTES);
  yield* write(cpu, flushes, entries[page], 0);
  if (flushes.runs('io.tlb')) yield* cpu.invalidateIoTlb(device, IO_BASE + page * PAGE_BYTES);
  flushes.checker?.contract(cpu, entries[page]);
}

function* write(cpu: Cpu, flushes: FlushArchitecture, ptePa: number, entry: number): Steps {
  yield* cpu.storePhysical(ptePa, entry);
  if (flushes.runs('io.table')) {
    yield* cpu.maintainPhysical(ptePa, CLEAN, 'memory');
  }
  yield* cpu.dsb();
  // What the IOMMU reads from here on is this entry.
  if (entry !== 0) flushes.checker?.contract(cpu, ptePa);
}
