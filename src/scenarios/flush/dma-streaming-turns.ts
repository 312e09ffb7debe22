/** Who does what in a driver's transfers, and in which order. */

import { type Dma, speculates } from '../../kernel/dma.ts';
import type { IoWindow } from '../../kernel/io-map.ts';
import type { KernelLayout } from '../../kernel/kernel.ts';
import { type Cpu, noSteps } from '../../machine/cpu.ts';
import type { Settings } from '../../program/workload.ts';
import { bringAllIn, evictSome, fill, look } from './dma-buffers.ts';
import { Transfers } from './dma-transfers.ts';
import type { Turn } from './turns.ts';

export interface StreamingLayout {
  readonly kernel: KernelLayout;
  /** Word that says whose turn it is. */
  readonly turnPa: number;
  /** Registers of the device: addresses of its transfers, one word each. */
  readonly registersPa: number;
  readonly window: IoWindow | null;
  /** Physical addresses of the pages that buffers lie in. */
  readonly pages: readonly number[];
}

/** Most bytes of a buffer. */
const BUFFER_BYTES = 0x200;

/** Where buffers begin: each at an offset of its own, past where tables have their entries, so that small caches keep all. */
export const buffersIn = (pages: readonly number[]): number[] =>
  pages.map((page, i) => page + BUFFER_BYTES * (i + 1));

/** The turns of all; those of this CPU are what it runs. */
export function streamingTurns(
  cpu: Cpu,
  dma: Dma,
  { pages, registersPa }: StreamingLayout,
  { variant, lines }: Settings,
): Turn[] {
  const { processors } = cpu.machine.state;
  const { lineBytes } = cpu.machine.platform;
  const driver = 0;
  const user = processors.length - 1;
  const device = processors.length;
  const sizeBytes = Number(lines) * lineBytes;
  const [first, second, third, fourth] = buffersIn(pages);
  const bus = new Transfers(cpu, registersPa);
  let addresses: readonly number[] = [];

  const sent = [
    { pa: first, sizeBytes },
    { pa: second, sizeBytes },
  ];
  const half = lineBytes / 2;
  /** Its first half line is a neighbour's. */
  const received = { pa: third + half, sizeBytes: sizeBytes - half };
  const neighbour = { pa: third, sizeBytes: 4 };
  const kept = { pa: fourth, sizeBytes };
  const isSpeculative = variant === 'ownership-speculative' || speculates(cpu.machine.platform);
  const isInUse = variant === 'line-in-use';

  return [
    {
      who: user,
      *act() {
        for (const buffer of sent) yield* fill(cpu, buffer, 0x100);
        yield* fill(cpu, received, 0x200);
        yield* fill(cpu, neighbour, 0x201);
        yield* fill(cpu, kept, 0x300);
      },
    },
    {
      who: driver,
      *act() {
        addresses = yield* dma.mapSg(cpu, sent, 'to-device');
        yield* bus.program(addresses);
      },
    },
    { who: device, act: () => bus.read(sent) },
    {
      who: driver,
      *act() {
        yield* dma.unmapSg(cpu, addresses, sent, 'to-device');
        addresses = [yield* dma.mapSingle(cpu, received, 'from-device')];
        yield* bus.program(addresses);
      },
    },
    {
      who: user,
      *act() {
        if (isSpeculative) yield* bringAllIn(cpu, received);
        if (isInUse) yield* fill(cpu, neighbour, 0x202);
      },
    },
    { who: device, act: () => bus.write([received], 0x2000) },
    { who: user, act: () => evictSome(cpu, received) },
    {
      // It is this CPU that the device interrupts.
      who: user,
      *act() {
        yield* dma.unmapSingle(cpu, yield* bus.address(0), received, 'from-device');
        yield* look(cpu, received);
        yield* look(cpu, neighbour);
      },
    },
    {
      who: driver,
      *act() {
        addresses = [yield* dma.mapSingle(cpu, kept, 'bidirectional')];
        yield* bus.program(addresses);
      },
    },
    { who: device, act: () => bus.read([kept]) },
    { who: user, act: () => (isSpeculative ? bringAllIn(cpu, kept) : noSteps()) },
    { who: device, act: () => bus.write([kept], 0x3000) },
    { who: driver, act: () => dma.syncSingleForCpu(cpu, kept, 'bidirectional') },
    {
      who: user,
      *act() {
        yield* look(cpu, kept);
        yield* fill(cpu, kept, 0x301);
      },
    },
    { who: driver, act: () => dma.syncSingleForDevice(cpu, kept, 'bidirectional') },
    { who: device, act: () => bus.read([kept]) },
    { who: user, act: () => (isSpeculative ? bringAllIn(cpu, kept) : noSteps()) },
    { who: device, act: () => bus.write([kept], 0x3001) },
    { who: driver, act: () => dma.unmapSingle(cpu, addresses[0], kept, 'bidirectional') },
    { who: user, act: () => look(cpu, kept) },
  ];
}
