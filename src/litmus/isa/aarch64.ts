/** Decodes the A64 instructions that litmus tests use (Arm ARM, part C6). */
import type { Instruction, Operand } from '../ast.ts';
import { LitmusError } from '../litmus-error.ts';
import { COMPUTE, CONDITION, FENCE, KIND, type Operation, ORDER, operation } from './operation.ts';
import type { Registers } from './registers.ts';

const ARITHMETIC: Readonly<Record<string, number>> = {
  ADD: COMPUTE.ADD,
  SUB: COMPUTE.SUB,
  AND: COMPUTE.AND,
  ORR: COMPUTE.OR,
  EOR: COMPUTE.XOR,
  BIC: COMPUTE.BIT_CLEAR,
  LSL: COMPUTE.SHIFT_LEFT,
  LSR: COMPUTE.SHIFT_RIGHT,
};

const ATOMICS: Readonly<Record<string, number>> = {
  SWP: COMPUTE.SECOND,
  CAS: COMPUTE.SECOND,
  LDADD: COMPUTE.ADD,
  LDCLR: COMPUTE.BIT_CLEAR,
  LDSET: COMPUTE.OR,
  LDEOR: COMPUTE.XOR,
  STADD: COMPUTE.ADD,
  STCLR: COMPUTE.BIT_CLEAR,
  STSET: COMPUTE.OR,
  STEOR: COMPUTE.XOR,
};

const CONDITIONS: Readonly<Record<string, number>> = {
  EQ: CONDITION.EQ,
  NE: CONDITION.NE,
  GE: CONDITION.GE,
  LT: CONDITION.LT,
  GT: CONDITION.GT,
  LE: CONDITION.LE,
};

const LOADS: Readonly<Record<string, number>> = {
  LDR: ORDER.PLAIN,
  LDAR: ORDER.ACQUIRE,
  LDAPR: ORDER.ACQUIRE_PC,
};
const STORES: Readonly<Record<string, number>> = { STR: ORDER.PLAIN, STLR: ORDER.RELEASE };

/** Numbers of tests are small: larger words stand for addresses and entries. */
const LARGEST = 1n << 28n;

/** @throws LitmusError for an instruction that flushlab does not know */
export function decodeAArch64(instruction: Instruction, registers: Registers): Operation {
  const decoded = new Decoder(instruction, registers).decode();
  if (decoded !== undefined) return decoded;
  const what = `the instruction '${instruction.text}' is not supported: README.md lists those that are`;
  throw new LitmusError(instruction.place, what);
}

class Decoder {
  readonly #instruction: Instruction;
  readonly #registers: Registers;

  constructor(instruction: Instruction, registers: Registers) {
    this.#instruction = instruction;
    this.#registers = registers;
  }

  decode(): Operation | undefined {
    const { mnemonic } = this.#instruction;
    if (mnemonic in LOADS) return this.#load(LOADS[mnemonic]);
    if (mnemonic in STORES) return this.#store(STORES[mnemonic]);
    const exclusive = /^(LD(A?)XR|ST(L?)XR)$/.exec(mnemonic);
    if (exclusive !== null) return this.#exclusive(exclusive[2] === 'A', exclusive[3] === 'L');
    if (mnemonic in ARITHMETIC) return this.#arithmetic(ARITHMETIC[mnemonic]);
    if (mnemonic.startsWith('B.')) return this.#branch(CONDITIONS[mnemonic.slice(2)]);
    const atomic = /^(SWP|CAS|LDADD|LDCLR|LDSET|LDEOR|STADD|STCLR|STSET|STEOR)(A?L?)$/.exec(mnemonic);
    if (atomic !== null) return this.#atomic(atomic[1], atomic[2]);
    return this.#system() ?? this.#control() ?? this.#move();
  }

  #make(kind: number, rest: Partial<Operation> = {}): Operation {
    return operation(kind, this.#instruction.text, rest);
  }

