/** The program: columns between `|`, rows that end with `;`, labels before instructions or alone. */

import { aarch64Operands } from './aarch64-operands.ts';
import type { Architecture, Instruction, Operand, Thread } from './ast.ts';
import { canonicalInstruction } from './instruction-text.ts';
import type { Source } from './source.ts';
import { x86Operands } from './x86-operands.ts';

/** Words with which the part after the program begins. */
const ENDING = /(?:locations|filter|exists|forall|final|observed|~|not\b|\()/y;
const LABEL = /\s*([A-Za-z_][\w.$]*)\s*:/y;
const COLUMN = /^P(\d+)(\.F)?$/;

interface TextCell {
  readonly text: string;
  readonly offset: number;
}

/** A column while it is read. */
interface Column {
  readonly thread: number;
  readonly isHandler: boolean;
  readonly code: Instruction[];
  /** Labels that wait for their instruction. */
  labels: string[];
  /** Offset of its name. */
  readonly start: number;
  /** Offset of its last instruction. */
  end: number;
}

/**
 * @param start offset after the initial state
 * @returns the threads, and the offset of what follows the program
 * @throws LitmusError
 */
export function parseCode(
  source: Source,
  start: number,
  architecture: Architecture,
): { readonly threads: Thread[]; readonly end: number } {
  const first = nextRow(source, start);
  if (first === undefined) {
    throw source.error(skipSpace(source, start), "a row of threads such as 'P0 | P1 ;' was expected");
  }
  const columns = first.cells.map((cell) => columnOf(source, cell));
  let at = first.end;
  for (let row = nextRow(source, at); row !== undefined; row = nextRow(source, at)) {
    if (row.cells.length !== columns.length) {
      const what = `this row has ${row.cells.length} columns, the program ${columns.length}`;
      throw source.error(row.cells[0].offset, `${what}: separate them with '|', end the row with ';'`);
    }
    for (const [index, cell] of row.cells.entries()) addCell(source, columns[index], cell, architecture);
    at = row.end;
  }
  return { threads: threadsOf(source, columns), end: skipSpace(source, at) };
}

/** Undefined if the program ends before another row. */
function nextRow(source: Source, from: number): { cells: TextCell[]; end: number } | undefined {
  const { text } = source;
  const start = skipSpace(source, from);
  ENDING.lastIndex = start;
  if (start >= text.length || ENDING.test(text)) return undefined;
  const semicolon = text.indexOf(';', start);
  const end = semicolon < 0 ? text.length : semicolon;
  const cells: TextCell[] = [];
  let offset = start;
  for (const part of text.slice(start, end).split('|')) {
    // A line that ends without ';' would be read as one with the next.
    const broken = part.search(/\S[^\n]*\n\s*\S/);
    if (semicolon < 0 || broken >= 0) {
      const line = offset + Math.max(0, part.search(/\S/));
      throw source.error(line, "this row does not end with ';': put one at its end");
    }
    cells.push({ text: part, offset });
    offset += part.length + 1;
  }
  return { cells, end: end + 1 };
}

function skipSpace(source: Source, from: number): number {
  const rest = /\S/g;
  rest.lastIndex = from;
  return rest.exec(source.text)?.index ?? source.text.length;
}

function columnOf(source: Source, { text, offset }: TextCell): Column {
  const name = text.trim();
  const found = COLUMN.exec(name);
  const at = offset + Math.max(0, text.search(/\S/));
  if (found === null) throw source.error(at, `a column is called P0, P1, ... or P0.F, not '${name}'`);
  return {
    thread: Number(found[1]),
    isHandler: found[2] !== undefined,
    code: [],
    labels: [],
    start: at,
    end: at,
  };
}

function addCell(source: Source, column: Column, cell: TextCell, architecture: Architecture): void {
  let { text, offset } = cell;
  for (;;) {
    LABEL.lastIndex = 0;
    const label = LABEL.exec(text);
    if (label === null) break;
    column.labels.push(label[1]);
    text = text.slice(LABEL.lastIndex);
    offset += LABEL.lastIndex;
  }
  const space = text.search(/\S/);
  if (space < 0) return;
  column.code.push(instructionOf(source, text.trim(), offset + space, column.labels, architecture));
  column.labels = [];
  column.end = offset + space;
}

function instructionOf(
  source: Source,
  text: string,
  offset: number,
  labels: readonly string[],
  architecture: Architecture,
): Instruction {
  const word = /^\S+/.exec(text)?.[0] ?? '';
  const mnemonic = word.toUpperCase();
  const operands = splitOperands(text.slice(word.length).trim());
  const read = (operand: string, index: number, all: readonly string[]): Operand | undefined =>
    architecture === 'AArch64' ? aarch64Operands(mnemonic, operand, index, all) : x86Operands(operand);
  const parsed: Operand[] = [];
  for (const [index, operand] of operands.entries()) {
    const value = read(operand, index, operands);
    if (value === undefined)
      throw source.error(offset, `the operand '${operand}' of '${text}' cannot be read`);
    parsed.push(value);
  }
  const whole = architecture === 'AArch64' ? canonicalInstruction(text) : text.replace(/\s+/g, ' ');
  return {
    mnemonic,
    operands: architecture === 'AArch64' ? joinPostIndex(parsed) : parsed,
    labels,
    text: whole,
    place: source.placeAt(offset),
  };
}

/** Operands between commas that stand in no brackets; none if the text is empty. */
function splitOperands(text: string): string[] {
  if (text === '') return [];
  return text.split(/,(?![^[({]*[\])}])/).map((operand) => operand.trim());
}

/** `[X1],#4`: the number after the brackets belongs to them. */
function joinPostIndex(operands: readonly Operand[]): Operand[] {
  const [memory, last] = operands.slice(-2);
  const isPost = operands.length > 1 && memory.kind === 'memory' && last.kind === 'immediate';
  if (!isPost) return [...operands];
  return [...operands.slice(0, -2), { ...memory, offset: last.value, writeback: 'post' }];
}

function threadsOf(source: Source, columns: readonly Column[]): Thread[] {
  for (const column of columns) {
    if (column.labels.length === 0) continue;
    const place = source.placeAt(column.end);
    column.code.push({ mnemonic: '', operands: [], labels: column.labels, text: '', place });
  }
  const threads = columns.filter((column) => !column.isHandler);
  const handlers = new Map<number, readonly Instruction[]>();
  for (const [index, { thread, start }] of threads.entries()) {
    if (thread !== index)
      throw source.error(start, `P${index} was expected here: threads are P0, P1, ... in order`);
  }
  for (const { thread, isHandler, start, code } of columns) {
    if (!isHandler) continue;
    if (threads[thread] === undefined) throw source.error(start, `P${thread}.F handles faults of no thread`);
    if (handlers.has(thread)) throw source.error(start, `P${thread}.F stands here for the second time`);
    handlers.set(thread, code);
  }
  return threads.map(({ thread, code }) => {
    const handler = handlers.get(thread);
    return { index: thread, code, ...(handler === undefined ? {} : { handler }) };
  });
}
