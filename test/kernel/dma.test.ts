import { describe, expect, it } from 'vitest';
import { DMA_SITES, Dma, type DmaDirection } from '../../src/kernel/dma.ts';
import { FlushArchitecture } from '../../src/kernel/flush/architecture.ts';
import { type IoWindow, ioMap, ioUnmap, layIoWindow } from '../../src/kernel/io-map.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import type { Cpu, Steps } from '../../src/machine/cpu.ts';
import { COUNT } from '../../src/machine/registers.ts';
import { platforms } from '../../src/platforms/index.ts';
import { runKernel } from '../support/kernel.ts';

const PA = 0x8_0000;
const LINES = 4;

const flushesOf = (kernel: Kernel) => new FlushArchitecture(kernel, null, Object.keys(DMA_SITES));

/** Runs a driver on one CPU beside a device that does nothing. @returns why it failed */
function driveAnyhow(
  platform: string,
  driver: (cpu: Cpu, flushes: FlushArchitecture, window: IoWindow | null) => Steps,
): string | undefined {
  let window: IoWindow | null = null;
  const { result } = runKernel(
    platforms[platform],
    [(cpu, { kernel }) => driver(cpu, flushesOf(kernel), window), function* () {}],
    {
      devices: 1,
      prepare: (boot) => {
        window = layIoWindow(boot, 0, 2);
      },
    },
  );
  return result.error;
}

function drive(...parameters: Parameters<typeof driveAnyhow>): void {
  expect(driveAnyhow(...parameters)).toBeUndefined();
}

/** Lines maintained by each call for a buffer of LINES lines. */
function operations(platform: string, direction: DmaDirection): number[] {
  const counts: number[] = [];
  drive(platform, function* (cpu, flushes) {
    const dma = new Dma(flushes, null);
    const buffer = { pa: PA, sizeBytes: LINES * cpu.machine.platform.lineBytes };
    let before = 0;
    const note = () => {
      counts.push((cpu.hw.counters[COUNT.maintenance] - before) / LINES);
      before = cpu.hw.counters[COUNT.maintenance];
    };
    const address = yield* dma.mapSingle(cpu, buffer, direction);
    expect(address).toBe(PA);
    note();
    yield* dma.syncSingleForCpu(cpu, buffer, direction);
    note();
    yield* dma.syncSingleForDevice(cpu, buffer, direction);
    note();
    yield* dma.unmapSingle(cpu, address, buffer, direction);
    note();
  });
  return counts;
}

describe('lines are maintained', () => {
  // Of map, sync for the CPU, sync for the device, unmap.
  const [before, around, outerBefore, outerAround, never] = [
    [1, 0, 1, 0],
    [1, 1, 1, 1],
    [2, 0, 2, 0],
    [2, 2, 2, 2],
    [0, 0, 0, 0],
  ];
  it.each([
    ['arm926', before, before],
    ['arm1176', before, around],
    ['cortex-a9', outerBefore, outerAround],
    ['x86-64', never, never],
  ])('on %s as often as it takes', (platform, toDevice, fromDevice) => {
    expect(operations(platform, 'to-device')).toEqual(toDevice);
    expect(operations(platform, 'from-device')).toEqual(fromDevice);
    expect(operations(platform, 'bidirectional')).toEqual(fromDevice);
  });
});

describe('a window of I/O addresses', () => {
  it('gives out the first that is free', () => {
    drive('sun4m', function* (cpu, flushes, window) {
      if (!window) throw new Error('no window');
      const first = yield* ioMap(cpu, flushes, window, PA);
      const second = yield* ioMap(cpu, flushes, window, PA);
      expect(second - first).toBe(4096);
      yield* ioUnmap(cpu, flushes, window, first);
      expect(yield* ioMap(cpu, flushes, window, PA + 4096)).toBe(first);
    });
  });

  it('ends', () => {
    const error = driveAnyhow('sun4m', function* (cpu, flushes, window) {
      if (!window) throw new Error('no window');
      for (let n = 0; n < 3; n++) yield* ioMap(cpu, flushes, window, PA);
    });
    expect(error).toMatch('give the device a larger window');
  });

  it('is not there where devices use physical addresses', () => {
    drive('arm926', function* (_cpu, _flushes, window) {
      expect(window).toBeNull();
      yield* none();
    });
  });
});

it('a scatter list has an address for each of its buffers, within its page', () => {
  drive('sun4m', function* (cpu, flushes, window) {
    const dma = new Dma(flushes, window);
    const buffers = [
      { pa: PA + 0x80, sizeBytes: 64 },
      { pa: PA + 0x1040, sizeBytes: 64 },
    ];
    const addresses = yield* dma.mapSg(cpu, buffers, 'to-device');
    expect(addresses.map((address) => address & 0xfff)).toEqual([0x80, 0x40]);
    yield* dma.unmapSg(cpu, addresses, buffers, 'to-device');
    expect(yield* dma.mapSingle(cpu, buffers[1], 'from-device')).toBe(addresses[0] - 0x80 + 0x40);
  });
});

function* none() {}