  #operand(index: number): Operand | undefined {
    return this.#instruction.operands[index];
  }

  #isRegister(index: number): boolean {
    return this.#operand(index)?.kind === 'register';
  }

  #name(index: number): string {
    const operand = this.#operand(index);
    if (operand?.kind !== 'register') throw this.#unexpected(index, 'a register');
    return operand.name;
  }

  #register(index: number): number {
    return this.#registers.numberOf(this.#name(index));
  }

  #isWide(index = 0): boolean {
    return !this.#name(index).startsWith('W');
  }

  #immediate(index: number): number {
    const operand = this.#operand(index);
    if (operand?.kind !== 'immediate') throw this.#unexpected(index, 'a number');
    if (operand.value >= LARGEST || operand.value <= -LARGEST) throw this.#unexpected(index, 'below 2^28');
    return Number(operand.value);
  }

  #word(index: number): string {
    const operand = this.#operand(index);
    return operand?.kind === 'word' ? operand.text : '';
  }

  #target(index: number): number | string {
    const operand = this.#operand(index);
    if (operand?.kind === 'relative') return operand.bytes;
    if (operand?.kind !== 'label') throw this.#unexpected(index, 'a label');
    return operand.name;
  }

  #unexpected(index: number, what: string): LitmusError {
    const { text, place } = this.#instruction;
    return new LitmusError(place, `operand ${index + 1} of '${text}' has to be ${what}`);
  }

  #memory(index: number): Partial<Operation> | undefined {
    const operand = this.#operand(index);
    if (operand?.kind !== 'memory') return undefined;
    const scale = /#(\d+)$/.exec(operand.extend ?? '');
    return {
      base: this.#registers.numberOf(operand.base),
      index: operand.index === undefined ? -1 : this.#registers.numberOf(operand.index),
      offset: Number(operand.offset),
      shift: scale === null ? 0 : Number(scale[1]),
      writeback: operand.writeback ?? 'none',
    };
  }

  #load(order: number): Operation | undefined {
    const memory = this.#memory(1);
    if (memory === undefined) return undefined;
    return this.#make(KIND.LOAD, { ...memory, to: this.#register(0), isWide: this.#isWide(), order });
  }

  #store(order: number): Operation | undefined {
    const memory = this.#memory(1);
    if (memory === undefined) return undefined;
    return this.#make(KIND.STORE, { ...memory, data: this.#register(0), isWide: this.#isWide(), order });
  }

  #exclusive(isAcquire: boolean, isRelease: boolean): Operation | undefined {
    if (this.#instruction.mnemonic.startsWith('LD')) {
      const load = this.#load(isAcquire ? ORDER.ACQUIRE : ORDER.PLAIN);
      return load && { ...load, isExclusive: true };
    }
    const memory = this.#memory(2);
    if (memory === undefined) return undefined;
    const order = isRelease ? ORDER.RELEASE : ORDER.PLAIN;
    const [to, data] = [this.#register(0), this.#register(1)];
    return this.#make(KIND.STORE, { ...memory, to, data, isWide: this.#isWide(1), order, isExclusive: true });
  }

  #atomic(name: string, suffix: string): Operation | undefined {
    const isStore = name.startsWith('ST');
    const memory = this.#memory(isStore ? 1 : 2);
    if (memory === undefined) return undefined;
    const order =
      (suffix.includes('A') ? ORDER.ACQUIRE : ORDER.PLAIN) |
      (suffix.includes('L') ? ORDER.RELEASE : ORDER.PLAIN);
    const shared = { ...memory, compute: ATOMICS[name], isWide: this.#isWide(), order };
    if (isStore) return this.#make(KIND.SWAP, { ...shared, data: this.#register(0) });
    const isCompare = name === 'CAS';
    const [first, second] = [this.#register(0), this.#register(1)];
    if (isCompare) return this.#make(KIND.SWAP, { ...shared, to: first, expected: first, data: second });
    return this.#make(KIND.SWAP, { ...shared, to: second, data: first });
  }

  #arithmetic(compute: number): Operation {
    const second: Partial<Operation> = this.#isRegister(2)
      ? { b: this.#register(2), shift: this.#shift(3) }
      : { immediate: this.#immediate(2) };
    const [to, a] = [this.#register(0), this.#register(1)];
    return this.#make(KIND.COMPUTE, { to, a, ...second, compute, isWide: this.#isWide() });
  }

  #shift(index: number): number {
    const found = /^LSL #(\d+)$/.exec(this.#word(index));
    return found === null ? 0 : Number(found[1]);
  }

  /** Moves, comparisons and selections. */
  #move(): Operation | undefined {
    const { mnemonic } = this.#instruction;
    const flags = this.#registers.numberOf('NZCV');
    if (mnemonic === 'MOV' || mnemonic === 'MOVZ') {
      const source = this.#isRegister(1) ? { b: this.#register(1) } : { immediate: this.#immediate(1) };
      return this.#make(KIND.COMPUTE, { to: this.#register(0), ...source, isWide: this.#isWide() });
    }
    if (mnemonic === 'CMP' || mnemonic === 'TST') {
      const compute = mnemonic === 'CMP' ? COMPUTE.COMPARE : COMPUTE.TEST;
      const source = this.#isRegister(1) ? { b: this.#register(1) } : { immediate: this.#immediate(1) };
      return this.#make(KIND.COMPUTE, { to: flags, a: this.#register(0), ...source, compute });
    }
    if (mnemonic === 'ADR') {
      return this.#make(KIND.COMPUTE, { to: this.#register(0), target: this.#target(1) });
    }
    const select = { compute: COMPUTE.SELECT, flags };
    if (mnemonic === 'CSEL' || mnemonic === 'CSINC') {
      const condition = CONDITIONS[this.#word(3)];
      if (condition === undefined) return undefined;
      const [to, a, b] = [this.#register(0), this.#register(1), this.#register(2)];
      return this.#make(KIND.COMPUTE, {
        ...select,
        to,
        a,
        b,
        condition,
        immediate: mnemonic === 'CSINC' ? 1 : 0,
      });
    }
    if (mnemonic === 'CSET') {
      const condition = CONDITIONS[this.#word(1)];
      if (condition === undefined) return undefined;
      // 1 if the condition holds, that is, 0 + 1 if its opposite does not.
      const zero = this.#registers.numberOf('XZR');
      const opposite = condition ^ 1;
      const to = this.#register(0);
      return this.#make(KIND.COMPUTE, { ...select, to, a: zero, b: zero, condition: opposite, immediate: 1 });
    }
    return undefined;
  }

  #branch(condition: number | undefined): Operation | undefined {
    if (condition === undefined) return undefined;
    const flags = this.#registers.numberOf('NZCV');
    return this.#make(KIND.BRANCH, { flags, condition, target: this.#target(0) });
  }

  #control(): Operation | undefined {
    const link = this.#registers.numberOf('X30');
    switch (this.#instruction.mnemonic) {
      case '':
        return this.#make(KIND.END);
      case 'B':
        return this.#make(KIND.JUMP, { target: this.#target(0) });
      case 'BL':
        return this.#make(KIND.JUMP, { target: this.#target(0), to: link });
      case 'CBZ':
        return this.#make(KIND.BRANCH, {
          a: this.#register(0),
          condition: CONDITION.ZERO,
          target: this.#target(1),
        });
      case 'CBNZ':
        return this.#make(KIND.BRANCH, {
          a: this.#register(0),
          condition: CONDITION.NOT_ZERO,
          target: this.#target(1),
        });
      case 'BR':
        return this.#make(KIND.INDIRECT, { a: this.#register(0) });
      case 'BLR':
        return this.#make(KIND.INDIRECT, { a: this.#register(0), to: link });
      case 'RET':
        return this.#make(KIND.INDIRECT, { a: this.#isRegister(0) ? this.#register(0) : link });
      case 'ERET':
        return this.#make(KIND.ERET, { a: this.#registers.numberOf('ELR_EL1') });
      default:
        return undefined;
    }
  }

  #system(): Operation | undefined {
    const { mnemonic } = this.#instruction;
    const word = this.#word(0);
    switch (mnemonic) {
      case 'NOP':
        return this.#make(KIND.NOP);
      case 'UDF':
        return this.#make(KIND.UNDEFINED);
      case 'ISB':
        return this.#make(KIND.ISB);
      case 'DMB':
      case 'DSB': {
        const fence = /LD$/.test(word) ? FENCE.LOADS : /ST$/.test(word) ? FENCE.STORES : FENCE.FULL;
        return this.#make(KIND.FENCE, { fence, isSynchronization: mnemonic === 'DSB' });
      }
      case 'TLBI': {
        const isLocal = !/IS(NXS)?$/.test(word);
        if (/^(VMALL|ALLE)/.test(word)) return this.#make(KIND.TLBI, { isOfAll: true, isLocal });
        return this.#make(KIND.TLBI, { base: this.#register(1), isLocal });
      }
      case 'DC':
        return word === 'CVAU' ? this.#make(KIND.DC, { base: this.#register(1) }) : undefined;
      case 'IC':
        // IALLU is of this CPU only; herd7 has it on all, and so have we to compare with it.
        if (word.startsWith('IALLU')) return this.#make(KIND.IC, { isOfAll: true });
        return this.#make(KIND.IC, { base: this.#register(1) });
      case 'MSR':
        return this.#make(KIND.COMPUTE, { to: this.#registers.numberOf(word), b: this.#register(1) });
      case 'MRS':
        return this.#make(KIND.COMPUTE, {
          to: this.#register(0),
          b: this.#registers.numberOf(this.#word(1)),
        });
      default:
        return undefined;
    }
  }
}
