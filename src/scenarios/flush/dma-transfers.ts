/** What a device is told by its registers, and does. */
import type { DmaBuffer } from '../../kernel/dma-lines.ts';
import { type Cpu, STEP, type Steps } from '../../machine/cpu.ts';
import { Device, DeviceFault } from '../../machine/device.ts';
import { wordsOf } from './dma-buffers.ts';

export class Transfers {
  private readonly cpu: Cpu;
  private readonly registersPa: number;

  /** @param registersPa words that driver and device read and write past the caches */
  constructor(cpu: Cpu, registersPa: number) {
    this.cpu = cpu;
    this.registersPa = registersPa;
  }

  /** The driver writes the addresses of a transfer to the registers. */
  *program(addresses: readonly number[]): Steps {
    for (const [i, address] of addresses.entries()) {
      yield* this.cpu.storePhysical(this.registersPa + i * 4, address, 4, true);
    }
  }

  /** The device reads the words in use of each buffer. */
  *read(buffers: readonly DmaBuffer[]): Steps {
    for (const [i, buffer] of buffers.entries()) {
      const base = yield* this.address(i);
      for (const at of wordsOf(this.cpu, buffer)) yield* readWord(this.cpu, base + at - buffer.pa);
    }
  }

  /** The device writes them. */
  *write(buffers: readonly DmaBuffer[], value: number): Steps {
    for (const [i, buffer] of buffers.entries()) {
      const base = yield* this.address(i);
      for (const at of wordsOf(this.cpu, buffer)) yield* writeWord(this.cpu, base + at - buffer.pa, value);
    }
  }

  /** What register `i` says. */
  address(i: number): Steps<number> {
    return this.cpu.loadPhysical(this.registersPa + i * 4, 4, true);
  }
}

/** @throws DeviceFault if the word has no translation, and nobody has found out why */
export function readWord(cpu: Cpu, address: number): Steps<number> {
  return afterFindings(new Device(cpu).read(address));
}

/** @throws DeviceFault as `readWord` */
export function writeWord(cpu: Cpu, address: number, value: number): Steps {
  return afterFindings(new Device(cpu).write(address, value));
}

/** A transfer that faults because of what a finding says: the run ends with the finding. */
function* afterFindings<T>(transfer: Steps<T>): Steps<T> {
  try {
    return yield* transfer;
  } catch (error) {
    if (error instanceof DeviceFault) yield STEP;
    throw error;
  }
}
