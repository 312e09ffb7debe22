/**
 * A ring of descriptors in memory that a driver and a device share: the driver writes a command and rings the
 * doorbell, the device reads the command and writes a status, which the driver reads. The page was the kernel's
 * before: both CPUs have stored to it through the linear mapping, and their caches write those lines back when they
 * like.
 *
 * A barrier stands between command and doorbell, as dma_wmb does in Linux. What happens without it cannot be shown:
 * stores of a CPU leave the write buffer in order here, whether they go to memory or past the caches, so the
 * doorbell never overtakes the command.
 */
import type { AddressSpace } from '../../kernel/address-space.ts';
import type { BootMemory } from '../../kernel/boot-memory.ts';
import { bootEntryOf, bootInto } from '../../kernel/boot-process.ts';
import { withoutPaging } from '../../kernel/boot-user.ts';
import { coherencyHandler } from '../../kernel/coherency-exception.ts';
import { COHERENT_SITES, dmaAllocCoherent, type FreeAddress } from '../../kernel/dma-coherent.ts';
import { dmaLinesCall } from '../../kernel/dma-lines.ts';
import type { FlushArchitecture } from '../../kernel/flush/architecture.ts';
import { type IoWindow, layIoWindow } from '../../kernel/io-map.ts';
import { type KernelLayout, layKernel, properKernel } from '../../kernel/kernel.ts';
import { layTables } from '../../kernel/page-table.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { PAGE_BYTES, type Platform } from '../../machine/platform.ts';
import type { Settings } from '../../program/workload.ts';
import type { Expectation } from '../scenario.ts';
import { clean, found, withoutAliases } from './alias-facts.ts';
import { defineFlushScenario } from './define-flush.ts';
import { evictSome, fill, mapLinear, wordsOf } from './dma-buffers.ts';
import { isSnooped, memoryIsCurrent, tableInCache } from './dma-facts.ts';
import { readWord, writeWord } from './dma-transfers.ts';
import { dataCacheFact, fact } from './facts.ts';
import { type Turn, takeTurns } from './turns.ts';

interface Layout {
  readonly kernel: KernelLayout;
  readonly turnPa: number;
  /** The device's doorbell: the driver writes the ring's address there. */
  readonly doorbellPa: number;
  readonly window: IoWindow | null;
  /** Physical address of the page of the ring. */
  readonly page: number;
  readonly free: FreeAddress;
}

/** Where the ring begins in its page: not where tables have their entries. */
const RING_OFFSET = 0x400;
/** In the kernel's part, an odd page: of another colour than the ring's. */
const KERNEL_VA = 0xd000_1000;
/** Of the status in a descriptor, which is a line. */
const STATUS = 4;
const ROUNDS = 2;

export default defineFlushScenario<Layout>({
  name: 'dma-coherent',
  title: 'A ring of descriptors that a driver and a device use at the same time',
  source:
    'David S. Miller, "The Linux Cache Flush Architecture", DVMA interfaces; Linux Documentation/core-api/dma-api.rst, arch/arm/mm/dma-mapping.c, arch/sparc/mm/iommu.c (sbus_iommu_alloc)',
  module: import.meta.url,
  sites: COHERENT_SITES,
  variants: [
    {
      name: 'right',
      title:
        'flushes the lines of the old mapping, then maps the ring past the caches where the device goes past them',
      expectOn: (platform) =>
        clean(
          isSnooped(platform)
            ? `the caches answer the device: ${fact(platform, 'dma.snooped')}`
            : `no cache has a line of the ring, and none gets one, although ${fact(platform, 'dma.snooped')}`,
        ),
    },
    {
      name: 'cached-alias-left',
      title: 'dirty lines of the linear mapping are left behind',
      omit: ['coherent.alias'],
      expectOn: aliasLeft,
    },
    {
      name: 'cached-ring',
      title: 'the ring is mapped like any other memory',
      expectOn: cachedRing,
    },
    {
      name: 'io-table-in-cache',
      title: 'the entry of the I/O table is left in the cache',
      omit: ['io.table'],
      expectOn: tableInCache,
    },
  ],
  parameters: {
    descriptors: { title: 'descriptors of the ring', default: 4, min: 2, max: 8 },
  },
  cpus: 3,
  minCpus: 2,
  devices: 1,
  platform: 'arm1176',

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['driver'], (boot, [space]) => ({
      turnPa: boot.line(),
      doorbellPa: boot.line(),
      window: layIoWindow(boot, 0, 1),
      ...layRing(boot, space),
    }));
    for (const { index } of machine.state.processors) bootInto(machine, index, kernel.spaces[0]);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout }, settings, flushesOf) {
    const kernel = properKernel(machine, layout.kernel, checker, [dmaLinesCall]);
    return {
      program: takeTurns(cpu, layout.turnPa, turnsOf(cpu, flushesOf(kernel), layout, settings)),
      vectors: { ...withoutPaging(kernel), coherencyException: coherencyHandler },
    };
  },
});

