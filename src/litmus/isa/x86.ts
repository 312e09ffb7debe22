/**
 * Decodes the x86-64 instructions that litmus tests use. Total store order is what remains of the Arm model
 * if every load is an acquire that need not wait for earlier releases and every store is a release: only a
 * store and a later load are not ordered (Owens, Sarkar, Sewell, "x86-TSO", TPHOLs 2009).
 */
import type { Instruction, Operand } from '../ast.ts';
import { LitmusError } from '../litmus-error.ts';
import { FENCE, KIND, type Operation, ORDER, operation } from './operation.ts';
import type { Registers } from './registers.ts';

/** @throws LitmusError for an instruction that flushlab does not know */
export function decodeX86(instruction: Instruction, registers: Registers): Operation {
  const { mnemonic, operands, text, place } = instruction;
  const name = mnemonic.toUpperCase();
  const decoded = new Decoder(text, registers, !name.endsWith('L')).decode(
    name.replace(/[LQ]$/, ''),
    operands,
  );
  if (decoded !== undefined) return decoded;
  throw new LitmusError(place, `the instruction '${text}' is not supported: README.md lists those that are`);
}

class Decoder {
  readonly #text: string;
  readonly #registers: Registers;
  readonly #isWide: boolean;

  constructor(text: string, registers: Registers, isWide: boolean) {
    this.#text = text;
    this.#registers = registers;
    this.#isWide = isWide;
  }

  decode(name: string, operands: readonly Operand[]): Operation | undefined {
    const [source, destination] = operands;
    switch (name) {
      case '':
        return this.#make(KIND.END);
      case 'MFENCE':
        return this.#make(KIND.FENCE, { fence: FENCE.FULL });
      case 'MOV':
        return this.#move(source, destination);
      case 'XCHG':
        return this.#exchange(source, destination) ?? this.#exchange(destination, source);
      default:
        return undefined;
    }
  }

  #make(kind: number, rest: Partial<Operation> = {}): Operation {
    return operation(kind, this.#text, { isWide: this.#isWide, ...rest });
  }

  #move(source: Operand, destination: Operand): Operation | undefined {
    const [from, to] = [this.#memory(source), this.#memory(destination)];
    if (to !== undefined) {
      const data = this.#value(source);
      return data < 0 ? undefined : this.#make(KIND.STORE, { ...to, data, order: ORDER.RELEASE });
    }
    if (destination?.kind !== 'register') return undefined;
    const register = this.#registers.numberOf(destination.name);
    if (from !== undefined) return this.#make(KIND.LOAD, { ...from, to: register, order: ORDER.ACQUIRE_PC });
    const b = this.#value(source);
    return b < 0 ? undefined : this.#make(KIND.COMPUTE, { to: register, b });
  }

  /** Locked, as every exchange with memory is: a full barrier. */
  #exchange(register: Operand, memory: Operand): Operation | undefined {
    const at = this.#memory(memory);
    if (at === undefined || register?.kind !== 'register') return undefined;
    const number = this.#registers.numberOf(register.name);
    const order = ORDER.ACQUIRE | ORDER.RELEASE;
    return this.#make(KIND.SWAP, { ...at, to: number, data: number, order });
  }

  /** A register that holds an operand's value; -1 if it is in memory. */
  #value(operand: Operand): number {
    if (operand?.kind === 'register') return this.#registers.numberOf(operand.name);
    return operand?.kind === 'immediate'
      ? this.#registers.constant({ kind: 'number', value: operand.value })
      : -1;
  }

  #memory(operand: Operand): Partial<Operation> | undefined {
    if (operand?.kind === 'location') {
      return { base: this.#registers.constant({ kind: 'address', location: operand.name }) };
    }
    if (operand?.kind !== 'memory') return undefined;
    return {
      base: this.#registers.numberOf(operand.base),
      index: operand.index === undefined ? -1 : this.#registers.numberOf(operand.index),
      offset: Number(operand.offset),
      shift: Math.log2(Number(operand.extend ?? '1')),
    };
  }
}
