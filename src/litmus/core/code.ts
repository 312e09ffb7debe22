/** The code of all threads in one row, each thread's with its handler behind it, and words as instructions. */
import type { Architecture, Instruction, LitmusTest, Value } from '../ast.ts';
import { decodeAArch64 } from '../isa/aarch64.ts';
import { COMPUTE, KIND, type Operation, operation } from '../isa/operation.ts';
import type { Registers } from '../isa/registers.ts';
import { decodeX86 } from '../isa/x86.ts';
import { LitmusError } from '../litmus-error.ts';
import { parseCode } from '../parse-code.ts';
import { Source } from '../source.ts';
import { WORD, wordOf } from './words.ts';

const INSTRUCTION_BYTES = 4;

export function labelWord(pc: number): number {
  return wordOf(WORD.LABEL, pc * INSTRUCTION_BYTES);
}

export class Code {
  /** What stands at each position at the start: the number of an operation. */
  readonly initial: readonly number[];
  readonly labels: readonly (readonly string[])[];
  /** Where each thread begins, and its handler, -1 if it has none. */
  readonly entries: readonly number[];
  readonly handlers: readonly number[];
  /** What stands for a word that is no instruction. */
  readonly undefinedNumber: number;
  readonly #threadOf: readonly number[];
  readonly #architecture: Architecture;
  readonly #registers: Registers;
  readonly #operations: Operation[] = [];
  readonly #numbers = new Map<string, number>();

  constructor(test: LitmusTest, registers: Registers) {
    this.#architecture = test.architecture;
    this.#registers = registers;
    const lines: { thread: number; instruction: Instruction | undefined }[] = [];
    const [entries, handlers]: [number[], number[]] = [[], []];
    for (const { index: thread, code, handler } of test.threads) {
      entries.push(lines.length);
      for (const instruction of code) lines.push({ thread, instruction });
      lines.push({ thread, instruction: undefined });
      handlers.push(handler === undefined ? -1 : lines.length);
      if (handler === undefined) continue;
      for (const instruction of handler) lines.push({ thread, instruction });
      lines.push({ thread, instruction: undefined });
    }
    this.#threadOf = lines.map(({ thread }) => thread);
    this.labels = lines.map(({ instruction }) => instruction?.labels ?? []);
    this.entries = entries;
    this.handlers = handlers;
    this.undefinedNumber = this.#number(operation(KIND.UNDEFINED, 'UDF #0'));
    this.initial = lines.map(({ instruction }, pc) =>
      instruction === undefined ? this.#number(operation(KIND.END, '')) : this.#decode(instruction, pc),
    );
  }

  get length(): number {
    return this.initial.length;
  }

  operation(number: number): Operation {
    return this.#operations[number];
  }

  /** @returns -1 if there is no such label */
  positionOf(thread: number, label: string): number {
    return this.labels.findIndex((labels, pc) => this.#threadOf[pc] === thread && labels.includes(label));
  }

  /** The word of an instruction that is written as text. */
  wordOf(text: string): number {
    const source = new Source(`P0 ;\n ${text} ;\n`);
    const [{ code }] = parseCode(source, 0, this.#architecture).threads;
    return wordOf(WORD.INSTRUCTION, this.#decode(code[0], -1));
  }

  label(pc: number): Value | undefined {
    const [label] = this.labels[pc] ?? [];
    return label === undefined ? undefined : { kind: 'label', thread: this.#threadOf[pc], label };
  }

  #decode(instruction: Instruction, pc: number): number {
    const decode = this.#architecture === 'AArch64' ? decodeAArch64 : decodeX86;
    const decoded = decode(instruction, this.#registers);
    const { target, kind } = decoded;
    if (typeof target === 'number') {
      return kind === KIND.COMPUTE && target !== 0
        ? this.#address(decoded, pc, target)
        : this.#number(decoded);
    }
    const destination = pc < 0 ? -1 : this.positionOf(this.#threadOf[pc], target);
    if (destination < 0) {
      throw new LitmusError(
        instruction.place,
        `label '${target}' is not in this thread: put it before an instruction`,
      );
    }
    const bytes = (destination - pc) * INSTRUCTION_BYTES;
    // A branch as a word says how far it goes, so that equal words are equal instructions.
    const text = decoded.text.replace(/[\w.$]+$/, `.${bytes < 0 ? '' : '+'}${bytes}`);
    if (kind === KIND.COMPUTE) return this.#address({ ...decoded, text }, pc, bytes);
    return this.#number({ ...decoded, target: bytes, text });
  }

  #address(decoded: Operation, pc: number, bytes: number): number {
    const address = labelWord(pc + bytes / INSTRUCTION_BYTES);
    return this.#number({ ...decoded, compute: COMPUTE.SECOND, immediate: address, target: 0 });
  }

  #number(decoded: Operation): number {
    const key = `${decoded.kind} ${decoded.text} ${decoded.immediate}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.#operations.length);
    return this.#operations.push(decoded) - 1;
  }
}
