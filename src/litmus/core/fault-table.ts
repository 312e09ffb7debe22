/** Faults that threads took: numbered as they are found, so that a state holds them as bits. */
import type { Fault } from '../engine.ts';
import { LitmusError } from '../litmus-error.ts';
import { FAULT_WORDS, type Layout } from './layout.ts';

/** Names of faults, by FAULT. */
export const FAULT_NAMES = [
  '',
  'D-MMU:Translation',
  'D-MMU:AccessFlag',
  'D-MMU:Permission',
  'UndefinedInstruction',
];

export class FaultTable {
  readonly #layout: Layout;
  readonly #faults: { readonly fault: Fault; readonly pc: number }[] = [];
  readonly #numbers = new Map<string, number>();

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** Records in a state that a fault was taken. */
  note(state: Int32Array, pc: number, fault: Fault): void {
    const key = `${fault.thread} ${pc} ${fault.type} ${fault.location}`;
    let bit = this.#numbers.get(key);
    if (bit === undefined) {
      bit = this.#faults.push({ fault, pc }) - 1;
      if (bit === 32 * FAULT_WORDS)
        throw new LitmusError({ line: 1, column: 1 }, 'the test has too many different faults');
      this.#numbers.set(key, bit);
    }
    state[this.#layout.faults + (bit >> 5)] |= 1 << (bit & 31);
  }

  /** Whether an instruction of a thread has faulted before. */
  hasFaulted(state: Int32Array, thread: number, pc: number): boolean {
    return this.#faults.some(
      (known, bit) => known.fault.thread === thread && known.pc === pc && this.#isSet(state, bit),
    );
  }

  in(state: Int32Array): Fault[] {
    return this.#faults.filter((_, bit) => this.#isSet(state, bit)).map(({ fault }) => fault);
  }

  #isSet(state: Int32Array, bit: number): boolean {
    return (state[this.#layout.faults + (bit >> 5)] & (1 << (bit & 31))) !== 0;
  }
}
