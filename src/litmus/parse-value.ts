/** Values and the cells that hold them, as initial states and conditions write them. */
import type { Architecture, Cell, EntryFields, Value } from './ast.ts';
import { canonicalInstruction } from './instruction-text.ts';
import type { TokenStream } from './lexer.ts';
import { wholeRegister } from './registers.ts';

const BITS = ['valid', 'af', 'db', 'dbm', 'el0'] as const;

/** Whether a cell begins `ahead`. */
export function seesRegister(tokens: TokenStream, ahead = 0): boolean {
  const first = tokens.peek(ahead);
  const isThread = first.kind === 'number' || (first.kind === 'name' && /^P\d+$/.test(first.text));
  return isThread && tokens.sees(':', ahead + 1);
}

/** @throws LitmusError */
export function parseCell(tokens: TokenStream, architecture: Architecture): Cell {
  if (seesRegister(tokens)) {
    const thread = Number(tokens.next().text.replace('P', ''));
    tokens.next();
    const name = tokens.expectKind('name', 'a register').text;
    return { kind: 'register', thread, name: wholeRegister(architecture, name) };
  }
  if (tokens.take('[')) {
    const cell = parseGlobal(tokens);
    tokens.expect(']', 'after the location');
    return cell;
  }
  const cell = parseGlobal(tokens);
  if (cell.kind !== 'memory' || !tokens.sees('[')) return cell;
  tokens.next();
  const index = Number(tokens.expectKind('number', "an element's number").text);
  tokens.expect(']', "after an element's number");
  return { ...cell, index, isElement: true };
}

/** A location in memory, a table entry (`PTE(x)`, `TTD(x)`, `pte_x`) or physical memory (`PA(x)`, `phy_x`). */
function parseGlobal(tokens: TokenStream): Cell {
  if (tokens.sees(['PTE', 'TTD', 'PA']) && tokens.sees('(', 1)) {
    const kind = tokens.next().text === 'PA' ? 'physical' : 'entry';
    return { kind, location: parseInParentheses(tokens) };
  }
  const name = tokens.expectKind('name', "a location or a register such as '0:X1'").text;
  const old = /^(pte|phy)_(.+)$/.exec(name);
  if (old !== null) return { kind: old[1] === 'pte' ? 'entry' : 'physical', location: old[2] };
  return { kind: 'memory', location: name, index: 0 };
}

/** `(x)`, `(P0:Page0)`, `(PTE(x))`: what stands in them, without spaces. */
function parseInParentheses(tokens: TokenStream): string {
  tokens.expect('(', 'before a location');
  let location = tokens.expectKind('name', 'a location').text;
  if (location === 'PTE' || location === 'TTD') location = `PTE(${parseInParentheses(tokens)})`;
  else if (tokens.take(':')) location += `:${tokens.expectKind('name', 'a label').text}`;
  tokens.expect(')', 'after a location');
  return location;
}

/** @throws LitmusError */
export function parseValue(tokens: TokenStream): Value {
  const { kind, text } = tokens.peek();
  if (kind === 'instruction') {
    tokens.next();
    return { kind, text: canonicalInstruction(text) };
  }
  if (kind === 'label') {
    tokens.next();
    return labelOf(text);
  }
  if (tokens.sees(['NOP', 'nop'])) {
    tokens.next();
    return { kind: 'instruction', text: 'NOP' };
  }
  if (tokens.sees('(')) return { kind: 'entry', fields: parseEntry(tokens) };
  if (seesRegister(tokens)) {
    const thread = tokens.next().text.replace('P', '');
    tokens.next();
    return labelOf(`${thread}:${tokens.expectKind('name', 'a label').text}`);
  }
  if (kind === 'number') return { kind, value: numberOf(tokens.next().text) };
  tokens.take('&');
  return parseAddress(tokens);
}

function parseAddress(tokens: TokenStream): Value {
  const cell = parseGlobal(tokens);
  if (cell.kind === 'entry') return { kind: 'entry-address', location: cell.location };
  if (cell.kind === 'physical') return { kind: 'physical', location: cell.location };
  if (cell.kind !== 'memory') throw tokens.error('a location was expected');
  const address = { kind: 'address', location: cell.location } as const;
  if (tokens.take(':')) return { ...address, tag: tokens.expectKind('name', 'a tag').text };
  if (tokens.take('+')) return { ...address, offset: numberOf(tokens.expectKind('number', 'bytes').text) };
  return address;
}

function labelOf(text: string): Value {
  const colon = text.indexOf(':');
  return { kind: 'label', thread: Number(text.slice(0, colon)), label: text.slice(colon + 1) };
}

/** A number with its sign, decimal or hexadecimal. */
export function numberOf(text: string): bigint {
  return text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text);
}

/** `(oa:PA(y), valid:0, db:1)`. */
function parseEntry(tokens: TokenStream): EntryFields {
  tokens.expect('(', 'before a table entry');
  let fields: EntryFields = { others: [] };
  do fields = parseField(tokens, fields);
  while (tokens.take(','));
  tokens.expect(')', 'after a table entry');
  return fields;
}

function parseField(tokens: TokenStream, fields: EntryFields): EntryFields {
  const name = tokens.expectKind('name', "a field of a table entry such as 'valid:0'").text;
  if (!tokens.take(':')) return { ...fields, others: [...fields.others, name] };
  if (name === 'oa') return { ...fields, oa: parseOutputAddress(tokens) };
  const value = tokens.next().text;
  const bit = BITS.find((known) => known === name);
  if (bit === undefined) return { ...fields, others: [...fields.others, `${name}:${value}`] };
  if (value !== '0' && value !== '1') throw tokens.error(`'${name}' takes 0 or 1, not '${value}'`);
  return { ...fields, [bit]: value === '1' ? 1 : 0 };
}

function parseOutputAddress(tokens: TokenStream): string {
  if (tokens.sees('PA')) {
    tokens.next();
    return parseInParentheses(tokens);
  }
  const name = tokens.expectKind('name', "an output address such as 'PA(x)'").text;
  if (name === 'PTE' || name === 'TTD') return `PTE(${parseInParentheses(tokens)})`;
  return name.replace(/^phy_/, '');
}
