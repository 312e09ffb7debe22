/**
 * A test's identity as herd7 computes it, which logs carry as `Hash=`: MD5 of the digests of the cache type,
 * the initial state, the program with labels renamed, and the names of what final states show (herdtools7,
 * `lib/testHash.ml`). It differs from herd7's for `.pagealign`, addresses with post-increment, and
 * `instr:"NOP"` where `NOP` would do.
 */
import { createHash } from 'node:crypto';
import type { Cell, Initial, Instruction, LitmusTest, Operand, Thread, Value } from './ast.ts';
import { lookedAt } from './condition.ts';
import { entryWithDefaults } from './defaults.ts';
import { observationOf } from './final-state.ts';
import { valueText } from './notation.ts';

/** 32 hexadecimal digits: those of the header if it has some. */
export function testHash(test: LitmusTest): string {
  if (test.headers.Hash !== undefined) return test.headers.Hash;
  const { CacheType } = test.headers;
  const parts = [initialText(test), programText(test), observedText(test)];
  if (CacheType !== undefined) parts.unshift(`cachetype=${CacheType}`);
  return md5(Buffer.concat(parts.map((part) => md5(part).digest()))).digest('hex');
}

function md5(data: string | Buffer) {
  return createHash('md5').update(data);
}

function initialText({ initial }: LitmusTest): string {
  const sorted = [...initial].sort((one, other) => compareText(orderOf(one.cell), orderOf(other.cell)));
  return sorted.map(itemText).join('; ');
}

/** Registers before memory before table entries. */
function orderOf(cell: Cell): string {
  if (cell.kind === 'register') return `0 ${String(cell.thread).padStart(3, '0')} ${cell.name}`;
  return `${cell.kind === 'memory' ? 1 : cell.kind === 'physical' ? 2 : 3} ${cell.location}`;
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function itemText({ cell, value, type, elements }: Initial): string {
  const name = oldName(cell);
  if (elements !== undefined) return `${type} ${name}[${elements.length}]`;
  const implied = value.kind === 'entry' ? 'pteval_t' : value.kind === 'instruction' ? 'ins_t' : undefined;
  const shown = type ?? implied;
  const prefix = shown === undefined ? '' : shown.endsWith('*') ? shown : `${shown} `;
  return `${prefix}${name}=${oldValue(value, cell)}`;
}

/** Names from before `PTE(x)`: a test keeps its hash. */
function oldName(cell: Cell): string {
  if (cell.kind === 'register') return `${cell.thread}:${cell.name}`;
  if (cell.kind === 'memory') return cell.isElement ? `${cell.location}[${cell.index}]` : cell.location;
  return cell.kind === 'entry' ? `pte_${cell.location}` : `phy_${cell.location}`;
}

function oldValue(value: Value, cell: Cell): string {
  if (value.kind === 'entry-address') return `pte_${value.location}`;
  if (value.kind === 'physical') return `phy_${value.location}`;
  if (value.kind === 'label') return `${value.thread}:${value.label}`;
  if (value.kind !== 'entry') return valueText(value);
  const entry = entryWithDefaults(value.fields, cell.kind === 'entry' ? cell.location : undefined);
  const fields = [`oa:phy_${entry.oa}`];
  for (const name of ['af', 'db', 'dbm', 'valid'] as const) fields.push(`${name}:${entry[name]}`);
  if (entry.el0 !== 1) fields.push(`el0:${entry.el0}`);
  return `(${[...fields, ...entry.others].join(', ')})`;
}

function programText({ threads }: LitmusTest): string {
  const names = labelNames(threads);
  const columns = [
    ...threads.map(({ code }) => columnOf(code, names)),
    ...threads.flatMap(({ handler }) => (handler === undefined ? [] : [columnOf(handler, names)])),
  ];
  const widths = columns.map((column) => Math.max(0, ...column.map((line) => line.length)));
  const rows = Math.max(0, ...columns.map((column) => column.length));
  return Array.from({ length: rows }, (_, row) => {
    const cells = columns.map((column, index) => ` ${(column[row] ?? '').padEnd(widths[index])} `);
    return `${cells.join('|')};\n`;
  }).join('');
}

/** `L00`, `L01`, ... in the order of the names. */
function labelNames(threads: readonly Thread[]): ReadonlyMap<string, string> {
  const names = new Set<string>();
  for (const { code, handler } of threads) {
    for (const { labels, operands } of [...code, ...(handler ?? [])]) {
      for (const label of labels) names.add(label);
      for (const operand of operands) if (operand.kind === 'label') names.add(operand.name);
    }
  }
  return new Map([...names].sort().map((name, index) => [name, `L${String(index).padStart(2, '0')}`]));
}

function columnOf(code: readonly Instruction[], names: ReadonlyMap<string, string>): string[] {
  return code.flatMap(({ labels, operands, text, mnemonic }) => {
    const lines = labels.map((label) => `${names.get(label)}:`);
    if (mnemonic === '')
      return process.env.TL === '1'
        ? [...lines, 'NOP']
        : process.env.TL === '2'
          ? []
          : process.env.TL === '3'
            ? [...lines, '']
            : process.env.TL === '4'
              ? [...lines, 'nop']
              : lines;
    return [...lines, hashedInstruction(mnemonic, operands, text, names)];
  });
}

/** Labels renamed, and old names of what has changed its name since. */
function hashedInstruction(
  mnemonic: string,
  operands: readonly Operand[],
  text: string,
  names: ReadonlyMap<string, string>,
): string {
  const last = operands.at(-1);
  if (mnemonic === 'IC' && operands.length === 1) return `${text},XZR`;
  if (last?.kind !== 'label') return text;
  const renamed = text.slice(0, text.length - last.name.length) + names.get(last.name);
  return mnemonic === 'ADR' ? renamed.replace('ADR', 'ADDR') : renamed;
}

/** Cells that final states show, and locations of faults that the condition names. */
function observedText(test: LitmusTest): string {
  const named = lookedAt(test.condition.proposition).faults.flatMap(({ location }): Cell[] =>
    location === undefined ? [] : [{ kind: 'memory', location, index: 0 }],
  );
  const cells = [...observationOf(test).cells, ...named];
  const sorted = cells.sort((one, other) => compareText(orderOf(one), orderOf(other)));
  return [...new Set(sorted.map(oldName))].join('; ');
}