/** The page of the ring has an even number. */
function layRing(boot: BootMemory, space: AddressSpace): { page: number; free: FreeAddress } {
  layTables(boot, space.root, KERNEL_VA, 1);
  // Room for a table of the linear mapping, which comes before or after the page.
  let page = mapLinear(boot, space);
  while (page & PAGE_BYTES) page = mapLinear(boot, space);
  return { page, free: { va: KERNEL_VA, ptePa: bootEntryOf(boot.machine, space, KERNEL_VA) } };
}

function turnsOf(cpu: Cpu, flushes: FlushArchitecture, layout: Layout, settings: Settings): Turn[] {
  const { state, platform } = cpu.machine;
  const driver = 0;
  const other = state.processors.length - 1;
  const device = state.processors.length;
  const half = (Number(settings.descriptors) >> 1) * platform.lineBytes;
  const pa = layout.page + RING_OFFSET;
  const ring = { pa, sizeBytes: 2 * half };
  const [drivers, others] = [
    { pa, sizeBytes: half },
    { pa: pa + half, sizeBytes: half },
  ];
  const { va, ptePa } = layout.free;
  const offsets = wordsOf(cpu, ring).map((at) => at - pa);
  const cached = settings.variant === 'cached-ring';
  let address = 0;

  const turns: Turn[] = [
    { who: other, act: () => fill(cpu, others, 0x100) },
    {
      who: driver,
      *act() {
        yield* fill(cpu, drivers, 0x101);
        address = yield* dmaAllocCoherent(
          cpu,
          flushes,
          ring,
          { va, ptePa },
          { window: layout.window, cached },
        );
      },
    },
  ];
  for (let round = 1; round <= ROUNDS; round++) {
    turns.push(
      {
        who: driver,
        *act() {
          for (const at of offsets) {
            // Is the device done with it?
            if (round > 1) yield* cpu.load(va + RING_OFFSET + at + STATUS);
            yield* cpu.store(va + RING_OFFSET + at, (round << 8) | at);
          }
          yield* cpu.dsb();
          yield* cpu.storePhysical(layout.doorbellPa, address, 4, true);
        },
      },
      { who: other, act: () => evictSome(cpu, others) },
      { who: driver, act: () => evictSome(cpu, drivers) },
      { who: device, act: () => serve(cpu, layout.doorbellPa, offsets, round) },
      {
        who: driver,
        *act() {
          for (const at of offsets) yield* cpu.load(va + RING_OFFSET + at + STATUS);
        },
      },
    );
  }
  return turns;
}

/** What the device does at its doorbell. */
function* serve(cpu: Cpu, doorbellPa: number, offsets: readonly number[], round: number): Steps {
  const ring = yield* cpu.loadPhysical(doorbellPa, 4, true);
  for (const at of offsets) {
    yield* readWord(cpu, ring + at);
    yield* writeWord(cpu, ring + at + STATUS, round);
  }
}

function aliasLeft(platform: Platform): Expectation {
  if (isSnooped(platform)) {
    return (
      withoutAliases(platform) ??
      found(
        ['stale-data', 'device-old-data', 'lost-write'],
        `the ring’s address is of another colour than the linear mapping’s, whose dirty lines it does not see: ${dataCacheFact(platform)}`,
      )
    );
  }
  if (memoryIsCurrent(platform)) {
    return clean(
      `no line is ever newer than memory, and nobody looks at those left: ${fact(platform, 'l1d.write')}`,
    );
  }
  return found(
    ['lost-write'],
    `the lines are written back over what the driver has put into the ring: ${dataCacheFact(platform)}; ${fact(platform, 'dma.snooped')}`,
  );
}

function cachedRing(platform: Platform): Expectation {
  if (isSnooped(platform)) {
    return clean(`the ring is cached in any case: ${fact(platform, 'dma.snooped')}`);
  }
  if (memoryIsCurrent(platform)) {
    return found(
      ['stale-data'],
      `the driver hits the line that it had when it read the status before: ${dataCacheFact(platform)}; ${fact(platform, 'dma.snooped')}`,
    );
  }
  return found(
    ['device-old-data', 'stale-data', 'lost-write'],
    `commands are dirty in the cache, and the device reads memory: ${dataCacheFact(platform)}; ${fact(platform, 'dma.snooped')}`,
  );
}
