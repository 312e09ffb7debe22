/** The initial state: `{ 0:X1=x; int y=1; [PTE(x)]=(valid:0); int t[2]={1,2}; }`. */
import type { Architecture, Cell, Initial, Value } from './ast.ts';
import type { TokenStream } from './lexer.ts';
import { parseCell, parseValue, seesRegister } from './parse-value.ts';

const ZERO: Value = { kind: 'number', value: 0n };
const BYTES: readonly [RegExp, number][] = [
  [/^(u?int8_t|(un)?signed char|char)$/, 1],
  [/^(u?int16_t|short)$/, 2],
  [/^(u?int32_t|int|unsigned|ins_t)$/, 4],
  [/^(u?int64_t|u?intptr_t|long|pteval_t|parel1_t)$/, 8],
  [/^__u?int128(_t)?$/, 16],
];

/**
 * @param tokens what stands between the braces
 * @throws LitmusError
 */
export function parseInitial(tokens: TokenStream, architecture: Architecture): Initial[] {
  const items: Initial[] = [];
  while (tokens.peek().kind !== 'end') {
    if (tokens.take(';')) continue;
    items.push(parseItem(tokens, architecture));
    if (tokens.peek().kind !== 'end') tokens.expect(';', 'after an item of the initial state');
  }
  return items;
}

function parseItem(tokens: TokenStream, architecture: Architecture): Initial {
  const place = tokens.place();
  const type = parseType(tokens);
  const cell = parseCell(tokens, architecture);
  const declared = type === undefined ? {} : { type, ...bytesOf(type) };
  // Without a value `t[2]` declares an array; with one a cell of an array cannot be meant (herd7).
  if (cell.kind === 'memory' && cell.index > 0) {
    return {
      ...declared,
      cell: { ...cell, index: 0 },
      value: ZERO,
      elements: parseElements(tokens, cell),
      place,
    };
  }
  if (!tokens.take('=')) return { ...declared, cell, value: ZERO, place };
  return { ...declared, cell, value: parseValue(tokens), place };
}

/** The type before a cell, if there is one: `int`, `void *`, `_Atomic int`, `*`. */
function parseType(tokens: TokenStream): string | undefined {
  const words: string[] = [];
  while (tokens.peek().kind === 'name' && beginsCell(tokens, 1)) {
    if (seesRegister(tokens) || (tokens.sees(['PTE', 'TTD', 'PA']) && tokens.sees('(', 1))) break;
    words.push(tokens.next().text);
  }
  while (tokens.take('*')) words.push('*');
  return words.length === 0 ? undefined : words.filter((word) => word !== '_Atomic').join(' ');
}

/** Whether what comes `ahead` can follow a type. */
function beginsCell(tokens: TokenStream, ahead: number): boolean {
  const { kind } = tokens.peek(ahead);
  if (kind === 'name' || kind === 'number' || tokens.sees('*', ahead)) return true;
  return tokens.sees('[', ahead) && tokens.peek(ahead + 1).kind === 'name';
}

function bytesOf(type: string): { bytes?: number } {
  if (type.endsWith('*')) return { bytes: 8 };
  const bytes = BYTES.find(([pattern]) => pattern.test(type))?.[1];
  return bytes === undefined ? {} : { bytes };
}

function parseElements(tokens: TokenStream, cell: Cell & { kind: 'memory' }): Value[] {
  if (cell.index > 4096)
    throw tokens.error(`'${cell.location}' has ${cell.index} elements: 4096 are the most`);
  if (!tokens.take('=')) return new Array<Value>(cell.index).fill(ZERO);
  tokens.expect('{', "before an array's elements");
  const elements: Value[] = [];
  do elements.push(parseValue(tokens));
  while (tokens.take(','));
  if (elements.length !== cell.index) {
    throw tokens.error(`'${cell.location}' has ${cell.index} elements, but ${elements.length} values`);
  }
  tokens.expect('}', "after an array's elements");
  return elements;
}
