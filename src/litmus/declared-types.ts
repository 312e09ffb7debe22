/** Types that a test declares: they decide how wide a number is and whether it has a sign. */
import type { Cell, LitmusTest } from './ast.ts';

interface NumberType {
  readonly bits: number;
  readonly isSigned: boolean;
}

/** What nobody declared is an `int` (herdtools7, `lib/testType.ml`). */
const INT: NumberType = { bits: 32, isSigned: true };

/** Identifies a cell: two that are the same have the same text. An array's elements are all the array's. */
function keyOf(cell: Cell): string {
  return cell.kind === 'register' ? `${cell.thread}:${cell.name}` : `${cell.kind} ${cell.location}`;
}

export class DeclaredTypes {
  private readonly types = new Map<string, NumberType>();
  private readonly arrays = new Map<string, number>();

  constructor(test: LitmusTest) {
    for (const { cell, type, bytes, elements } of test.initial) {
      if (type !== undefined && bytes !== undefined) {
        const isSigned = !type.startsWith('u') && !type.startsWith('__u') && !type.endsWith('*');
        this.types.set(keyOf(cell), { bits: bytes * 8, isSigned });
      }
      if (elements !== undefined && cell.kind === 'memory') this.arrays.set(cell.location, elements.length);
    }
  }

  /** How many elements a cell shows: undefined if it is no whole array. */
  elementsOf(cell: Cell): number | undefined {
    if (cell.kind !== 'memory' || cell.isElement === true) return undefined;
    return this.arrays.get(cell.location);
  }

  /** A number as the type of its cell has it. */
  narrow(cell: Cell, value: bigint): bigint {
    const { bits, isSigned } = this.types.get(keyOf(cell)) ?? INT;
    return isSigned ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
  }
}
