/**
 * A driver's transfers, one after the other: a device reads what a CPU has stored, scattered over two pages; it
 * writes a buffer that begins in the middle of a line; and it reads and writes a buffer that stays mapped. Where the
 * platform has two CPUs, the one that uses the buffers is not the one that runs the driver.
 *
 * Between the calls of the driver the caches do what they may do at any time: they bring the buffer's lines in
 * before the device has written, and write lines back after it has.
 */
import { bootInto } from '../../kernel/boot-process.ts';
import { withoutPaging } from '../../kernel/boot-user.ts';
import { coherencyHandler } from '../../kernel/coherency-exception.ts';
import { DMA_SITES, Dma } from '../../kernel/dma.ts';
import { type DmaWays, dmaLinesCall } from '../../kernel/dma-lines.ts';
import { layIoWindow } from '../../kernel/io-map.ts';
import { layKernel, properKernel } from '../../kernel/kernel.ts';
import { defineFlushScenario } from './define-flush.ts';
import { bringAllIn, mapLinear } from './dma-buffers.ts';
import { buffersIn, type StreamingLayout, streamingTurns } from './dma-streaming-turns.ts';
import { streamingVariants } from './dma-streaming-variants.ts';
import { takeTurns } from './turns.ts';

export default defineFlushScenario<StreamingLayout>({
  name: 'dma-streaming',
  title: 'A device reads what a CPU stored, and writes what it reads',
  source:
    'David S. Miller, "The Linux Cache Flush Architecture", DVMA interfaces; Linux Documentation/core-api/dma-api.rst, arch/arm/mm/cache-v6.S and dma-mapping.c, arch/sparc/mm/iommu.c',
  module: import.meta.url,
  sites: DMA_SITES,
  variants: streamingVariants,
  parameters: {
    lines: { title: 'lines of a buffer', default: 4, min: 2, max: 8 },
  },
  cpus: 3,
  minCpus: 2,
  devices: 1,
  platform: 'cortex-a9',

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['driver'], (boot, [space]) => ({
      turnPa: boot.line(),
      registersPa: boot.pages(1),
      window: layIoWindow(boot, 0, 2),
      pages: Array.from({ length: 4 }, () => mapLinear(boot, space)),
    }));
    for (const { index } of machine.state.processors) bootInto(machine, index, kernel.spaces[0]);
    return { kernel, ...prepared };
  },

  // What the device writes is what the hardware may load at the wrong time.
  speculation: ({ pages }) =>
    buffersIn(pages)
      .slice(2)
      .flatMap((pa) => [pa, pa + 0x20, pa + 0x40, pa + 0x60]),

  start({ machine, checker, cpu, layout }, settings, flushesOf) {
    const kernel = properKernel(machine, layout.kernel, checker, [dmaLinesCall]);
    const dma = new Dma(flushesOf(kernel), layout.window, waysOf(settings.variant));
    return {
      program: takeTurns(cpu, layout.turnPa, streamingTurns(cpu, dma, layout, settings)),
      vectors: { ...withoutPaging(kernel), coherencyException: coherencyHandler },
    };
  },
});

function waysOf(variant: string): DmaWays {
  if (variant.startsWith('ownership')) return { others: 'ownership' };
  return variant === 'inner-first' ? { innerFirst: bringAllIn } : {};
}
