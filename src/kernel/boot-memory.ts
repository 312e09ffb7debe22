/** Hands out physical memory before anything runs: the lowest addresses, in order, never back. */
import type { Machine } from '../machine/machine.ts';
import { PAGE_BYTES } from '../machine/platform.ts';

export class BootMemory {
  readonly machine: Machine;
  private next = PAGE_BYTES;

  constructor(machine: Machine) {
    this.machine = machine;
  }

  /** Address of a fresh line: words that different CPUs write should not share one. */
  line(): number {
    return this.bytes(this.machine.platform.lineBytes, this.machine.platform.lineBytes);
  }

  /** Address of `count` fresh, page-aligned pages. */
  pages(count: number): number {
    return this.bytes(count * PAGE_BYTES, PAGE_BYTES);
  }

  /** @throws Error if physical memory is exhausted */
  bytes(sizeBytes: number, alignBytes: number): number {
    const at = Math.ceil(this.next / alignBytes) * alignBytes;
    this.next = at + sizeBytes;
    const { memoryBytes, name } = this.machine.platform;
    if (this.next > memoryBytes) {
      throw new Error(`${name}: ${this.next} bytes of memory needed, the platform has ${memoryBytes}`);
    }
    return at;
  }

  /** First page that has not been handed out. */
  get firstFreePage(): number {
    return Math.ceil(this.next / PAGE_BYTES) * PAGE_BYTES;
  }
}
