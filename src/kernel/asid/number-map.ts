/** A bitmap of numbers that are taken, in simulated memory, for whoever holds the lock that it is under. */
import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { Machine } from '../../machine/machine.ts';
import type { BootMemory } from '../boot-memory.ts';

const wordsFor = (numbers: number) => (numbers >>> 5) + 1;
const bitOf = (number: number) => 1 << (number & 31);

/** Takes memory for the numbers from 0 to `last`. @returns its physical address */
export function layNumbers(boot: BootMemory, last: number): number {
  return boot.bytes(wordsFor(last) * 4, boot.machine.platform.lineBytes);
}

/** A number that is taken when the run begins. */
export function bootTaken(machine: Machine, mapPa: number, number: number): void {
  const word = mapPa + (number >>> 5) * 4;
  machine.poke(word, machine.peek(word) | bitOf(number));
}

export class NumberMap {
  private readonly pa: number;
  private readonly last: number;
  private readonly uncached: boolean;

  constructor(pa: number, last: number, uncached: boolean) {
    this.pa = pa;
    this.last = last;
    this.uncached = uncached;
  }

  /** Lowest free number from `from` on; 0 if there is none. */
  *findFree(cpu: Cpu, from: number): Steps<number> {
    for (let number = from; number <= this.last; ) {
      const taken = yield* cpu.loadPhysical(this.wordOf(number), 4, this.uncached);
      const end = (number | 31) + 1;
      for (; number < end && number <= this.last; number++) if ((taken & bitOf(number)) === 0) return number;
    }
    return 0;
  }

  /** @returns true if it was free */
  *testAndSet(cpu: Cpu, number: number): Steps<boolean> {
    const at = this.wordOf(number);
    const taken = yield* cpu.loadPhysical(at, 4, this.uncached);
    if ((taken & bitOf(number)) !== 0) return false;
    yield* cpu.storePhysical(at, (taken | bitOf(number)) >>> 0, 4, this.uncached);
    return true;
  }

  /** These are taken from now on and no others. */
  *setTo(cpu: Cpu, taken: readonly number[]): Steps {
    const map = new Uint32Array(wordsFor(this.last));
    for (const number of taken) map[number >>> 5] |= bitOf(number);
    for (const [word, bits] of map.entries()) {
      yield* cpu.storePhysical(this.pa + word * 4, bits, 4, this.uncached);
    }
  }

  private wordOf(number: number): number {
    return this.pa + (number >>> 5) * 4;
  }
}
