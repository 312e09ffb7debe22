/** Final states that were printed once, read back: an engine whose answers are known. */
import type { Architecture, Cell, LitmusTest, Value } from '../../src/litmus/ast.ts';
import type { Fault, FinalState, LitmusResult } from '../../src/litmus/engine.ts';
import { TokenStream } from '../../src/litmus/lexer.ts';
import { parseCell, parseValue } from '../../src/litmus/parse-value.ts';
import { Source } from '../../src/litmus/source.ts';

const PART =
  /^\s*(?:(?<absent>~)?Fault\((?<fault>.*)\)|(?<array>\w+)=\{(?<elements>.*)\}|(?<cell>[^=]+)=(?<value>.*))$/;

/** A state out of its line. */
export function cannedState(architecture: Architecture, line: string): FinalState {
  const values = new Map<string, Value>();
  const faults: Fault[] = [];
  for (const part of line.split(';')) {
    const groups = PART.exec(part)?.groups;
    if (groups === undefined) continue;
    if (groups.fault !== undefined && groups.absent === undefined) faults.push(faultOf(groups.fault));
    if (groups.cell !== undefined) {
      values.set(keyOf(parse(groups.cell, architecture)), parseValue(tokensOf(groups.value)));
    }
    for (const [index, element] of (groups.elements?.split(',') ?? []).entries()) {
      values.set(`${groups.array}[${index}]`, parseValue(tokensOf(element)));
    }
  }
  const read = (cell: Cell): Value => {
    const value = values.get(keyOf(cell)) ?? values.get(elementKey(cell));
    if (value === undefined) throw new Error(`'${line}' has no ${keyOf(cell)}`);
    return value;
  };
  return { read, faults };
}

/** What an engine would return that finds these states. */
export function cannedResult(
  test: LitmusTest,
  lines: readonly string[],
  flags: readonly string[] = [],
): LitmusResult {
  const states = lines.map((line) => ({ state: cannedState(test.architecture, line), count: 1 }));
  return { states, flags, explored: lines.length, complete: true };
}

function tokensOf(text: string): TokenStream {
  return new TokenStream(new Source(text), 0, text.length);
}

function parse(text: string, architecture: Architecture): Cell {
  return parseCell(tokensOf(text), architecture);
}

function keyOf(cell: Cell): string {
  if (cell.kind === 'register') return `${cell.thread}:${cell.name}`;
  return cell.kind === 'memory' ? cell.location : `${cell.kind} ${cell.location}`;
}

function elementKey(cell: Cell): string {
  return cell.kind === 'memory' ? `${cell.location}[${cell.index}]` : '';
}

function faultOf(text: string): Fault {
  const [who, ...rest] = text.split(',');
  const [thread, ...labels] = who.split(':');
  const level = rest.at(-1) === 'EL0' ? 'EL0' : undefined;
  const [first, second] = level === undefined ? rest : rest.slice(0, -1);
  return {
    thread: Number(thread.slice(1)),
    labels,
    type: second ?? first,
    ...(second === undefined ? {} : { location: first }),
    ...(level === undefined ? {} : { level }),
  };
}
