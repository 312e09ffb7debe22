import type { Architecture, Value } from '../ast.ts';
import { wholeRegister } from '../registers.ts';

/** Always 0: `XZR`. */
export const ZERO_REGISTER = 0;

/** Numbers the registers that a test uses, so that states hold no others. */
export class Registers {
  readonly #architecture: Architecture;
  readonly #numbers = new Map<string, number>([['XZR', ZERO_REGISTER]]);
  readonly #constants = new Map<number, Value>();

  constructor(architecture: Architecture) {
    this.#architecture = architecture;
  }

  get count(): number {
    return this.#numbers.size;
  }

  /** Registers that nothing writes, with what they hold in every thread. */
  get constants(): ReadonlyMap<number, Value> {
    return this.#constants;
  }

  /** @param name of the whole register or of a part of it */
  numberOf(name: string): number {
    return this.#add(wholeRegister(this.#architecture, name));
  }

  /** -1 for a register that nothing uses. */
  find(name: string): number {
    return this.#numbers.get(wholeRegister(this.#architecture, name)) ?? -1;
  }

  /** A register for an operand that is a constant: `$1`, `(x)`. */
  constant(value: Value & { readonly kind: 'number' | 'address' }): number {
    const number = this.#add(value.kind === 'number' ? `$${value.value}` : `&${value.location}`);
    this.#constants.set(number, value);
    return number;
  }

  #add(key: string): number {
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.#numbers.size);
    return this.#numbers.size - 1;
  }
}
