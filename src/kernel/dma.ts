/**
 * Memory for devices, as drivers ask for it: Linux's DMA API (Documentation/core-api/dma-api.rst). A buffer belongs
 * to the CPUs or to the device, and each of these calls hands it over; what must be done to caches and to I/O
 * tables follows from the platform.
 *
 * "The Linux Cache Flush Architecture" was written before that API and has it as an architecture's own: on SPARC,
 * mmu_get_scsi_one and mmu_get_scsi_sgl are `mapSingle` and `mapSg`, mmu_release_scsi_one and mmu_release_scsi_sgl
 * their counterparts, and mmu_map_dma_area is `dmaAllocCoherent` of dma-coherent.ts (Linux 2.2,
 * arch/sparc/mm/iommu.c). None of them knew a direction. What each direction needs is after arch/arm/mm/cache-v6.S,
 * cache-v7.S and dma-mapping.c: lines are written back before the device reads; they leave the caches before the
 * device writes, because a dirty one could be written back over what it has written; and once more after that if the
 * CPU may have loaded a line in between that no program asked for.
 */
import type { Cpu, Steps } from '../machine/cpu.ts';
import { PAGE_BYTES, type Platform } from '../machine/platform.ts';
import { type DmaBuffer, DmaLines, type DmaWays, LINE_SITES, type Others } from './dma-lines.ts';
import type { FlushArchitecture } from './flush/architecture.ts';
import { IO_SITES, type IoWindow, ioMap, ioUnmap } from './io-map.ts';

/** Who writes a buffer while it belongs to the device. */
export type DmaDirection = 'to-device' | 'from-device' | 'bidirectional';

/** Places that flush for a device, and what for. */
export const DMA_SITES = {
  'map.clean': 'the device will read the buffer: what the CPU has stored there is in memory',
  'map.invalidate': 'the device will write the buffer: no line of it is left that could be written back',
  'map.both':
    'the device will read and write the buffer, and nothing is flushed after that: memory alone has it',
  'unmap.invalidate': 'the device has written the buffer: no line that came in meanwhile hides it',
  'sync.device': 'the CPU has stored to a buffer that stays mapped: the device finds it in memory',
  'sync.cpu': 'the CPU will read a buffer that stays mapped: no line hides what the device has written',
  ...LINE_SITES,
  ...IO_SITES,
} as const;

type Site = keyof typeof DMA_SITES;

/** May a line come into a data cache that no program asked for? */
export function speculates({ agents }: Platform): boolean {
  return agents.includes('prefetch');
}

export class Dma {
  private readonly flushes: FlushArchitecture;
  private readonly window: IoWindow | null;
  private readonly lines: DmaLines;
  private readonly others: Others;

  /** @param window where the device's addresses are translated */
  constructor(flushes: FlushArchitecture, window: IoWindow | null, ways: DmaWays = {}) {
    this.flushes = flushes;
    this.window = window;
    this.others = ways.others ?? 'call';
    this.lines = new DmaLines(flushes, ways);
  }

  /**
   * dma_map_single: from now on the buffer belongs to the device.
   * @returns the address by which the device reaches it
   */
  *mapSingle(cpu: Cpu, buffer: DmaBuffer, direction: DmaDirection): Steps<number> {
    if (!this.snooped(cpu)) {
      if (direction === 'from-device') yield* this.emptied(cpu, buffer);
      else
        yield* this.stored(cpu, buffer, direction, this.mayStay(cpu, direction) ? 'map.clean' : 'map.both');
    }
    if (!this.window) return buffer.pa;
    const offset = buffer.pa % PAGE_BYTES;
    return (yield* ioMap(cpu, this.flushes, this.window, buffer.pa - offset)) + offset;
  }

  /** dma_unmap_single: the buffer belongs to the CPUs again. @param address what `mapSingle` returned */
  *unmapSingle(cpu: Cpu, address: number, buffer: DmaBuffer, direction: DmaDirection): Steps {
    if (this.window) yield* ioUnmap(cpu, this.flushes, this.window, address);
    yield* this.written(cpu, buffer, direction, 'unmap.invalidate');
  }

  /** dma_map_sg: a transfer that is scattered over several buffers. @returns an address for each */
  *mapSg(cpu: Cpu, buffers: readonly DmaBuffer[], direction: DmaDirection): Steps<number[]> {
    const addresses: number[] = [];
    for (const buffer of buffers) addresses.push(yield* this.mapSingle(cpu, buffer, direction));
    return addresses;
  }

  /** dma_unmap_sg */
  *unmapSg(
    cpu: Cpu,
    addresses: readonly number[],
    buffers: readonly DmaBuffer[],
    direction: DmaDirection,
  ): Steps {
    for (const [i, buffer] of buffers.entries()) {
      yield* this.unmapSingle(cpu, addresses[i], buffer, direction);
    }
  }

  /** dma_sync_single_for_device: the CPU is done with a mapped buffer, and the device may have it again. */
  *syncSingleForDevice(cpu: Cpu, buffer: DmaBuffer, direction: DmaDirection): Steps {
    if (this.snooped(cpu)) return;
    yield* this.stored(cpu, buffer, direction, 'sync.device');
  }

  /** dma_sync_single_for_cpu: the device is done with a buffer, which stays mapped. */
  syncSingleForCpu(cpu: Cpu, buffer: DmaBuffer, direction: DmaDirection): Steps {
    return this.written(cpu, buffer, direction, 'sync.cpu');
  }

  private snooped({ machine }: Cpu): boolean {
    return machine.state.devicesSnooped;
  }

  /** The device will write, and nobody reads before it has. */
  private *emptied(cpu: Cpu, buffer: DmaBuffer): Steps {
    if (this.flushes.runs('map.invalidate')) yield* this.lines.towardsMemory(cpu, 'invalidate', buffer);
    else this.lines.abandon(cpu, buffer);
  }

  /** The device will read what the CPU has stored. */
  private *stored(cpu: Cpu, buffer: DmaBuffer, direction: DmaDirection, site: Site): Steps {
    if (!this.flushes.runs(site)) return;
    yield* this.lines.towardsMemory(cpu, this.mayStay(cpu, direction) ? 'clean' : 'flush', buffer);
  }

  /** Lines may stay if memory does not change, or if they are dropped after it has. */
  private mayStay(cpu: Cpu, direction: DmaDirection): boolean {
    return direction === 'to-device' || this.looksAgain(cpu);
  }

  /** The device has written what the CPU will read. */
  private *written(cpu: Cpu, buffer: DmaBuffer, direction: DmaDirection, site: Site): Steps {
    if (direction === 'to-device' || this.snooped(cpu) || !this.looksAgain(cpu)) return;
    if (this.flushes.runs(site)) yield* this.lines.fromMemory(cpu, buffer);
  }

  /**
   * Are lines dropped after a transfer as well? Not where none can have come in; and not if a line must be
   * written to be got hold of, which is what must not happen to it now.
   */
  private looksAgain({ machine }: Cpu): boolean {
    return speculates(machine.platform) && this.others === 'call';
  }
}
